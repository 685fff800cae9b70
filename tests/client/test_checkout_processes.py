"""Four real processes and nothing that conducts them."""

import socket
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import pytest

from examples.checkout.base.ids import derived_id
from tests.client.checkout import NEXT, SECRET, Checkout, checkout
from tests.client.fake_choreo import FakeChoreo, Seen

pytestmark = pytest.mark.slow

ALL = {"currentPrice": 100.0, "updatedPrice": 120.0, "paymentStatus": "captured", "shipmentStatus": "dispatched"}


@pytest.fixture
def shop(served: FakeChoreo, tmp_path: Path) -> Iterator[Checkout]:
    with checkout(served.url, tmp_path) as made:
        yield made


def ledger(shop: Checkout, name: str) -> list[tuple[str, str]]:
    """What a service really did, in order."""
    with closing(sqlite3.connect(shop.data / name / "store.sqlite3")) as sql:
        return sql.execute("SELECT task_id, entry FROM ledger ORDER BY seq").fetchall()


def is_completed(choreo: FakeChoreo, job_id: str) -> bool:
    return choreo.wait_until(lambda: choreo.job_status(job_id) == "completed")


def eventually(holds: Callable[[], bool], timeout: float = 20.0) -> bool:
    """Ask until it holds: for what another process does without telling anybody here."""
    deadline = time.monotonic() + timeout
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.03)
    return holds()


def event_headers(kind: str, event_id: str, job_id: str, task_id: str) -> dict[str, str]:
    return {
        "ce-specversion": "1.0",
        "ce-id": event_id,
        "ce-type": kind,
        "ce-source": "urn:test",
        "correlation-id": job_id,
        "request-id": task_id,
    }


def test_one_checkout_from_cart_to_cart(shop: Checkout, served: FakeChoreo) -> None:
    shop.start(*NEXT)
    job_id = shop.buy()
    assert is_completed(served, job_id)
    assert served.state(job_id) == ALL
    names = ["openCheckout", "addTax", "capturePayment", "dispatchGoods"]
    tasks = [served.task_named(job_id, name) for name in names]
    caused_by = None
    for service, task in zip(NEXT, tasks, strict=True):
        assert task is not None
        task_id, body = task
        assert (body["taskStatus"], body["taskStateChanged"]) == ("completed", True)
        assert body.get("taskCausedBy") == caused_by
        assert body["taskCancelURL"] == shop.url(service, f"/tasks/{task_id}/cancel")
        assert body["taskRevertURL"] == shop.url(service, f"/tasks/{task_id}/revert")
        caused_by = task_id
    first_reports = [s.body for s in served.seen if s.body and s.body.get("taskStatus") == "working"]
    assert [b["taskStateChanged"] for b in first_reports] == [False] * 4
    assert {s.path.split("/")[4] for s in served.seen if "/services/" in s.path} == set(NEXT)
    begun = time.monotonic()
    assert shop.stop() == dict.fromkeys(NEXT, 0)
    assert time.monotonic() - begun < 2.5


def test_kill_one_and_the_others_go_on(shop: Checkout, served: FakeChoreo) -> None:
    shop.start(*NEXT)
    shop.kill("pay")
    jobs = [shop.buy(), shop.buy()]
    for job_id in jobs:
        taxed = served.wait_until(lambda job=job_id: served.states[job][0].get("updatedPrice") == 120.0)  # type: ignore[misc]
        assert taxed
    shop.start("pay")
    assert all(is_completed(served, job_id) for job_id in jobs)


@pytest.mark.parametrize("way", ["static", "registry"])
def test_an_event_reaches_the_same_service_elsewhere(served: FakeChoreo, tmp_path: Path, way: str) -> None:
    with checkout(served.url, tmp_path, SUBSCRIBER_SERVICE="tax" if way == "registry" else "") as shop:
        if way == "static":
            shop.environ["SUBSCRIBER_FALLBACK_URL"] = shop.url("tax", "")
        shop.next = {**NEXT, "cart": "ship"}  # where nobody listens at all
        shop.start("tax")
        assert way == "static" or served.wait_until(lambda: "tax" in served.leases)
        shop.start("cart")
        job_id = shop.buy()
        assert served.wait_until(lambda: served.task_named(job_id, "addTax") is not None)
        assert eventually(lambda: [entry for _, entry in ledger(shop, "tax")] == ["done"])


def test_a_kill_in_the_middle_of_the_work_loses_nothing(served: FakeChoreo, tmp_path: Path) -> None:
    with checkout(served.url, tmp_path, PAY_SLOW_EVERY="1", PAY_SLOW_SECONDS="0.8") as shop:
        shop.start(*NEXT)
        job_id = shop.buy()
        assert served.wait_until(lambda: served.task_named(job_id, "capturePayment") is not None)
        shop.kill("pay")
        assert ledger(shop, "pay") == []
        shop.start("pay")
        assert is_completed(served, job_id)
        assert [entry for _, entry in ledger(shop, "pay")] == ["done"]


