"""Somebody to call from the first start on."""

import threading
from typing import Any

import pytest
from django.core.checks import run_checks
from django.db import connection

from escalation.models import Contact, Policy
from escalation.services.defaults import default_plan, ensure_defaults
from tests.escalation.helpers import contact, policy

pytestmark = pytest.mark.django_db


def test_the_settings_name_who_is_called(settings: Any) -> None:
    settings.CHOREO_ONCALL_EMAIL, settings.CHOREO_ONCALL_SMS = "ann@example.com", "+15550100001"
    for _ in range(2):
        ensure_defaults()
    (person,) = default_plan().people
    assert (person.name, person.email, person.phone) == ("on-call", "ann@example.com", "+15550100001")
    assert (Contact.objects.count(), Policy.objects.count()) == (1, 1)


def test_a_placeholder_gives_way_to_settings_that_come_later(settings: Any) -> None:
    ensure_defaults()
    assert default_plan().people[0].email == "oncall@localhost"
    settings.CHOREO_ONCALL_SMS = "+15550100001"
    ensure_defaults()
    (person,) = default_plan().people
    assert (person.email, person.phone) == ("", "+15550100001")


def test_what_an_operator_set_up_is_left_alone(settings: Any) -> None:
    made = policy((0, [contact("Ann")]))
    settings.CHOREO_ONCALL_EMAIL = "other@example.com"
    assert ensure_defaults() == made
    assert [person.email for person in default_plan().people] == ["ann@example.com"]


def test_a_policy_that_took_the_name_is_no_obstacle() -> None:
    Policy.objects.create(name="Default")
    assert ensure_defaults().is_default


def test_a_step_in_which_nobody_can_be_reached_is_left_out() -> None:
    nobody = Contact.objects.create(name="Nobody")
    policy((0, [nobody]), (20, [contact("Ann")]))
    assert [[p.name for p in step.people] for step in default_plan().steps] == [["Ann"]]


@pytest.mark.django_db(transaction=True)
def test_two_first_starts_at_once_make_one_of_each(settings: Any) -> None:
    settings.CHOREO_ONCALL_EMAIL = "ann@example.com"
    barrier = threading.Barrier(4)

    def start() -> None:
        barrier.wait()
        try:
            ensure_defaults()
        finally:
            connection.close()

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert (Contact.objects.count(), Policy.objects.filter(is_default=True).count()) == (1, 1)


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("CHOREO_SMS_URL", "twilio://+15550100", "escalation.E001"),
        ("CHOREO_SMS_FALLBACK_URL", "kannel://user@host", "escalation.E002"),
        ("CHOREO_ONCALL_EMAIL", "ann", "escalation.E003"),
        ("CHOREO_ONCALL_SMS", "0555 0100", "escalation.E004"),
        ("DEFAULT_FROM_EMAIL", "Choreo", "escalation.E005"),
    ],
)
def test_a_bad_setting_stops_the_start_and_says_why(settings: Any, name: str, value: str, code: str) -> None:
    assert not [error for error in run_checks() if (error.id or "").startswith("escalation")]
    setattr(settings, name, value)
    (error,) = [error for error in run_checks() if (error.id or "").startswith("escalation")]
    assert error.id == code
