"""Ship: hears of a payment, sends the goods and says so."""

from examples.checkout.base import Service, State, Task, run


class Ship(Service):
    """The last step; that cart listens for it is cart's affair."""

    name = "ship"
    task_name = "dispatchGoods"
    hears = "shop.payment.captured"
    says = "shop.order.shipped"

    def work(self, state: State) -> State:
        """Send what was paid for, and only that."""
        if state["paymentStatus"] != "captured":
            raise ValueError("only what is paid for is sent")
        return {"shipmentStatus": "dispatched"}

    def undone(self, task: Task) -> State:
        """Call the parcel back."""
        return {"shipmentStatus": "recalled"}


if __name__ == "__main__":
    run(Ship)
