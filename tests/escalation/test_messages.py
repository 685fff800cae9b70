"""What people read, and that they always get something to read."""

from typing import Any
from unittest.mock import patch

import pytest
from django.template import TemplateSyntaxError

from escalation.models import Contact, Notification, Policy
from escalation.services.answering import acknowledge, resolve
from escalation.services.opening import open_incidents
from tests.escalation.helpers import contact, overdue_job, policy, providers, the_incident, tick
from tests.jobs.scenario import Story

pytestmark = pytest.mark.django_db


def ann(**given: Any) -> Contact:
    person = contact("Ann", phone="+15550100001")
    Contact.objects.filter(pk=person.pk).update(**given)
    policy((0, [Contact.objects.get(pk=person.pk)]))
    return person


def sent(kind: str, channel: str = "email") -> Notification:
    return Notification.objects.get(kind=kind, channel=channel)


def half_undone() -> Story:
    """Four tasks, of which the last two are reverted already."""
    story = Story()
    story.put_job(max_ttl=30)
    story.chain("cart", "tax", "pay", "ship")
    story.after(60)
    from jobs.services.deadlines import expire_due

    expire_due(story.now)
    for _ in range(2):
        for action, name in story.due():
            story.answer(action, name)
    return story


def test_an_alert_says_what_happened_what_was_done_what_is_not_undone_and_where_to_look() -> None:
    ann()
    story = half_undone()
    open_incidents(story.now)
    mail, ref = sent("opened"), f"J{story.job_id.hex[:4]}"
    assert mail.subject == f"[Choreo] checkout {ref} over max TTL: 2 of 4 tasks reverted"
    job, pk = f"http://127.0.0.1:8000/api/v1/jobs/{story.job_id}", the_incident().pk
    for words in (mail.text, mail.html):
        for part in ("", "/progress", "/shared-state", "/error-reports", f"/incidents/{pk}"):
            assert f"{job}{part}" in words
        assert "http://127.0.0.1:8000/ack/" in words
        assert "12:01:04 UTC" in words
        left, done = words.split("NOT UNDONE" if words is mail.text else "Not undone")[1].split("Done so far")
        assert "ship (ship): reverted" in done
        assert "pay (pay): reverted" in done
        assert "tax (tax): reverting" in left
        assert "cart (cart): completed" in left
    text = sent("opened", "sms").text
    assert text.startswith(f"checkout {ref} over max TTL: 2 of 4 tasks reverted. Ack: http://127.0.0.1:8000/ack/")
    assert len(text) <= 160


def test_times_are_told_in_the_zone_of_who_reads_them() -> None:
    ann(time_zone="Asia/Kolkata")
    open_incidents(overdue_job().now)
    assert "17:31:01 IST" in sent("opened").text


def test_a_zone_that_nobody_knows_is_told_in_utc() -> None:
    ann(time_zone="Mars/Olympus")
    open_incidents(overdue_job().now)
    assert "12:01:01 UTC" in sent("opened").text


def test_what_is_said_when_it_is_in_hand_and_when_it_is_over() -> None:
    ann()
    story = overdue_job()
    with providers():
        tick(story.now)
    pk = the_incident().pk
    acknowledge(pk, "Eve \u202e\r\n<b>", story.now)
    resolve(pk, "Bob", story.now)
    assert sent("acknowledged").subject.endswith(": Eve <b> has it in hand")
    assert "Eve &lt;b&gt; has it in hand" in sent("acknowledged").html
    assert sent("acknowledged", "sms").text.endswith("Eve <b> has it in hand. No need to act.")
    assert "Bob resolved it." in sent("resolved").text
    for row in Notification.objects.filter(kind__in=["acknowledged", "resolved"]):
        assert "/ack/" not in row.text + row.html


@pytest.mark.parametrize("broken", ["render_to_string", "selectors.facts"])
def test_an_alert_that_cannot_be_rendered_is_sent_in_plain_words(broken: str) -> None:
    ann()
    story = overdue_job()
    with patch(f"escalation.services.messages.{broken}", side_effect=TemplateSyntaxError("a bug")):
        open_incidents(story.now)
    for channel in ("email", "sms"):
        row = sent("opened", channel)
        assert "http://127.0.0.1:8000/ack/" in row.text
        assert f"J{story.job_id.hex[:4]} warning incident" in row.text
    assert len(sent("opened", "sms").text) <= 160


def test_two_contacts_with_one_address_get_one_message() -> None:
    people = [Contact.objects.create(name=name, email="team@example.com") for name in ("Ann", "Bob")]
    policy((0, people))
    open_incidents(overdue_job().now)
    assert Notification.objects.count() == 1
    assert Policy.objects.count() == 1