def test_without_choreo_the_services_still_react_and_report_later(shop: Checkout, served: FakeChoreo) -> None:
    down = [True]

    def refuse(_: Seen) -> Exception | None:
        served.script.append(refuse)
        return ConnectionError("down") if down else None

    served.script = [refuse]
    shop.start(*NEXT)
    job_id = shop.buy()
    cart_task = derived_id(job_id, "cart", "checkout")
    assert eventually(lambda: bool(ledger(shop, "ship")))
    assert not served.jobs
    assert eventually(lambda: (shop.task("cart", cart_task) or {})["status"] == "done")
    down.clear()
    assert is_completed(served, job_id)
    assert served.wait_until(lambda: served.state(job_id) == ALL)


def test_a_duplicate_event_does_nothing_twice(shop: Checkout, served: FakeChoreo) -> None:
    shop.start(*NEXT)
    job_id = shop.buy()
    assert is_completed(served, job_id)
    cause = served.task_named(job_id, "openCheckout")
    assert cause is not None
    event_id = derived_id(job_id, "cart", "shop.checkout.started")
    headers = event_headers("shop.checkout.started", event_id, job_id, cause[0])
    for method, path in [("PUT", f"/events/{event_id}"), ("PUT", f"/events/{event_id}"), ("POST", "/events")]:
        reply = shop.http.request(method, shop.url("tax", path), headers=headers, json={"currentPrice": 1.0})
        assert reply.status_code == 202
        assert (reply.headers["correlation-id"], reply.headers["request-id"]) == (job_id, cause[0])
    again = shop.http.post(shop.url("cart", "/checkouts"), json={"currentPrice": 7, "jobID": job_id})
    assert again.status_code == 202
    other = shop.buy()  # comes after whatever the duplicates might have set off
    assert is_completed(served, other)
    assert [len(ledger(shop, name)) for name in NEXT] == [2] * 4
    assert served.state(job_id) == ALL
    assert len(served.tasks[job_id]) == 4
    told = [s.path for s in served.seen if job_id in s.path and s.body and s.body.get("taskStatus") == "completed"]
    assert len(told) == 4


def test_cancel_and_revert_undo_once_and_answer_the_same_again(shop: Checkout, served: FakeChoreo) -> None:
    shop.start(*NEXT)
    job_id = shop.buy()
    assert is_completed(served, job_id)
    task = served.task_named(job_id, "capturePayment")
    assert task is not None
    replies = [shop.call("pay", "revert", job_id, task[0], "one key") for _ in range(2)]
    replies.append(shop.call("pay", "revert", job_id, task[0], "another"))
    assert [(r.status_code, r.json()["status"]) for r in replies] == [(200, "reverted")] * 3
    assert replies[0].headers["request-id"] == task[0]
    assert [entry for _, entry in ledger(shop, "pay")] == ["done", "undone"]
    assert served.wait_until(lambda: served.state(job_id)["paymentStatus"] == "refunded")


def test_what_is_cancelled_in_the_middle_stops_and_goes_no_further(served: FakeChoreo, tmp_path: Path) -> None:
    with checkout(served.url, tmp_path, PAY_SLOW_EVERY="1", PAY_SLOW_SECONDS="60") as shop:
        shop.start(*NEXT)
        job_id = shop.buy()
        assert served.wait_until(lambda: served.task_named(job_id, "capturePayment") is not None)
        task = served.task_named(job_id, "capturePayment")
        assert task is not None
        assert shop.call("pay", "cancel", job_id, task[0]).json()["status"] == "cancelled"
        assert (shop.task("pay", task[0]) or {})["status"] == "cancelled"
        assert shop.call("pay", "revert", job_id, task[0]).json()["status"] == "reverted"
        assert (shop.task("pay", task[0]) or {})["status"] == "reverted"
        assert ledger(shop, "pay") == ledger(shop, "ship") == []
        assert shop.stop() == dict.fromkeys(NEXT, 0)


def test_an_event_that_waits_is_not_sent_once_its_task_is_reverted(shop: Checkout, served: FakeChoreo) -> None:
    shop.start("cart", "pay", "ship")
    job_id = shop.buy()
    cart_task = derived_id(job_id, "cart", "checkout")
    assert eventually(lambda: (shop.task("cart", cart_task) or {})["status"] == "done")
    assert shop.call("cart", "revert", job_id, cart_task).json()["status"] == "reverted"
    shop.start("tax")
    other = shop.buy()
    assert is_completed(served, other)
    with closing(sqlite3.connect(shop.data / "cart" / "events.sqlite3")) as sql:
        assert eventually(lambda: sql.execute("SELECT count(*) FROM entry").fetchone()[0] == 0)
    assert len(ledger(shop, "tax")) == 1
    assert served.job_status(job_id) == "working"


