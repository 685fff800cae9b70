"""Calling step after step until somebody answers, and stopping when the job settles it by itself."""

import uuid
from datetime import timedelta

import pytest

from escalation.domain.incidents import IncidentStatus, NoteKind
from escalation.models import Incident, Notification
from escalation.services.answering import acknowledge, reopen, resolve
from escalation.services.escalating import escalate_due
from escalation.services.opening import open_incidents
from escalation.services.resolving import resolve_ended
from escalation.services.sweeps import sweep_incidents
from jobs.domain.errors import IllegalTransition, NotFound
from jobs.domain.preconditions import NO_PRECONDITION
from jobs.domain.states import OnTaskFailure
from jobs.models import Job, Task
from jobs.services.deadlines import expire_due
from jobs.services.error_reports import write_report
from jobs.services.job_reports import retry_reverts
from tests.escalation.helpers import Provider, contact, overdue_job, policy, providers, the_incident, tick
from tests.jobs.scenario import Story

pytestmark = pytest.mark.django_db


def called() -> list[str]:
    return sorted(Notification.objects.filter(kind__in=["opened", "worse"]).values_list("contact_name", flat=True))


def minutes(number: float) -> timedelta:
    return timedelta(minutes=number)


def test_each_step_is_called_after_its_wait_and_then_again() -> None:
    policy((0, [contact("Ann")]), (10, [contact("Bob")]), repeats=1, repeat_minutes=30)
    story = overdue_job()
    start = story.now
    seen = []
    for minute in (0, 5, 10, 20, 40, 49, 50, 300):
        sweep_incidents(start + minutes(minute))
        seen.append("".join(name[0] for name in called()))
    assert seen == ["A", "A", "AB", "AB", "AAB", "AAB", "AABB", "AABB"]
    assert the_incident().next_step_at is None


def test_an_engine_that_was_down_past_two_steps_sends_one_message_to_each() -> None:
    ann, bob = contact("Ann"), contact("Bob")
    policy((0, [ann]), (5, [ann, bob]), (5, [bob]), repeats=1, repeat_minutes=60)
    story = overdue_job()
    open_incidents(story.now)
    assert called() == ["Ann"]
    assert escalate_due(story.now + minutes(45)) == 1
    assert called() == ["Ann", "Ann", "Bob"]
    assert the_incident().next_step_at == story.now + minutes(105)


def test_sweeps_that_overlap_call_once() -> None:
    policy((0, [contact("Ann")]), (5, [contact("Bob")]))
    story = overdue_job()
    open_incidents(story.now)
    later = story.now + minutes(5)
    assert [escalate_due(later), escalate_due(later)] == [1, 0]
    assert called() == ["Ann", "Bob"]


def test_an_acknowledgement_stops_the_calling_and_tells_everybody_else_who_was_paged() -> None:
    ann, bob, eve = contact("Ann"), contact("Bob"), contact("Eve")
    policy((0, [ann, bob]), (5, [eve]))
    story = overdue_job()
    mail = Provider()
    with providers(email=[mail]):
        tick(story.now)
        incident = acknowledge(the_incident().pk, "Ann", story.after(60), contact_id=ann.pk)
        assert (incident.status, incident.acknowledged_by) == (IncidentStatus.ACKNOWLEDGED, "Ann")
        tick(story.after(3600))
    assert mail.received == ["ann@example.com", "bob@example.com", "bob@example.com"]
    assert "Ann has it in hand" in mail.messages[-1].subject


def test_acknowledging_twice_changes_nothing_and_tells_nobody_twice() -> None:
    policy((0, [contact("Ann"), contact("Bob")]))
    story = overdue_job()
    with providers():
        tick(story.now)
    first = acknowledge(the_incident().pk, "Ann", story.now)
    again = acknowledge(the_incident().pk, "Bob", story.after(5))
    assert (again.version, again.acknowledged_by) == (first.version, "Ann")
    assert Notification.objects.filter(kind="acknowledged").count() == 2
    assert the_incident().notes.filter(kind=NoteKind.ACKNOWLEDGED).count() == 1


def test_a_resolved_incident_takes_no_further_answer() -> None:
    story = overdue_job()
    open_incidents(story.now)
    pk = the_incident().pk
    resolve(pk, "Ann", story.now)
    assert resolve(pk, "Bob", story.now).resolved_by == "Ann"
    with pytest.raises(IllegalTransition):
        acknowledge(pk, "Bob", story.now)
    with pytest.raises(IllegalTransition):
        reopen(pk, "Bob", story.now)
    with pytest.raises(NotFound):
        acknowledge(uuid.uuid4(), "Bob", story.now)


