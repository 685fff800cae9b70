"""Sending: at least once under one Message-ID, never after an acknowledgement, and honest about what came of it."""

import threading
from datetime import timedelta
from unittest.mock import patch

import pytest
from django.db import connection

from escalation.domain.delivery import RETRY_WINDOW, DeliveryStatus, Outcome
from escalation.domain.incidents import NoteKind
from escalation.models import DeliveryAttempt, Notification
from escalation.services import deliveries
from escalation.services.answering import acknowledge, resolve
from escalation.services.deliveries import LEASE, claim_due, deliver_due, record, send
from escalation.services.opening import open_incidents
from escalation.transports.base import Message, PermanentError, Receipt, TransientError
from tests.escalation.helpers import Provider, contact, overdue_job, policy, providers, the_incident
from tests.jobs.scenario import Story

pytestmark = pytest.mark.django_db


def paged(*, phone: str = "") -> Story:
    """Ann was just paged, by email, and by SMS when she has a phone."""
    policy((0, [contact("Ann", phone=phone)]), (30, [contact("Bob")]))
    story = overdue_job()
    open_incidents(story.now)
    return story


def test_what_the_provider_accepts_is_sent_and_the_attempt_tells_how() -> None:
    story = paged()
    with providers(email=[Provider("mail")]):
        assert deliver_due(story.now) == 1
        assert deliver_due(story.now) == 0
    row, attempt = Notification.objects.get(), DeliveryAttempt.objects.get()
    assert (row.status, row.lease_until, row.settled_at is not None) == ("sent", None, True)
    assert (attempt.provider, attempt.provider_id, attempt.outcome) == ("mail", "mail-1", "accepted")
    assert attempt.latency_ms is not None


def test_a_transient_failure_is_tried_again_later_and_later_under_the_same_message_id() -> None:
    story = paged()
    mail = Provider(answers=[TransientError("busy")] * 4)
    waits = []
    with providers(email=[mail]):
        for _ in range(4):
            deliver_due(story.now)
            row = Notification.objects.get()
            waits.append((row.next_at - story.now).total_seconds())
            assert (row.status, row.detail) == ("pending", "busy")
            deliver_due(row.next_at - timedelta(milliseconds=1), seconds=0.5)
            story.now = row.next_at
        deliver_due(story.now)
    for wait, full in zip(waits, (5, 15, 45, 135), strict=True):
        assert full / 2 <= wait <= full + 1
    assert len(mail.messages) == 5
    assert {message.message_id for message in mail.messages} == {Notification.objects.get().message_id}
    assert Notification.objects.get().status == "sent"


def test_after_a_day_it_is_given_up_and_the_incident_says_so() -> None:
    story = paged()
    with providers(email=[Provider(answers=[TransientError("busy")] * 99)]):
        deliver_due(story.now)
        deliver_due(story.now + RETRY_WINDOW + timedelta(hours=1))
    row = Notification.objects.get()
    assert row.status == "failed"
    assert "busy" in row.detail
    assert "Ann by email" in the_incident().notes.get(kind=NoteKind.UNREACHABLE).text


def test_a_permanent_failure_is_final_at_once_and_the_next_step_does_not_wait() -> None:
    story = paged()
    mail = Provider(answers=[PermanentError("550: no such user")])
    with providers(email=[mail]):
        deliver_due(story.now)
    assert Notification.objects.get().status == "failed"
    assert the_incident().next_step_at is not None
    assert abs(the_incident().next_step_at - story.now) < timedelta(seconds=5)  # type: ignore[operator]  # not None


def test_while_another_way_to_the_step_is_open_nobody_hurries() -> None:
    story = paged(phone="+15550100001")
    due = the_incident().next_step_at
    with providers(email=[Provider(answers=[PermanentError("550")])], sms=[Provider("sms")]):
        deliver_due(story.now)
    assert sorted(Notification.objects.values_list("status", flat=True)) == ["failed", "sent"]
    assert the_incident().next_step_at == due


@pytest.mark.parametrize("error", [TransientError("503"), PermanentError("401")])
def test_the_fallback_provider_gets_its_turn_at_once(error: Exception) -> None:
    story = paged(phone="+15550100001")
    first, second = Provider("first", answers=[error]), Provider("second")
    with providers(sms=[first, second]):
        deliver_due(story.now)
    sms = Notification.objects.get(channel="sms")
    assert (sms.status, len(first.messages), len(second.messages)) == ("sent", 1, 1)
    assert list(sms.delivery_attempts.values_list("provider", "outcome")) == [
        ("first", type(error).__name__.removesuffix("Error").lower()),
        ("second", "accepted"),
    ]


def test_when_one_of_two_providers_may_work_later_both_are_tried_again() -> None:
    story = paged(phone="+15550100001")
    first = Provider("first", answers=[TransientError("503")])
    second = Provider("second", answers=[PermanentError("401")])
    with providers(sms=[first, second]):
        deliver_due(story.now)
        sms = Notification.objects.get(channel="sms")
        assert (sms.status, sms.way, sms.attempts) == ("pending", 0, 1)
        deliver_due(sms.next_at)
    assert Notification.objects.get(channel="sms").status == "sent"
    assert (len(first.messages), len(second.messages)) == (2, 1)


