"""Cart: opens the job, says that a checkout has begun, and closes the job once it is shipped."""

from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import uuid4

from choreo_client import current

from examples.checkout.base import (
    EFFECTIVE,
    Answer,
    BadRequest,
    Event,
    NotFound,
    Overloaded,
    Service,
    State,
    Task,
    canonical_uuid,
    derived_id,
    run,
)

MAX_PRICE = Decimal(10**9)


class Cart(Service):
    """The initiator: the only one with a front door for customers."""

    name = "cart"
    task_name = "openCheckout"
    hears = "shop.order.shipped"
    says = "shop.checkout.started"

    def post(self, path: str, body: State) -> Answer:
        """POST /checkouts with `items` or `currentPrice`, and a `jobID` if wanted."""
        if path != "/checkouts":
            return super().post(path, body)
        job_id = canonical_uuid(body.get("jobID") or uuid4(), "jobID")
        price = {"currentPrice": float(_price(body))}
        self.take_on(_checkout(job_id), job_id, None, current().traceparent, price)
        return 202, {"jobID": job_id}

    def before_work(self, task: Task) -> None:
        """Open the job; it has to be there before its first task."""
        self.outbox.put_job(task.job_id, self._job("working"))

    def work(self, state: State) -> State:
        """The price of the goods, for all to see."""
        return {"currentPrice": state["currentPrice"]}

    def undone(self, task: Task) -> State:
        """No checkout, no price."""
        return {"currentPrice": None}

    def receive(self, event: Event) -> None:
        """The goods are on their way: the job is done, unless it was withdrawn."""
        if event.type != self.hears:
            raise BadRequest(f"{event.type} is not heard here, only {self.hears}")
        status = self.store.status(_checkout(event.job_id))
        if status is None:
            raise NotFound("no such checkout began here")
        seen = f"event {event.id}"
        if status not in EFFECTIVE or self.store.answered(seen):
            return
        # PUT, not PATCH: through the outbox it may have to be said more than once.
        if not self.outbox.put_job(event.job_id, self._job("completed")):
            raise Overloaded("the end of the job could not be kept")
        self.store.remember(seen, (202, {}))

    def _job(self, status: str) -> State:
        return {
            "jobName": "checkout",
            "jobStatus": status,
            "jobMaxTTL": self.settings.job_max_ttl,
        }


def _checkout(job_id: str) -> str:
    return derived_id(job_id, "cart", "checkout")


def _price(body: State) -> Decimal:
    if "currentPrice" in body:
        price = _amount(body["currentPrice"])
    else:
        price = sum((_item_price(item) for item in _items(body)), Decimal(0))
    if price > MAX_PRICE:
        raise BadRequest("that is more than this shop has")
    return price.quantize(Decimal("0.01"))


def _items(body: State) -> list[Any]:
    items = body.get("items")
    if not isinstance(items, list) or not items:
        raise BadRequest("currentPrice, or a list of items, is required")
    return items


def _item_price(item: Any) -> Decimal:
    if not isinstance(item, dict):
        raise BadRequest("an item is an object with price and quantity")
    return _amount(item.get("price")) * _amount(item.get("quantity", 1))


def _amount(value: Any) -> Decimal:
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        raise BadRequest("a price is a number") from None
    if not amount.is_finite() or not 0 <= amount <= MAX_PRICE:
        raise BadRequest("a price is a number from 0 on")
    return amount


if __name__ == "__main__":
    run(Cart)
