"""Tax: hears of a checkout and says what it costs with tax."""

from decimal import Decimal

from examples.checkout.base import Service, State, Task, run

RATE = Decimal("0.20")


class Tax(Service):
    """Writes the new price itself, never the percentage: written twice, it is the same."""

    name = "tax"
    task_name = "addTax"
    hears = "shop.checkout.started"
    says = "shop.price.taxed"

    def work(self, state: State) -> State:
        """The price with tax, to the cent."""
        price = Decimal(str(state["currentPrice"])) * (1 + RATE)
        return {"updatedPrice": float(price.quantize(Decimal("0.01")))}

    def undone(self, task: Task) -> State:
        """No taxed price any more."""
        return {"updatedPrice": None}


if __name__ == "__main__":
    run(Tax)
