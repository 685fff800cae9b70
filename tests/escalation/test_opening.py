"""From history to incidents: exactly once, whatever overlaps, dies or turns up late."""

import uuid
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest

from escalation.domain.incidents import IncidentStatus, NoteKind, Severity
from escalation.models import Contact, Incident, IncidentCause, Notification, Policy, Watermark
from escalation.services import opening
from escalation.services.answering import acknowledge, resolve
from escalation.services.deliveries import deliver_due
from escalation.services.opening import open_incidents
from jobs.domain.events import Cause, EventKind
from jobs.domain.preconditions import NO_PRECONDITION
from jobs.models import JobEvent
from jobs.services.error_reports import write_report
from jobs.services.history import record
from tests.escalation.helpers import Provider, contact, overdue_job, policy, providers, the_incident
from tests.jobs.scenario import Story

pytestmark = pytest.mark.django_db


def halting_report(story: Story, title: str = "Card vault is sealed") -> None:
    write_report(
        story.job_id,
        uuid.uuid4(),
        story.service("cart"),
        {"title": title, "halting": True},
        precondition=NO_PRECONDITION,
        now=story.now,
    )


def test_a_job_over_its_max_ttl_opens_one_incident_and_calls_the_first_step() -> None:
    ann = contact("Ann", phone="+15550100001")
    policy((0, [ann]))
    story = overdue_job()
    assert open_incidents(story.now) == 1
    incident = the_incident()
    assert (incident.status, incident.severity, incident.cause) == ("open", "warning", Cause.JOB_MAX_TTL)
    assert incident.summary == f"checkout J{story.job_id.hex[:4]} over max TTL"
    assert sorted(incident.notifications.values_list("channel", "address")) == [
        ("email", "ann@example.com"),
        ("sms", "+15550100001"),
    ]


def test_sweeping_again_does_nothing() -> None:
    policy((0, [contact("Ann")]))
    story = overdue_job()
    assert [open_incidents(story.after(1)) for _ in range(3)] == [1, 0, 0]
    assert IncidentCause.objects.count() == Notification.objects.count() == 1


def test_a_sweep_that_read_the_same_entries_before_takes_none_in_twice() -> None:
    story = overdue_job()
    stale = list(opening._without_receipt(0))
    assert open_incidents(story.now) == 1
    resolve(the_incident().pk, "Ann", story.now)
    assert [opening._take_in_safely(event, story.now) for event in stale] == [False]
    assert Incident.objects.count() == 1


def test_later_causes_join_the_open_incident_and_are_noted() -> None:
    story = overdue_job()
    open_incidents(story.now)
    record(story.job, EventKind.TASK_STATUS, actor="x", now=story.now, task=story.task("tax"), cause=Cause.TASK_FAILED)
    assert open_incidents(story.now) == 1
    assert list(the_incident().causes.values_list("cause", flat=True)) == [Cause.JOB_MAX_TTL, Cause.TASK_FAILED]
    assert the_incident().notes.filter(kind=NoteKind.JOINED, text="task tax failed").exists()
    assert Notification.objects.count() == 1


def test_after_it_was_resolved_a_new_cause_opens_another() -> None:
    story = overdue_job()
    open_incidents(story.now)
    resolve(the_incident().pk, "Ann", story.now)
    halting_report(story)
    open_incidents(story.now)
    assert Incident.objects.exclude(status=IncidentStatus.RESOLVED).get().cause == Cause.HALTING_ERROR


def test_getting_worse_tells_everybody_anew_even_after_an_acknowledgement() -> None:
    policy((0, [contact("Ann")]), (5, [contact("Bob")]))
    story = overdue_job()
    open_incidents(story.now)
    Notification.objects.update(status="sent")
    acknowledge(the_incident().pk, "Ann", story.now)
    halting_report(story)
    open_incidents(story.now)
    incident = the_incident()
    assert (incident.status, incident.severity, incident.episode) == ("open", Severity.CRITICAL, 2)
    assert incident.acknowledged_by == ""
    assert incident.summary.endswith("over max TTL, halting error: Card vault is sealed")
    assert list(incident.notifications.filter(kind="worse").values_list("address", flat=True)) == ["ann@example.com"]


