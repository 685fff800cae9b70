"""Jobs: writing, reading, listing, cancelling, budgets."""

import uuid
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.contrib.auth.models import User
from django.test import Client

from jobs.models import Job
from tests.jobs.api_client import Api, Json, problem

pytestmark = pytest.mark.django_db
PLAN = [{"taskName": name, "attempts": 3, "timeout": 10} for name in ("tax", "pay", "ship")]
MEMBERS = {
    "jobID", "jobURL", "jobName", "jobDescription", "jobStatus", "jobReason", "jobMaxTTL", "jobOnTaskFailure",
    "jobPlan", "jobDateCreated", "jobDateUpdated", "jobStartDateTime", "jobStopDateTime", "jobDeadline",
    "jobProgressURL", "jobSharedStateURL", "jobCancelURL", "budget", "taskRecord", "links",
}  # fmt: skip


def test_put_creates_then_replaces() -> None:
    api, path = Api(), f"jobs/{uuid.uuid4()}"
    made = api.put(path, {"jobName": "checkout", "jobMaxTTL": 60, "jobDescription": "one"})
    assert (made.status_code, made["Location"]) == (201, f"http://127.0.0.1:8000/api/v1/{path}")
    body = made.json()
    assert set(body) == MEMBERS
    assert (body["jobStatus"], body["jobMaxTTL"], body["taskRecord"]) == ("working", 60, [])
    again = api.put(path, {"jobName": "checkout"})
    assert (again.status_code, "Location" in again) == (200, False)
    assert (again.json()["jobDescription"], again.json()["jobMaxTTL"]) == ("", 300)
    for answer in (made, again):
        assert "ETag" not in answer
        assert answer["Cache-Control"] == "no-store"


def test_the_same_put_twice_leaves_the_state_and_the_tag_of_once() -> None:
    api = Api()
    job = api.job(jobPlan=PLAN)
    before = api.get(job)
    api.job(uuid.UUID(job.removeprefix("jobs/")), jobPlan=PLAN)
    after = api.get(job)
    assert (before["ETag"], before.content) == (after["ETag"], after.content)


def test_times_are_rfc3339_in_utc() -> None:
    body = Api().get(Api().job()).json()
    for name in ("jobDateCreated", "jobDateUpdated", "jobStartDateTime", "jobDeadline"):
        assert body[name].endswith("Z"), body
        assert body[name][10] == "T"
    assert body["jobStopDateTime"] is None


def test_a_job_that_waits_has_no_deadline_until_it_works() -> None:
    api = Api()
    job = api.job(jobStatus="pending")
    assert api.get(job).json()["jobDeadline"] is None
    assert api.patch(job, {"jobStatus": "working"}).json()["jobDeadline"]


def test_an_illegal_transition_names_both_states() -> None:
    api = Api()
    job = api.job(jobStatus="completed")
    body = problem(api.patch(job, {"jobStatus": "working"}), 409, "illegal-transition")
    assert "completed" in body["detail"]
    assert "working" in body["detail"]
    assert (body["jobStatus"], body["requested"]) == ("completed", "working")


def test_only_the_owner_writes_and_only_participants_read() -> None:
    cart, tax, spy = Api("cart"), Api("tax"), Api("spy")
    job = cart.job()
    parts = ["", "/tasks", "/shared-state", "/error-reports", "/budget"]
    for part in parts:
        problem(tax.get(job + part), 403, "forbidden")
    task = tax.task(job)
    for part in parts:
        assert tax.get(job + part).status_code == 200
        problem(spy.get(job + part), 403, "forbidden")
    problem(spy.get(task), 403, "forbidden")
    problem(tax.put(job, {"jobName": "x"}), 403, "forbidden")
    problem(tax.put(f"{job}/cancellation"), 403, "forbidden")
    problem(cart.put(task, {"taskName": "x"}), 403, "forbidden")
    assert spy.get(f"{job}/progress").status_code == 200
    assert spy.get("jobs").json()["jobs"] == []
    assert len(tax.get("jobs").json()["jobs"]) == 1


def test_cancellation_is_202_and_the_same_again() -> None:
    api = Api()
    job = api.job()
    api.task(job, taskStatus="completed", taskRevertURL="http://tax.example/revert")
    first, second = api.put(f"{job}/cancellation"), api.put(f"{job}/cancellation", {})
    assert first.status_code == second.status_code == 202
    assert first.json() == second.json()
    assert first.json()["jobStatus"] == "cancelling"
    assert first.json()["jobReason"] == "cancellation"
    assert "sharedState" in first["Link"]
    ended = api.job(jobStatus="completed")
    problem(api.put(f"{ended}/cancellation"), 409, "illegal-transition")
    problem(api.put(f"{ended}/cancellation", "{"), 400, "malformed")
    problem(api.put(f"jobs/{uuid.uuid4()}/cancellation"), 404, "not-found")