def test_a_stuck_payment_has_changed_state_and_cannot_be_reverted(served: FakeChoreo, tmp_path: Path) -> None:
    with checkout(served.url, tmp_path, PAY_STUCK_EVERY="1", PAY_SLOW_SECONDS="60") as shop:
        shop.start(*NEXT)
        job_id = shop.buy()

        def is_stuck() -> bool:
            task = served.task_named(job_id, "capturePayment")
            return task is not None and task[1]["taskStateChanged"] is True

        assert served.wait_until(is_stuck)
        task = served.task_named(job_id, "capturePayment")
        assert task is not None
        assert task[1]["taskStatus"] == "working"
        assert shop.call("pay", "cancel", job_id, task[0]).status_code == 200
        for _ in range(2):
            refusal = shop.call("pay", "revert", job_id, task[0], "same key")
            assert (refusal.status_code, refusal.headers["content-type"]) == (500, "application/problem+json")
        assert [entry for _, entry in ledger(shop, "pay")] == ["done"]


def test_withdrawn_before_it_came_it_never_starts(shop: Checkout, served: FakeChoreo) -> None:
    shop.start("tax", "pay")
    job_id, cause, event_id = (str(uuid4()) for _ in range(3))
    task_id = derived_id(job_id, "tax", f"shop.checkout.started/{event_id}")
    assert [shop.call("tax", "revert", job_id, task_id, "k").status_code for _ in range(2)] == [404, 404]
    headers = event_headers("shop.checkout.started", event_id, job_id, cause)
    assert shop.http.post(shop.url("tax", "/events"), headers=headers, json={"currentPrice": 1}).status_code == 202
    described = shop.task("tax", task_id)
    assert described is not None
    assert (described["status"], described["effect"]) == ("cancelled", None)
    assert ledger(shop, "tax") == []


def test_a_job_that_choreo_cancelled_is_worked_on_no_more(shop: Checkout, served: FakeChoreo) -> None:
    shop.start("tax", "pay")
    job_id, cause, event_id = (str(uuid4()) for _ in range(3))
    served.jobs[job_id] = {"jobName": "checkout", "jobStatus": "cancelling"}
    served.states[job_id] = ({"currentPrice": 100.0}, 1)
    headers = event_headers("shop.checkout.started", event_id, job_id, cause)
    assert shop.http.post(shop.url("tax", "/events"), headers=headers, json={}).status_code == 202
    task_id = derived_id(job_id, "tax", f"shop.checkout.started/{event_id}")
    assert served.wait_until(lambda: any(s.path.endswith(task_id) for s in served.seen))
    assert eventually(lambda: (shop.task("tax", task_id) or {})["status"] == "cancelled")
    assert ledger(shop, "tax") == ledger(shop, "pay") == []


def test_a_choreo_that_hangs_does_not_hold_up_the_stop(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections, and says nothing
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with checkout(url, tmp_path) as shop:
            shop.start("cart")
            shop.buy()
            begun = time.monotonic()
            assert shop.stop() == {"cart": 0}
            assert time.monotonic() - begun < 2.5


def test_an_event_that_nobody_takes_calls_for_help(shop: Checkout, served: FakeChoreo) -> None:
    shop.next = {**NEXT, "cart": "ship"}  # which does not listen to cart
    shop.start("cart", "ship")
    job_id = shop.buy()
    assert served.wait_until(lambda: any("/error-reports/" in s.path for s in served.seen))
    report = served.seen[-1].body
    assert (report["halting"], report["taskID"]) == (True, derived_id(job_id, "cart", "checkout"))
    assert shop.url("ship", "") not in str(report)


def test_what_is_not_an_event_or_not_signed_is_refused(shop: Checkout) -> None:
    shop.start("cart", "tax")
    job_id, task_id = str(uuid4()), str(uuid4())
    url = shop.url("tax", f"/tasks/{task_id}/cancel")
    body = b'{"jobID": "%s"}' % job_id.encode()
    assert shop.http.put(url, content=body).status_code == 401
    assert shop.put_signed(url, {}, body, secret="whsec_b3RoZXI=").status_code == 401
    assert shop.put_signed(url, {}, b"{}").status_code == 400
    assert shop.task("tax", task_id) is None
    good = event_headers("shop.checkout.started", "1", job_id, task_id)
    for bad in ({"ce-specversion": "0.3"}, {"ce-type": "shop.other"}, {"correlation-id": "x"}, {"request-id": ""}):
        assert shop.http.post(shop.url("tax", "/events"), headers={**good, **bad}, json={}).status_code == 400
    assert shop.http.put(shop.url("tax", "/events/2"), headers=good, json={}).status_code == 400
    nonsense: list[object] = [{}, {"items": []}, {"currentPrice": "a lot"}, {"currentPrice": -1}, {"items": [3]}, [1]]
    for checkout_body in nonsense:
        reply = shop.http.post(shop.url("cart", "/checkouts"), json=checkout_body)
        assert (reply.status_code, reply.headers["content-type"]) == (400, "application/problem+json")
    assert shop.http.post(shop.url("tax", "/events"), content=b"x" * 70_000).status_code == 413
    assert shop.http.get(shop.url("tax", "/nothing")).status_code == 404
    assert SECRET not in (shop.data / "tax.log").read_text()
