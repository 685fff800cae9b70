"""Celery's way in."""

from typing import Any

import pytest
from celery import current_app

from escalation import tasks
from escalation.domain.delivery import Channel
from escalation.models import Notification
from escalation.services.deliveries import deliver_due
from escalation.services.sweeps import sweep_incidents
from escalation.transports.config import ways
from jobs.services.clock import database_now
from tests.escalation.helpers import Provider, contact, overdue_job, policy, providers

pytestmark = pytest.mark.django_db


def test_the_tasks_have_the_names_that_the_schedule_and_the_wake_ups_use() -> None:
    assert {"escalation.sweep_incidents", "escalation.sweep_notifications"} <= set(current_app.tasks)


def test_from_a_deadline_to_a_message() -> None:
    policy((0, [contact("Ann")]))
    overdue_job()
    with providers(email=[mail := Provider()]):
        assert tasks.sweep_incidents() == 1
        assert tasks.sweep_notifications() == 1
    assert mail.received == ["ann@example.com"]


def test_one_process_sends_in_one_sweep_at_a_time() -> None:
    policy((0, [contact("Ann")]))
    overdue_job()
    tasks.sweep_incidents()
    with providers():
        with tasks._delivering:
            assert tasks.sweep_notifications() == 0
        assert tasks.sweep_notifications() == 1


def test_a_tick_with_nothing_to_do_is_cheap(django_assert_num_queries: Any) -> None:
    now = database_now()
    sweep_incidents(now)
    with django_assert_num_queries(4):  # the mark, and one question each: to open, to resolve, to escalate
        sweep_incidents(now)
    with django_assert_num_queries(2):
        deliver_due(now)


def test_a_part_that_fails_keeps_no_other_from_its_turn_and_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    from escalation.services import sweeps

    done: list[str] = []

    def fail(now: object) -> int:
        raise RuntimeError("a bug")

    def succeed(now: object) -> int:
        done.append("resolved")
        return 1

    monkeypatch.setattr(sweeps, "_PARTS", (fail, succeed))
    with pytest.raises(ExceptionGroup):
        sweep_incidents(database_now())
    assert done == ["resolved"]


def test_a_bad_sms_url_keeps_mail_from_nothing(settings: Any) -> None:
    settings.CHOREO_SMS_URL = "twilio://nonsense"
    policy((0, [contact("Ann", phone="+15550100001")]))
    story = overdue_job()
    sweep_incidents(story.now)
    deliver_due(story.now)
    assert dict(Notification.objects.values_list("channel", "status")) == {"email": "sent", "sms": "pending"}
    assert "CHOREO_SMS_URL" in Notification.objects.get(channel="sms").detail
    assert [way.name for way in ways(Channel.SMS)] == ["misconfigured"]