def test_a_late_result_is_409_with_the_jobs_status() -> None:
    api = Api()
    job = api.job()
    task = api.task(job, taskStatus="working", taskCancelURL="http://tax.example/cancel")
    api.put(f"{job}/cancellation")
    body = problem(api.patch(task, {"taskStatus": "completed"}), 409, "job-cancelled")
    assert body["jobStatus"] == "cancelling"
    problem(api.put(f"{job}/tasks/{uuid.uuid4()}", {"taskName": "new"}), 409, "job-cancelled")


def test_a_task_never_goes_backwards() -> None:
    api = Api()
    task = api.task(api.job(), taskStatus="completed")
    before = api.get(task)
    problem(api.put(task, {"taskName": "tax", "taskStatus": "working"}), 409, "status-regression")
    assert api.get(task).content == before.content


def test_a_task_under_a_job_that_nobody_put_is_404() -> None:
    problem(Api().put(f"jobs/{uuid.uuid4()}/tasks/{uuid.uuid4()}", {"taskName": "x"}), 404, "not-found")


def test_a_tasks_own_answers() -> None:
    api = Api("tax")
    job, task_id, cause = api.job(), uuid.uuid4(), uuid.uuid4()
    path = f"{job}/tasks/{task_id}"
    given = {"taskName": "tax", "taskMaxTTL": 9, "taskCausedBy": str(cause).upper(), "taskStateChanged": False}
    made = api.put(path, given)
    assert (made.status_code, made["Location"]) == (201, f"http://127.0.0.1:8000/api/v1/{path}")
    body = made.json()
    assert (body["taskService"], body["taskCausedBy"], body["taskStateChanged"]) == ("tax", str(cause), False)
    assert body == api.get(path).json()
    before = api.get(path)["ETag"]
    assert api.put(path, given).status_code == 200
    assert api.get(path)["ETag"] == before
    assert api.patch(path, {"taskStatus": "completed", "taskMaxTTL": None}).json()["taskMaxTTL"] is None
    assert api.get(f"{job}/tasks").json()["tasks"] == api.get(job).json()["taskRecord"]


def test_a_plan_and_its_budget() -> None:
    api = Api()
    answer = api.put(f"jobs/{uuid.uuid4()}", {"jobName": "checkout", "jobMaxTTL": 60, "jobPlan": PLAN})
    assert answer.status_code == 201
    assert answer.json()["budget"] == {"jobMaxTTL": 60, "worstCaseSeconds": 90, "fits": False}
    path = urlsplit(answer["Location"]).path
    whole = api.get(f"{path}/budget").json()
    assert whole["steps"] == [{"taskName": step["taskName"], "worstCaseSeconds": 30} for step in PLAN]
    assert whole["worstCaseSeconds"] == 90
    assert api.patch(path, {"jobMaxTTL": 90}).json()["budget"]["fits"] is True


@pytest.mark.parametrize("prefer", ["handling=strict", "respond-async, handling = strict", 'Handling="Strict";x=1'])
def test_strict_handling_refuses_a_plan_that_cannot_fit(prefer: str) -> None:
    api, path = Api(), f"jobs/{uuid.uuid4()}"
    body = {"jobName": "checkout", "jobMaxTTL": 89, "jobPlan": PLAN}
    told = problem(api.put(path, body, prefer=prefer), 422, "budget-exceeded")
    assert (told["jobMaxTTL"], told["worstCaseSeconds"]) == (89, 90)
    problem(api.get(path), 404, "not-found")
    fits = api.put(path, {**body, "jobMaxTTL": 90}, prefer=prefer)
    assert (fits.status_code, fits["Preference-Applied"]) == (201, "handling=strict")
    problem(api.patch(path, {"jobMaxTTL": 80}, prefer=prefer), 422, "budget-exceeded")
    assert api.patch(path, {"jobMaxTTL": 80, "jobPlan": None}, prefer=prefer).status_code == 200
    lenient = api.put(path, body, prefer="handling=lenient, handling=strict")
    assert (lenient.status_code, "Preference-Applied" in lenient) == (200, False)


def _list(api: Api, query: str = "") -> Any:
    answer = api.get(f"jobs{query}")
    assert answer.status_code == 200, answer.content
    return answer.json()


def _follow(api: Api, body: Json, rel: str) -> Json | None:
    found = [link["href"] for link in body["links"] if link["rel"] == rel]
    return api.get(found[0].removeprefix("http://127.0.0.1:8000")).json() if found else None


def test_jobs_are_listed_newest_first_page_by_page_there_and_back() -> None:
    api = Api()
    made = [api.job(jobName=f"n{i}").removeprefix("jobs/") for i in range(7)][::-1]
    Job.objects.filter(pk__in=made[:4]).update(created_at=Job.objects.get(pk=made[0]).created_at)  # a tie
    expected = [str(job.pk) for job in Job.objects.order_by("-created_at", "-id")]
    page, seen = _list(api, "?limit=3&jobStatus=working"), []
    pages = [page]
    while page := _follow(api, pages[-1], "next"):
        pages.append(page)
    seen = [[job["jobID"] for job in page["jobs"]] for page in pages]
    assert [len(ids) for ids in seen] == [3, 3, 1]
    assert [job for ids in seen for job in ids] == expected
    assert all("taskRecord" not in job for page in pages for job in page["jobs"])
    for older, newer in zip(reversed(pages), reversed(pages[:-1]), strict=False):
        assert _follow(api, older, "prev")["jobs"] == newer["jobs"]  # type: ignore[index]  # None would fail as well
    assert _follow(api, pages[0], "prev") is None
    assert "jobStatus=working" in pages[1]["links"][0]["href"]


