"""Pay: hears of a taxed price, takes the money and says so. Can be told to misbehave."""

import os

from examples.checkout.base import CannotUndo, Service, Settings, State, Task, run


class Pay(Service):
    """Every PAY_SLOW_EVERY-th payment is late; every PAY_STUCK_EVERY-th hangs and stays."""

    name = "pay"
    task_name = "capturePayment"
    hears = "shop.price.taxed"
    says = "shop.payment.captured"

    def __init__(self, settings: Settings) -> None:
        self._slow_every = int(os.environ.get("PAY_SLOW_EVERY", "0"))
        self._stuck_every = int(os.environ.get("PAY_STUCK_EVERY", "0"))
        self._slow_seconds = float(os.environ.get("PAY_SLOW_SECONDS", "15"))
        super().__init__(settings)

    def work(self, state: State) -> State:
        """Take the whole price; without one there is nothing to take."""
        if state["updatedPrice"] < 0:
            raise ValueError("a price below 0 cannot be captured")
        return {"paymentStatus": "captured"}

    def undone(self, task: Task) -> State:
        """Give the money back, unless this payment is a stuck one."""
        if _is_nth(task, self._stuck_every):
            raise CannotUndo("the payment provider does not answer")
        return {"paymentStatus": "refunded"}

    def delay_before(self, task: Task) -> float:
        """A slow payment is captured late."""
        slow = _is_nth(task, self._slow_every) and not self.delay_after(task)
        return self._slow_seconds if slow else 0.0

    def delay_after(self, task: Task) -> float:
        """A stuck payment is captured at once, and only then hangs."""
        return self._slow_seconds if _is_nth(task, self._stuck_every) else 0.0


def _is_nth(task: Task, every: int) -> bool:
    # By the task's own number, so that a restart does not make another one of it.
    return every > 0 and task.seq % every == 0


if __name__ == "__main__":
    run(Pay)