def test_what_is_grave_before_anybody_heard_of_it_is_no_worsening() -> None:
    policy((0, [contact("Ann")]))
    story = overdue_job()
    halting_report(story)
    open_incidents(story.now)
    with providers(email=[mail := Provider()]):
        deliver_due(story.now)
    (message,) = mail.messages
    assert message.subject.startswith(f"[Choreo] checkout J{story.job_id.hex[:4]} over max TTL, halting error")
    assert sorted(Notification.objects.values_list("kind", "status")) == [("opened", "sent"), ("opened", "withdrawn")]


def test_an_equally_grave_cause_does_not_call_again() -> None:
    story = overdue_job()
    halting_report(story)
    open_incidents(story.now)
    before = Notification.objects.count()
    halting_report(story, "another")
    open_incidents(story.now)
    assert Notification.objects.count() == before


def test_without_anybody_to_call_the_incident_says_so(settings: Any) -> None:
    settings.MAIL_IS_PRINTED = False
    story = overdue_job()
    open_incidents(story.now)
    assert "Nobody could be called" in the_incident().notes.get(kind=NoteKind.NOBODY).text
    assert Policy.objects.get(is_default=True).name == "Default"


def test_with_printed_mail_there_is_always_a_contact() -> None:
    story = overdue_job()
    open_incidents(story.now)
    assert Notification.objects.get().address == "oncall@localhost"
    assert Contact.objects.get().name == "on-call"


def test_one_entry_that_fails_holds_up_no_other_and_is_not_lost() -> None:
    stories = [overdue_job() for _ in range(3)]
    now = stories[-1].now
    bad = stories[0].job_id
    real = opening._take_in

    def sometimes(event: JobEvent, at: Any) -> None:
        if event.job_id == bad:
            raise RuntimeError("a bug")
        real(event, at)

    with patch.object(opening, "_take_in", sometimes):
        assert open_incidents(now) == 2
    assert Watermark.objects.get().event_id == 0
    assert open_incidents(now) == 1


def test_the_mark_only_moves_over_old_entries_and_a_late_commit_below_it_is_found_within_ten_minutes() -> None:
    early, late = overdue_job(), overdue_job()
    first, second = JobEvent.objects.exclude(cause="").order_by("id")
    IncidentCause.objects.all().delete()
    hidden = JobEvent.objects.filter(pk=first.pk)
    hidden.update(cause="")  # as if its transaction were still open
    now = late.now
    assert open_incidents(now) == 1
    assert Watermark.objects.get().event_id == 0  # nothing is an hour old yet
    later = now + timedelta(hours=2)
    assert open_incidents(later) == 0
    assert Watermark.objects.get().event_id == second.pk
    hidden.update(cause=Cause.JOB_MAX_TTL)  # commits after two hours: what no transaction of ours does
    assert open_incidents(later + timedelta(minutes=1)) == 0
    assert open_incidents(later + timedelta(minutes=10)) == 1
    assert Incident.objects.filter(job_id=early.job_id).exists()


def test_a_late_commit_within_the_hour_is_found_at_once() -> None:
    overdue_job()
    late = overdue_job()
    first = JobEvent.objects.exclude(cause="").order_by("id")[0]
    JobEvent.objects.filter(pk=first.pk).update(cause="")
    assert open_incidents(late.now) == 1
    JobEvent.objects.filter(pk=first.pk).update(cause=Cause.JOB_MAX_TTL)
    assert open_incidents(late.now + timedelta(minutes=1)) == 1


def test_an_engine_that_was_down_for_hours_finds_what_happened_meanwhile() -> None:
    story = overdue_job()
    open_incidents(story.now)
    open_incidents(story.after(3 * 3600))
    missed = overdue_job()  # happened at a time when nobody swept
    assert open_incidents(story.after(5 * 3600)) == 1
    assert Incident.objects.filter(job_id=missed.job_id).exists()


@pytest.mark.parametrize(
    "wicked", ["\u202egnp.exe", "a\r\nBcc: x@y", "<script>alert(1)</script>", "\x00" * 5, "é" * 200]
)
def test_text_of_a_service_cannot_kill_its_own_alert(wicked: str) -> None:
    policy((0, [contact("Ann", phone="+15550100001")]))
    story = overdue_job(name=wicked.replace("\x00", "\x01")[:200])
    assert open_incidents(story.now) == 1
    email, sms = Notification.objects.order_by("channel")
    assert "\n" not in email.subject
    assert "\u202e" not in email.subject + email.text + email.html + sms.text
    assert "<script>" not in email.html
    assert len(sms.text) <= 160