def test_filters() -> None:
    api = Api()
    pending = api.job(jobName="pack", jobStatus="pending", jobDescription="of Ann's 100 % socks")
    done = api.job(jobName="pay", jobStatus="completed")
    working = api.job(jobName="pay")
    started = api.get(done).json()["jobStartDateTime"]
    cases = {
        "": {pending, done, working},
        "?jobStatus=completed": {done},
        "?jobStatus=completed&jobStatus=pending": {done, pending},
        "?jobName=pay": {done, working},
        "?jobName=pa": set(),
        "?q=PA": {pending, done, working},
        "?q=100%20%25%20so": {pending},
        f"?q={working.removeprefix('jobs/').upper()}": {working},
        "?q=": {pending, done, working},
        "?jobName=pay&jobStatus=working": {working},
        f"?startedAfter={started}": {working},
        f"?startedBefore={started}": set(),
        "?startedAfter=2020-01-01T00:00:00+02:00": {done, working},
        "?startedAfter=2016-12-31T23:59:60Z": {done, working},
        "?startedBefore=9999-12-31T23:59:59Z": {done, working},
        "?startedAfter=2020-01-01t00:00:00.123456789z": {done, working},
    }
    for query, expected in cases.items():
        assert {f"jobs/{job['jobID']}" for job in _list(api, query)["jobs"]} == expected, query


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=x", "limit"),
        ("limit=", "limit"),
        ("limit=1.0", "limit"),
        ("limit=٣", "limit"),
        ("limit=" + "9" * 5000, "limit"),
        ("jobStatus=lost", "jobStatus"),
        ("jobName=" + "x" * 201, "jobName"),
        ("q=%00", "q"),
        ("startedAfter=yesterday", "startedAfter"),
        ("startedAfter=2020-01-01", "startedAfter"),
        ("startedAfter=2020-01-01T00:00:00", "startedAfter"),
        ("startedAfter=2020-13-01T00:00:00Z", "startedAfter"),
        ("startedBefore=0001-01-01T00:00:00%2B10:00", "startedBefore"),
        ("cursor=", "cursor"),
        ("cursor=x", "cursor"),
    ],
)
def test_a_bad_query_is_422_and_named(query: str, parameter: str) -> None:
    assert problem(Api().get(f"jobs?{query}"), 422, "invalid-query")["parameter"] == parameter


@pytest.mark.parametrize("path", ["tasks", "error-reports"])
def test_other_lists_have_limits_and_pages_too(path: str) -> None:
    api = Api()
    job = api.job()
    for _ in range(3):
        api.task(job)
        api.put(f"{job}/error-reports/{uuid.uuid4()}", {"title": "x"})
    name = {"tasks": "tasks", "error-reports": "errorReports"}[path]
    first = api.get(f"{job}/{path}?limit=2").json()
    rest = _follow(api, first, "next")
    assert rest is not None
    assert (len(first[name]), len(rest[name])) == (2, 1)
    assert rest[name][0] not in first[name]
    assert _follow(api, rest, "prev") == first
    problem(api.get(f"{job}/{path}?limit=0"), 422, "invalid-query")
    problem(api.get(f"{job}/{path}?offset=-1"), 422, "invalid-query")


def test_operators_see_messages_under_a_tag_of_their_own() -> None:
    api, browser = Api(), Client()
    browser.force_login(User.objects.create_user("ann", is_staff=True))
    operator = Api(None, client=browser)
    job = api.job()
    task = api.task(job, taskMessage="card 4711")
    report = f"{job}/error-reports/{uuid.uuid4()}"
    api.put(report, {"title": "x", "balance": [30], "note": "secret"})
    for path in (job, task, report):
        ours, theirs = api.get(path), operator.get(path)
        assert ours["ETag"] != theirs["ETag"]
        assert ours["Vary"] == theirs["Vary"] == "Accept, Authorization, Cookie"
        assert operator.get(path, if_none_match=ours["ETag"]).status_code == 200
        assert operator.get(path, if_none_match=theirs["ETag"]).status_code == 304
    for path in (job, f"{job}/tasks", task):
        assert "4711" not in api.get(path).content.decode()
        assert "4711" in operator.get(path).content.decode()
    for path in (report, f"{job}/error-reports"):
        assert "secret" not in api.get(path).content.decode()
        assert "secret" in operator.get(path).content.decode()
    assert operator.get(report).json()["extensions"] == {"balance": "[30]", "note": "secret"}
    assert api.put(task, {"taskName": "tax"}, if_match=api.get(task)["ETag"]).status_code == 200
