"""What a person reads at night of what is not undone: which, where, since when, why, for how long, and what to do."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from escalation.domain import sms, undoing
from escalation.domain.undoing import Undoing, Waiting
from escalation.models import Contact, Notification
from escalation.services.deliveries import deliver_due
from escalation.services.opening import open_incidents
from escalation.services.sweeps import sweep_incidents
from jobs.domain.states import CallAction, CallStatus
from jobs.models import Call, Job
from jobs.services import deadlines
from jobs.services.by_hand import mark_undone
from jobs.services.leases import sweep_leases
from tests.escalation.helpers import contact, policy, providers, the_incident
from tests.jobs.scenario import Story
from tests.jobs.test_leases import lease

NOW = datetime(2026, 11, 1, 4, 0, tzinfo=UTC)
UTC_NOW = undoing.when_in(UTC, NOW)
pytestmark = pytest.mark.django_db


def undone_job(*tasks: str, **given: Any) -> Story:
    """A job over its max TTL whose last task is being reverted, with Ann to be called."""
    policy((0, [contact("Ann", phone="+15550100001")]))
    story = Story()
    story.put_job(max_ttl=30)
    story.chain(*(tasks or ("reserve", "charge")), **given)
    deadlines.expire_due(story.after(60))
    return story


def tried(story: Story, name: str, *details: str, status: int | None = 503) -> Call:
    """The revert of a task was tried so often, and got these answers."""
    call = Call.objects.get(job_id=story.job_id, task__name=name)
    for detail in details:
        call.attempts.create(
            url=f"https://{name}.example/",
            started_at=story.after(1),
            outcome="transient",
            detail=detail,
            status_code=status,
        )
    return call


def enqueue(story: Story, name: str) -> Call:
    """It is in the replay queue now, for a day."""
    call = tried(story, name, "No connection.", "503 Service Unavailable")
    window = {"queued_at": story.now, "give_up_at": story.now + timedelta(days=1), "queue_reason": "503"}
    Call.objects.filter(pk=call.pk).update(
        status=CallStatus.QUEUED, next_at=story.now + timedelta(minutes=4), holds_until=None, **window
    )
    return call


def give_up(story: Story, name: str) -> None:
    """A day later its time in the queue is over."""
    call = enqueue(story, name)
    Call.objects.filter(pk=call.pk).update(status=CallStatus.PENDING)
    story.after(86400)
    story.answer("revert", name, done=False, outcome="gave-up")


def message(channel: str = "email", kind: str = "opened") -> Notification:
    return Notification.objects.filter(channel=channel, kind=kind).latest("id")


def call_out(story: Story) -> tuple[Notification, str]:
    """Who is to be called is called now: the mail, and the text message."""
    open_incidents(story.now)
    text = message("sms").text
    assert sms.septets(text) <= sms.SEGMENT
    assert set(text) <= sms.BASIC | sms.EXTENDED
    return message(), text


def test_after_giving_up_the_call_for_help_says_what_is_not_undone_and_all_about_it() -> None:
    story = undone_job()
    give_up(story, "charge")
    mail, text = call_out(story)
    ref, job = f"J{story.job_id.hex[:4]}", f"http://127.0.0.1:8000/api/v1/jobs/{story.job_id}"
    assert mail.subject.endswith(": 0 of 2 tasks reverted; NOT UNDONE: charge (charge)")
    for words in (mail.text, mail.html):
        assert "charge (charge): revert failed" in words
        assert "asked to revert 3 times since Sun 12:01 UTC; the last answer: 503 Service Unavailable" in words
        assert "waited 24 h in the replay queue, then Choreo gave up" in words
        assert f"{job}#undo" in words
        assert "Retry reverts" in words
        assert "Mark as undone by hand" in words
        assert "reserve (reserve): reverting" in words
    assert text.startswith(
        f"checkout {ref} NOT UNDONE charge (charge), gave up after 24 h. Ack: http://127.0.0.1:8000/ack/"
    )


@pytest.mark.parametrize(
    ("given", "outcome", "said", "short"),
    [
        ({}, "refused", "once, 12:01 UTC; the last answer: 409 Conflict: already shipped", "the service refused"),
        ({"revert_url": ""}, "", "it gave no URL to revert it: only a person can undo it at pay", "no revert URL"),
    ],
)
def test_why_it_is_not_undone_is_said_in_a_few_words(
    given: dict[str, Any], outcome: str, said: str, short: str
) -> None:
    story = undone_job("pay", **given)
    if outcome:
        story.answer("revert", "pay", done=False, outcome=outcome)
        Call.objects.get().attempts.update(outcome=outcome, detail="409 Conflict: already shipped", status_code=409)
    mail, text = call_out(story)
    assert said in mail.text
    assert said in mail.html
    assert f"NOT UNDONE pay (pay), {short}. 0 of 1 task reverted. Ack: http" in text


def test_a_revert_in_the_replay_queue_is_told_with_whom_it_waits_for_and_until_when() -> None:
    story = undone_job()
    enqueue(story, "charge")
    mail, text = call_out(story)
    waits = "1 revert waits for charge to come back, replayed until Mon 12:01 UTC"
    assert mail.subject.endswith(f"over max TTL: 0 of 2 tasks reverted; {waits}")
    for words in (mail.text, mail.html):
        assert waits in words
        assert "in the replay queue since 12:01 UTC; next try 12:05 UTC, the last one Mon 12:01 UTC" in words
        assert "Replay now" in words
    assert "over max TTL: 1 revert waits for charge till Mon 12:01 UTC. Ack: http" in text


def test_what_waits_is_told_in_the_zone_of_who_reads_it() -> None:
    story = undone_job()
    enqueue(story, "charge")
    Contact.objects.update(time_zone="Asia/Kolkata")
    mail, text = call_out(story)
    assert "replayed until Mon 17:31 IST" in mail.subject
    assert "17:31 IST" in text


def test_what_worsens_is_told_with_the_same_words() -> None:
    story = undone_job()
    with providers():
        sweep_incidents(story.now)
        deliver_due(story.now)
    give_up(story, "charge")
    open_incidents(story.now)
    assert "NOT UNDONE: charge (charge)" in message(kind="worse").subject
    text = message("sms", "worse").text
    assert text.startswith("WORSE: checkout")
    assert "NOT UNDONE charge (charge)" in text
    assert len(text) <= 160


def test_when_it_was_undone_by_hand_the_incident_ends_and_says_by_whom() -> None:
    story = undone_job("charge")
    give_up(story, "charge")
    with providers():
        sweep_incidents(story.now)
        deliver_due(story.now)
        mark_undone(story.job_id, story.ids["charge"], "ann", note="Refunded: receipt 4711", now=story.after(60))
        sweep_incidents(story.now)
    assert (the_incident().status, the_incident().resolved_by) == ("resolved", "choreo")
    for words in (message(kind="resolved").text, message(kind="resolved").html):
        assert "charge (charge): reverted by hand, ann: Refunded: receipt 4711" in words
        assert "NOT UNDONE" not in words.upper()


def test_a_service_that_is_gone_is_a_warning_that_ends_when_the_job_ends_well() -> None:
    policy((0, [contact("Ann", phone="+15550100001")]))
    story = Story()
    story.put_job(max_ttl=3600)
    story.put_task("pay", status="working")
    lease(story)
    assert sweep_leases(story.after(10)) == 1
    mail, text = call_out(story)
    incident = the_incident()
    assert (incident.cause, incident.severity, incident.needs_human) == ("leasesLost", "warning", False)
    gone = "service pay gone, its leases ran out: 0 of 1 task completed"
    assert mail.subject.endswith(gone)
    assert gone in text
    assert "NOT UNDONE" not in mail.text  # the job may still go well
    assert "pay (pay): working" in mail.text
    story.patch_job(status="completed")
    sweep_incidents(story.after(1))
    assert the_incident().status == "resolved"


@pytest.mark.parametrize("end", ["undone", "alert"])
def test_a_lost_service_does_not_outlive_an_undone_job(end: str) -> None:
    story = Story()
    story.put_job(max_ttl=30, on_task_failure="alert" if end == "alert" else "cancel")
    story.put_task("pay", status="working", state_changed=False, cancel_url="")
    lease(story)
    sweep_leases(story.after(10))
    deadlines.expire_due(story.after(60))
    sweep_incidents(story.now)
    assert Job.objects.get().status == "cancelled"
    sweep_incidents(story.after(1))
    assert the_incident().status == "resolved"


# --- The words themselves ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("hours", "told"),
    [(0, "05:00 CET"), (20, "01:00 CET"), (24, "Mon 05:00 CET"), (-24, "Sat 05:00 CET"), (240, "2026-11-11 05:00 CET")],
)
def test_an_hour_is_told_with_its_day_when_another_one_could_be_meant(hours: int, told: str) -> None:
    assert undoing.when_in(ZoneInfo("Europe/Berlin"), NOW)(NOW + timedelta(hours=hours)) == told


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ([], ""),
        (["pay"], "pay"),
        (["pay", "pay"], "pay"),
        (["pay", "tax"], "pay and tax"),
        (["pay", "tax", "ship"], "pay, tax and ship"),
        (["pay", "tax", "ship", "cart", "mail"], "pay, tax, ship and 2 more"),
    ],
)
def test_names_in_a_row(names: list[str], told: str) -> None:
    assert undoing.listed(names) == told


@pytest.mark.parametrize(
    ("services", "actions", "all_until", "told"),
    [
        (["pay"], ["revert"], True, "1 revert waits for pay to come back, replayed until 05:00 UTC"),
        (["pay", "pay"], ["revert"] * 2, True, "2 reverts wait for pay to come back, replayed until 05:00 UTC"),
        (["pay"], ["cancel"], True, "1 cancel waits for pay to come back, replayed until 05:00 UTC"),
        (
            ["pay", "tax"],
            ["cancel", "revert"],
            False,
            "2 calls wait for pay and tax to come back, replayed until 05:00 UTC or later",
        ),
    ],
)
def test_what_waits(services: list[str], actions: list[str], all_until: bool, told: str) -> None:
    calls = Waiting(services, [CallAction(action) for action in actions], NOW + timedelta(hours=1), all_until)
    assert undoing.waiting(calls, UTC_NOW) == told


@pytest.mark.parametrize(
    ("seconds", "told"), [(0, "0 s"), (59, "59 s"), (2400, "40 min"), (86400, "24 h"), (200000, "2 d")]
)
def test_spans(seconds: int, told: str) -> None:
    assert undoing.span(timedelta(seconds=seconds)) == told


def a_call(**given: Any) -> Undoing:
    return replace(Undoing(CallAction.REVERT, CallStatus.FAILED, tries=1, since=NOW), **given)


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (a_call(tries=0, since=None), []),
        (a_call(tries=0, outcome="no-url"), ["it gave no URL for that"]),
        (a_call(), ["asked to revert once, 04:00 UTC; no answer"]),
        (a_call(tries=2, answer="503"), ["asked to revert twice since 04:00 UTC; the last answer: 503"]),
        (
            a_call(outcome="blocked"),
            ["asked to revert once, 04:00 UTC; no answer", "Choreo may not call that address"],
        ),
        (a_call(outcome="a new one"), ["asked to revert once, 04:00 UTC; no answer"]),
    ],
)
def test_what_was_tried(call: Undoing, told: list[str]) -> None:
    assert undoing.sentences(call, UTC_NOW) == told


LINK = "https://choreo.example.com/ack/" + "a" * 48


def saying(rest: str) -> Callable[[str], str]:
    return lambda name: f"{name} {rest} {LINK}"


def test_of_several_wordings_the_first_that_fits_is_sent() -> None:
    renders = [saying("x" * 100), saying("x" * 60), saying("short")]
    assert sms.best_segment(renders, "checkout", LINK) == f"checkout {'x' * 60} {LINK}"
    assert sms.best_segment(renders[:1], "checkout", LINK).endswith(LINK)


@given(st.lists(st.text(max_size=200), min_size=1, max_size=4), st.text(max_size=80))
def test_whatever_the_wordings_it_is_one_segment_with_its_link(rests: list[str], name: str) -> None:
    text = sms.best_segment([saying(rest) for rest in rests], name, LINK)
    assert sms.septets(text) <= sms.SEGMENT
    assert text.endswith(LINK)
