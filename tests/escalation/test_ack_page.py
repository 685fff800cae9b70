"""The page behind the ack link."""

import re
import uuid
from datetime import timedelta

import pytest
from django.test import Client

from escalation.models import Incident, IncidentNote, Notification
from escalation.services.ack_links import sign
from escalation.services.answering import resolve
from escalation.services.opening import open_incidents
from jobs.services.clock import database_now
from tests.escalation.helpers import contact, overdue_job, policy, the_incident

pytestmark = pytest.mark.django_db


@pytest.fixture
def link() -> str:
    """Ann's ack link, as it stands in the text message that she was sent."""
    policy((0, [contact("Ann", phone="+15550100001")]))
    overdue_job(name="<b>checkout</b>")
    open_incidents(database_now())
    match = re.search(r"https?://\S+(/ack/\S+)$", Notification.objects.get(channel="sms").text)
    assert match
    return match[1]


def test_get_shows_and_never_acts(client: Client, link: str) -> None:
    for method in (client.get, client.head):
        response = method(link)
        assert response.status_code == 200
        assert response["Cache-Control"] == "no-store"
        assert response["Referrer-Policy"] == "no-referrer"
    assert the_incident().status == "open"
    page = client.get(link).content.decode()
    assert "I have it in hand" in page
    assert "&lt;b&gt;checkout&lt;/b&gt;" in page
    assert "<b>checkout" not in page


def test_post_acknowledges_without_a_login_a_cookie_or_a_token(link: str) -> None:
    client = Client(enforce_csrf_checks=True)
    response = client.post(link)
    assert response.status_code == 200
    assert "Ann has it in hand" in response.content.decode()
    assert (the_incident().status, the_incident().acknowledged_by) == ("acknowledged", "Ann")
    assert not response.cookies


def test_a_second_post_changes_nothing(client: Client, link: str) -> None:
    client.post(link)
    version, notes = the_incident().version, IncidentNote.objects.count()
    assert client.post(link).status_code == 200
    assert (the_incident().version, IncidentNote.objects.count()) == (version, notes)


def test_after_it_is_resolved_the_page_says_so(client: Client, link: str) -> None:
    resolve(the_incident().pk, "Bob", database_now())
    for response in (client.get(link), client.post(link)):
        assert response.status_code == 200
        assert "It is resolved." in response.content.decode()


@pytest.mark.parametrize("method", ["put", "patch", "delete"])
def test_other_methods_are_refused(client: Client, link: str, method: str) -> None:
    response = getattr(client, method)(link)
    assert response.status_code == 405
    assert response["Allow"] == "GET, HEAD, POST"


def test_a_link_that_was_cut_off_leads_to_a_page_that_helps(client: Client, link: str) -> None:
    response = client.post(link[:-3])
    assert response.status_code == 404
    assert "Copy all of it" in response.content.decode()
    assert the_incident().status == "open"


def test_an_expired_link_is_gone(client: Client, link: str) -> None:
    incident = the_incident()
    old = sign(incident.pk, 1, database_now() - timedelta(days=8))
    response = client.post(f"/ack/{old}")
    assert response.status_code == 410
    assert "expired" in response.content.decode()
    assert the_incident().status == "open"


def test_a_link_is_for_one_contact_and_one_incident(client: Client, link: str) -> None:
    now = database_now()
    strangers = [sign(Incident.objects.get().pk, 999_999, now), sign(uuid.uuid4(), 1, now)]
    assert [client.post(f"/ack/{signed}").status_code for signed in strangers] == [404, 404]
    assert the_incident().status == "open"