def test_reopening_calls_from_the_first_step_again() -> None:
    policy((0, [contact("Ann")]))
    story = overdue_job()
    open_incidents(story.now)
    acknowledge(the_incident().pk, "Ann", story.now)
    reopen(the_incident().pk, "Bob", story.after(60))
    escalate_due(story.now)
    assert called() == ["Ann", "Ann"]


def test_an_edited_policy_does_not_bend_a_running_escalation() -> None:
    bob = contact("Bob")
    made = policy((0, [contact("Ann")]), (5, [bob]))
    story = overdue_job()
    open_incidents(story.now)
    made.steps.all().delete()
    bob.delete()
    escalate_due(story.now + minutes(5))
    assert called() == ["Ann", "Bob"]
    assert Notification.objects.get(contact_name="Bob").contact is None


def test_it_resolves_itself_when_everything_is_undone_and_says_so_to_who_was_paged() -> None:
    policy((0, [contact("Ann")]), (60, [contact("Bob")]))
    story = overdue_job()
    mail = Provider()
    with providers(email=[mail]):
        tick(story.now)
        assert the_incident().status == "open"
        story.answer_all()
        assert story.job.status == "cancelled"
        tick(story.after(5))
        tick(story.after(5))
    assert (the_incident().status, the_incident().resolved_by) == ("resolved", "choreo")
    assert mail.received == ["ann@example.com", "ann@example.com"]
    assert "resolved" in mail.messages[-1].subject


def test_a_failed_revert_keeps_it_open_until_a_retry_undoes_it() -> None:
    story = overdue_job()
    open_incidents(story.now)
    story.answer_all(failing=("tax",))
    sweep_incidents(story.now)
    assert (story.job.status, the_incident().status, the_incident().severity) == ("revertFailed", "open", "critical")
    retry_reverts(story.job_id, "op", now=story.after(60))
    sweep_incidents(story.now)
    assert the_incident().status == "open"
    story.answer_all()
    sweep_incidents(story.now)
    assert the_incident().status == "resolved"


def halting(story: Story) -> None:
    body = {"title": "Sealed", "halting": True}
    write_report(story.job_id, uuid.uuid4(), story.service("cart"), body, precondition=NO_PRECONDITION, now=story.now)


def test_a_halting_error_stays_though_everything_is_undone() -> None:
    story = overdue_job()
    halting(story)
    open_incidents(story.now)
    story.answer_all()
    sweep_incidents(story.after(3600))
    assert (story.job.status, the_incident().status) == ("cancelled", "open")


def test_a_halting_error_goes_when_the_job_is_completed_after_all() -> None:
    story = Story()
    story.put_job()
    halting(story)
    sweep_incidents(story.now)
    story.after(5)
    story.patch_job(status="completed")
    sweep_incidents(story.now)
    assert the_incident().status == "resolved"


def test_a_halting_error_after_the_job_was_completed_stays() -> None:
    story = Story()
    story.put_job(status="completed")
    story.after(5)
    halting(story)
    sweep_incidents(story.now)
    sweep_incidents(story.after(60))
    assert the_incident().status == "open"


def test_a_failure_in_alert_mode_stays_until_a_human_or_the_completed_job_resolves_it() -> None:
    story = Story()
    story.put_job(on_task_failure=OnTaskFailure.ALERT)
    story.put_task("tax", status="failed")
    sweep_incidents(story.now)
    story.after(1)
    story.patch_job(status="failed")
    sweep_incidents(story.after(60))
    assert the_incident().status == "open"
    resolve(the_incident().pk, "Ann", story.now)
    assert the_incident().status == "resolved"


def test_one_that_cannot_be_resolved_keeps_no_other_from_it(caplog: pytest.LogCaptureFixture) -> None:
    stories = [overdue_job(), overdue_job()]
    open_incidents(stories[0].now)
    for story in stories:
        story.answer_all()
    broken = Incident.objects.get(job_id=stories[0].job_id)
    Incident.objects.filter(pk=broken.pk).update(policy={"not": "a plan"})
    assert resolve_ended(stories[0].now) == 1
    assert Incident.objects.get(job_id=stories[1].job_id).status == "resolved"


def test_late_work_that_is_not_undone_keeps_the_incident_of_a_cancelled_job() -> None:
    story = overdue_job()
    open_incidents(story.now)
    story.answer_all()
    Task.objects.filter(job_id=story.job_id).update(status="revertFailed")
    assert Job.objects.get().status == "cancelled"
    assert resolve_ended(story.now) == 0


def test_a_job_that_expires_again_and_again_is_found_by_any_number_of_sweeps() -> None:
    stories = [Story(), Story(), Story()]
    for story in stories:
        story.put_job(max_ttl=30)
    now = stories[0].now + timedelta(seconds=31)
    expire_due(now)
    assert sum(open_incidents(now) for _ in range(3)) == 3
    assert Incident.objects.count() == 3
