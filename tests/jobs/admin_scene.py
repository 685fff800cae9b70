"""People and rows for the tests of the operator UI."""

import json
from datetime import UTC, datetime, timedelta

from django.contrib.auth.models import Permission, User
from django.test import Client

from jobs.domain.events import EventKind
from jobs.domain.preconditions import NO_PRECONDITION, Precondition
from jobs.domain.states import CallStatus
from jobs.models import Call, Job, Service
from jobs.services import deadlines, error_reports, history, shared_state
from tests.jobs.scenario import Story

APPS = ("jobs", "escalation", "auth")


def operator() -> Client:
    """A signed-in person who may do everything."""
    return signed_in(User.objects.create_superuser("operator", "operator@example.com", "a good password"))


def viewer(*more: str) -> Client:
    """A signed-in person who may see everything, and do what `more` names, such as `change_job`."""
    user = User.objects.create_user("viewer", password="a good password", is_staff=True)
    seeing = Permission.objects.filter(content_type__app_label__in=APPS, codename__startswith="view_")
    user.user_permissions.set([*seeing, *Permission.objects.filter(codename__in=more)])
    return signed_in(user)


def signed_in(user: User) -> Client:
    """This user's browser."""
    client = Client()
    client.force_login(user)
    return client


def working_job(name: str = "checkout", tasks: int = 3) -> Story:
    """A job that is working now, with tasks that changed state and one that still works."""
    story = Story(now=datetime.now(UTC) - timedelta(seconds=tasks + 2))
    story.put_job(name=name, max_ttl=600)
    story.chain(*(f"step-{number}" for number in range(tasks)))
    story.put_task("last", status="working", cause=f"step-{tasks - 1}" if tasks else "")
    return story


def stuck_job() -> Story:
    """A job with one of everything: reverts that worked and one that did not, shared state, an error report."""
    story = Story(now=datetime.now(UTC) - timedelta(minutes=20))
    story.put_job(max_ttl=30, plan=[{"taskName": "pay", "attempts": 3, "timeout": 20}])
    story.chain("tax", "pay")
    write_state(story, {"price": "107.00", "note": "<script>alert(1)</script>"})
    story.after(40)
    deadlines.expire_due(story.now)
    story.answer_all(failing=("pay",))
    body = {"title": "Ledger is read-only", "halting": True, "taskID": str(story.ids["pay"])}
    pay = Service.objects.get(name="pay")
    error_reports.write_report(
        story.job_id, story.ids["tax"], pay, body, precondition=NO_PRECONDITION, now=story.after(1)
    )
    return story


def queued_job() -> Story:
    """A job whose last revert waits in the replay queue, after three attempts in vain."""
    story = Story(now=datetime.now(UTC) - timedelta(minutes=5))
    story.put_job(max_ttl=30)
    story.chain("reserve", "charge")
    deadlines.expire_due(story.after(60))
    call = Call.objects.get(job_id=story.job_id)
    for status, detail in ((None, "No connection."), (503, "503 Service Unavailable"), (503, "503 Busy <b>now</b>")):
        url = "https://charge.example:8443/a/very/long/path/of/a/service/that/likes/paths"
        outcome = {"outcome": "transient", "status_code": status, "detail": detail, "duration_ms": 12}
        call.attempts.create(url=url, started_at=story.after(1), **outcome)
    end, window = story.now + timedelta(days=1), {"queued_at": story.now, "queue_reason": "503 Busy now"}
    due = {"next_at": story.now + timedelta(minutes=10), "give_up_at": end, "holds_until": None}
    Call.objects.filter(pk=call.pk).update(status=CallStatus.QUEUED, **due, **window)
    history.record(
        story.job,
        EventKind.CALL_QUEUED,
        actor=history.CHOREO,
        now=story.now,
        task=call.task,
        action="revert",
        detail="503 Busy now",
        until=end.isoformat(),
    )
    return story


def write_state(story: Story, state: dict[str, object]) -> None:
    """PUT the shared state as the job's owner, with an open vocabulary."""
    owner = Service.objects.get(name="cart")
    current = shared_state.current_state(Job.objects.get(pk=story.job_id))
    match = Precondition(if_match=(current.etag,))
    shared_state.put_state(story.job_id, owner, json.dumps(state), state, precondition=match, now=story.now)