def test_when_both_refuse_for_good_it_has_failed() -> None:
    story = paged(phone="+15550100001")
    refusing = [Provider("a", answers=[PermanentError("no")]), Provider("b", answers=[PermanentError("no")])]
    with providers(sms=refusing):
        deliver_due(story.now)
    assert Notification.objects.get(channel="sms").status == "failed"


def test_killed_between_claim_and_record_it_is_sent_again_under_the_same_message_id() -> None:
    story = paged()
    mail = Provider()
    with providers(email=[mail]):
        (claim,) = claim_due(story.now)
        assert send(claim).outcome is Outcome.ACCEPTED  # and here the process dies
        assert deliver_due(story.now + LEASE / 2) == 0
        assert deliver_due(story.now + LEASE) == 1
    assert len(mail.messages) == 2
    assert mail.messages[0].message_id == mail.messages[1].message_id
    assert list(DeliveryAttempt.objects.values_list("outcome", flat=True)) == ["", "accepted"]
    assert Notification.objects.get().status == "sent"


def test_a_claim_that_ran_out_may_not_overrule_the_one_that_followed() -> None:
    story = paged()
    with providers():
        (old,) = claim_due(story.now)
        (new,) = claim_due(story.now + LEASE)
        assert record(new, deliveries.Result(Outcome.ACCEPTED), story.now)
        assert not record(old, deliveries.Result(Outcome.PERMANENT, "no"), story.now)
    assert Notification.objects.get().status == "sent"


def test_a_late_acceptance_keeps_the_next_claim_from_sending_again() -> None:
    story = paged()
    with providers(email=[Provider(answers=[TransientError("slow")])]):
        (old,) = claim_due(story.now)
        deliver_due(story.now + LEASE)
        assert record(old, deliveries.Result(Outcome.ACCEPTED), story.now + LEASE)
        assert deliver_due(story.now + timedelta(hours=1)) == 0
    assert Notification.objects.get().status == "sent"


@pytest.mark.parametrize("answer", [acknowledge, resolve])
def test_nothing_is_sent_after_an_answer_that_was_committed_before_the_claim(answer: object) -> None:
    story = paged()
    mail = Provider()
    with providers(email=[mail]):
        answer(the_incident().pk, "Ann", story.now)  # type: ignore[operator]  # one of two services
        deliver_due(story.now)
    assert mail.messages == []
    assert Notification.objects.get().status == DeliveryStatus.WITHDRAWN


def test_one_that_hangs_delays_nobody_else() -> None:
    policy((0, [contact("Ann", phone="+15550100001")]))
    story = overdue_job()
    open_incidents(story.now)
    released, got = threading.Event(), []

    class Hanging(Provider):
        def deliver(self, message: Message) -> Receipt:
            released.wait(30)
            return Receipt()

    class Quick(Provider):
        def deliver(self, message: Message) -> Receipt:
            got.append(message.to)
            released.set()  # were they sent one after the other, this would never come
            return Receipt()

    with providers(email=[Hanging()], sms=[Quick()]):
        deliver_due(story.now)
    assert got == ["+15550100001"]
    assert set(Notification.objects.values_list("status", flat=True)) == {"sent"}


def test_one_that_never_ends_is_given_up_for_now() -> None:
    story = paged()
    forever = threading.Event()

    class Dripping(Provider):
        def deliver(self, message: Message) -> Receipt:
            forever.wait(30)
            return Receipt()

    with providers(email=[Dripping()]), patch.object(deliveries, "_LAST_CALL", 0.05):
        deliver_due(story.now, seconds=0.01)
    forever.set()
    row = Notification.objects.get()
    assert row.status == "pending"
    assert "No end" in row.detail


def test_a_fault_in_a_transport_loses_nothing() -> None:
    story = paged()
    with providers(email=[Provider(answers=[ZeroDivisionError("a bug")])]):
        deliver_due(story.now)
    assert (Notification.objects.get().status, DeliveryAttempt.objects.get().outcome) == ("pending", "transient")


@pytest.mark.django_db(transaction=True)
def test_sweeps_that_overlap_in_threads_send_each_message_once() -> None:
    policy((0, [contact(f"P{number}") for number in range(40)]))
    story = overdue_job()
    open_incidents(story.now)
    mail, barrier = Provider(), threading.Barrier(4)

    def sweep() -> None:
        barrier.wait()
        try:
            deliver_due(story.now)
        finally:
            connection.close()

    with providers(email=[mail]):
        threads = [threading.Thread(target=sweep) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert mail.received == sorted(f"p{number}@example.com" for number in range(40))
    assert set(Notification.objects.values_list("status", flat=True)) == {"sent"}
