"""Incidents over HTTP."""

import uuid

import pytest
from django.test import Client

from escalation.services.answering import acknowledge
from escalation.services.opening import open_incidents
from jobs.domain.preconditions import NO_PRECONDITION
from jobs.services.accounts import issue_token
from jobs.services.error_reports import write_report
from tests.escalation.helpers import overdue_job, the_incident
from tests.jobs.scenario import Story

pytestmark = pytest.mark.django_db


@pytest.fixture
def story() -> Story:
    """A job with an incident."""
    story = overdue_job()
    open_incidents(story.now)
    return story


def caller(service: str) -> Client:
    return Client(headers={"authorization": f"Bearer {issue_token(service)}", "accept": "application/json"})


def base(story: Story) -> str:
    return f"/api/v1/jobs/{story.job_id}/incidents"


def test_an_incident_bears_the_links_of_the_pattern(story: Story) -> None:
    incident = the_incident()
    response = caller("cart").get(f"{base(story)}/{incident.pk}")
    assert response.status_code == 200
    assert response["correlation-id"] == str(story.job_id)
    body = response.json()
    assert (body["incidentID"], body["incidentStatus"], body["incidentCause"]) == (
        str(incident.pk),
        "open",
        "jobMaxTTL",
    )
    links = {link["rel"]: link["href"] for link in body["links"]}
    job = f"http://127.0.0.1:8000/api/v1/jobs/{story.job_id}"
    assert links == {
        "self": f"{job}/incidents/{incident.pk}",
        "job": job,
        "progress": f"{job}/progress",
        "sharedState": f"{job}/shared-state",
        "errorReport": f"{job}/error-reports",
        "up": f"{job}/incidents",
    }


def test_the_error_report_is_the_latest_halting_one(story: Story) -> None:
    ids = [uuid.uuid4(), uuid.uuid4(), uuid.uuid4()]
    for report_id, halting in zip(ids, (True, True, False), strict=True):
        body = {"title": "Sealed", "halting": halting}
        now = story.after(1)
        write_report(story.job_id, report_id, story.service("cart"), body, precondition=NO_PRECONDITION, now=now)
    body = caller("cart").get(f"{base(story)}/{the_incident().pk}").json()
    links = {link["rel"]: link["href"] for link in body["links"]}
    assert links["errorReport"].endswith(f"/error-reports/{ids[1]}")


def test_the_tag_changes_with_the_incident(story: Story) -> None:
    url, client = f"{base(story)}/{the_incident().pk}", caller("tax")
    tag = client.get(url)["ETag"]
    assert client.get(url, headers={"if-none-match": tag}).status_code == 304
    acknowledge(the_incident().pk, "Ann", story.now)
    changed = client.get(url, headers={"if-none-match": tag})
    assert changed.status_code == 200
    assert changed.json()["incidentAcknowledgedBy"] == "Ann"


def test_the_list_is_an_object(story: Story) -> None:
    body = caller("cart").get(base(story)).json()
    assert [row["incidentID"] for row in body["incidents"]] == [str(the_incident().pk)]
    assert {"self", "up", "incident"} <= {link["rel"] for link in body["links"]}


def test_only_participants_and_operators_may_read(story: Story, admin_client: Client) -> None:
    url = f"{base(story)}/{the_incident().pk}"
    assert Client().get(url).status_code == 401
    assert caller("stranger").get(url).status_code == 403
    assert admin_client.get(url, headers={"accept": "application/json"}).status_code == 200


def test_a_browser_is_sent_to_the_operators_page(story: Story) -> None:
    incident = the_incident()
    response = Client().get(f"{base(story)}/{incident.pk}", headers={"accept": "text/html,*/*;q=0.8"})
    assert response.status_code == 303
    assert response["Location"].endswith(f"/admin/escalation/incident/{incident.pk}/change/")


def test_an_incident_of_another_job_is_not_here(story: Story) -> None:
    other = overdue_job()
    response = caller("cart").get(f"{base(other)}/{the_incident().pk}")
    assert response.status_code == 404
    assert response["Content-Type"] == "application/problem+json"


def test_it_cannot_be_written(story: Story) -> None:
    response = caller("cart").put(f"{base(story)}/{the_incident().pk}", "{}", content_type="application/json")
    assert response.status_code == 405
    assert "GET" in response["Allow"]
