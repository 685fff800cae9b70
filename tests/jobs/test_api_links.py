"""Links: a whole checkout by following them alone; and where people are sent."""

import re
import uuid
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client, override_settings

from jobs.services.vocabulary import load_terms
from tests.jobs.api_client import BROWSER, Api, Json

pytestmark = pytest.mark.django_db
BASE = "http://127.0.0.1:8000"


def _href(body: Json, rel: str, **variables: object) -> str:
    [link] = [link for link in body["links"] if link["rel"] == rel]
    assert bool(link.get("templated")) is ("{" in link["href"])
    href = str(link["href"]).format(**variables)
    assert href.startswith(BASE)
    return href.removeprefix(BASE)


def _header(answer: Any) -> dict[str, str]:
    """rel → URL of a Link header in which each link-value has one relation."""
    values = re.findall(r'<([^>]*)>; rel="([^" ]*)"', answer["Link"])
    assert len(values) == answer["Link"].count("<")
    return {rel: url for url, rel in values}


def test_a_checkout_by_links_alone() -> None:
    load_terms({"terms": [{"property": "updatedPrice"}]})
    cart, tax = Api("cart"), Api("tax")
    home = cart.get("/api/v1/").json()
    made = cart.put(_href(home, "job", jobID=uuid.uuid4()), {"jobName": "checkout"})
    job = made.json()
    task = tax.put(_href(job, "task", taskID=uuid.uuid4()), {"taskName": "tax"}).json()
    state = _href(task, "sharedState")
    tag = tax.get(state)["ETag"]
    assert tax.put(state, {"updatedPrice": 41.9}, if_match=tag).status_code == 200
    assert tax.put(_href(task, "self"), {"taskName": "tax", "taskStatus": "completed"}).status_code == 200
    progress = cart.get(_href(job, "progress")).json()
    assert progress["tasks"][0]["taskStatus"] == "completed"
    assert cart.get(_href(progress, "refresh")).status_code == 200
    report = _href(job, "errorReport", reportID=uuid.uuid4())
    assert tax.put(report, {"title": "slow"}).status_code == 201
    assert cart.get(_href(job, "errorReports")).json()["errorReports"][0]["title"] == "slow"
    assert cart.get(_href(job, "budget")).status_code == 200
    assert cart.patch(_href(job, "self"), {"jobStatus": "completed"}).status_code == 200
    jobs = cart.get(_href(home, "jobs")).json()
    assert _href(jobs["jobs"][0], "self") == _href(job, "self")
    assert cart.get(_href(jobs, "up")).json() == home


def test_the_home_leads_to_everything_that_there_is() -> None:
    home = Api(None).get("").json()
    api = Api("cart", "vocabulary")
    job = api.job()
    ids = {
        "jobID": job.removeprefix("jobs/"),
        "taskID": api.task(job).rpartition("/")[2],
        "reportID": uuid.uuid4(),
        "locationID": uuid.uuid4(),
        "incidentID": uuid.uuid4(),
        "name": "cart",
        "property": "updatedPrice",
    }
    api.put(f"{job}/error-reports/{ids['reportID']}", {})
    api.put(f"services/cart/locations/{ids['locationID']}", {"url": "http://x/", "leaseSeconds": 9})
    api.put("vocabulary/updatedPrice", {})
    answers = {link["rel"]: api.get(_href(home, link["rel"], **ids)) for link in home["links"]}
    found = {rel: answer.status_code for rel, answer in answers.items()}
    elsewhere = {"incident", "incidents", "status", "health"}  # tested where they are made
    assert {rel: status for rel, status in found.items() if rel not in elsewhere and status != 200} == {"cancel": 405}
    assert elsewhere | {"service-desc", "service-doc", "profile"} < set(found)


@override_settings(CHOREO_PUBLIC_URL="https://choreo.example")
def test_every_absolute_url_begins_with_the_public_one() -> None:
    api = Api()
    job = api.job()
    answer = api.get(job, host="localhost")
    urls = re.findall(r'https?://[^">]*', answer.content.decode() + answer["Link"])
    assert urls
    assert all(url.startswith("https://choreo.example/") for url in urls)


def test_link_headers() -> None:
    api = Api()
    job = api.job()
    task = api.task(job)
    for path, up in ((job, "jobs"), (task, job), (f"{job}/shared-state", job), (f"{job}/progress", job)):
        links = _header(api.get(path))
        assert links["up"] == f"{BASE}/api/v1/{up}"
        assert links["sharedState"] == f"{BASE}/api/v1/{job}/shared-state"
        assert links["progress"] == f"{BASE}/api/v1/{job}/progress"
        assert links["profile"] == f"{BASE}/api/v1/vocabulary"
        tag = api.get(path)["ETag"]
        assert _header(api.get(path, if_none_match=tag)) == links
    assert _header(api.put(job, {"jobName": "x"}))["progress"] == links["progress"]


@pytest.mark.parametrize(
    ("part", "fragment"),
    [
        ("", ""),
        ("/progress", "#progress"),
        ("/shared-state", "#state"),
        ("/tasks", "#tasks"),
        ("/error-reports", "#reports"),
        ("/error-reports/0b8f6a52-8a3e-4f0e-9f0d-3a1c55d2b7aa", "#reports"),
        ("/budget", ""),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_browser_is_sent_to_the_page_even_before_sign_in(part: str, fragment: str, method: str) -> None:
    api = Api()
    job = api.job()
    answer = Api(None).send(method, job + part, accept=BROWSER)
    page = f"/admin/jobs/job/{job.removeprefix('jobs/')}/change/"
    assert (answer.status_code, answer["Location"]) == (303, f"{BASE}{page}{fragment}")
    assert "Accept" in answer["Vary"]
    assert Client().get(page)["Location"].startswith("/admin/login/")
    browser = Client()
    browser.force_login(User.objects.create_superuser("ann"))
    shown = browser.get(page)
    assert shown.status_code == 200
    if fragment:
        assert f'id="{fragment[1:]}"' in shown.content.decode()


def test_a_browser_writes_like_anyone() -> None:
    assert Api().put(f"jobs/{uuid.uuid4()}", {"jobName": "x"}, accept=BROWSER).status_code == 201
