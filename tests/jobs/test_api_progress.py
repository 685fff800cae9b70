"""The progress resource: minimal, cacheable, and never backwards."""

import json
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.test import override_settings
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from jobs.domain.states import JobStatus, TaskStatus
from jobs.models import Job, JobProgress
from jobs.services.clock import database_now
from jobs.services.deadlines import expire_due
from tests.jobs.api_client import Api, problem

pytestmark = pytest.mark.django_db

MEMBERS = {"jobID", "jobName", "jobStatus", "jobStartDateTime", "jobStopDateTime", "jobMaxTTL", "tasks", "links"}
TASK_MEMBERS = {"taskID", "taskName", "taskStatus", "taskStartDateTime", "taskStopDateTime", "taskMaxTTL"}
SECRETS = [f"planted{number}" for number in range(12)]


def test_exactly_the_members_of_the_contract() -> None:
    api = Api()
    job = api.job(jobMaxTTL=60)
    task = api.task(job, taskMaxTTL=20)
    body = api.get(f"{job}/progress").json()
    assert set(body) == MEMBERS
    assert set(body["tasks"][0]) == TASK_MEMBERS
    assert body["tasks"][0]["taskID"] in task
    href = f"http://127.0.0.1:8000/api/v1/{job}/progress"
    assert body["links"] == [{"rel": "self", "href": href}, {"rel": "refresh", "href": href}]
    assert f'<{href}>; rel="refresh"' in api.get(f"{job}/progress")["Link"]


def test_nothing_that_was_planted_elsewhere_comes_out() -> None:
    api, s = Api("cart", "vocabulary"), iter(SECRETS)
    plan = [{"taskName": next(s)}]
    job = api.job(jobDescription=next(s), jobPlan=plan)
    urls: dict[str, Any] = {
        name: f"https://{next(s)}.example/" for name in ("taskURL", "taskCancelURL", "taskRevertURL")
    }
    api.task(job, taskDescription=next(s), taskMessage=next(s), **urls)
    api.put("vocabulary/note", {"description": next(s)})
    api.put(f"{job}/shared-state", {"note": next(s)}, if_match="*")
    report = {"title": next(s), "detail": next(s), "type": f"https://{next(s)}.example/"}
    api.put(f"{job}/error-reports/{uuid.uuid4()}", report)
    assert next(s, None) is None  # every one is planted
    answer = api.get(f"{job}/progress")
    told = answer.content.decode() + str(answer.headers)
    assert [secret for secret in SECRETS if secret in told] == []
    stored = json.dumps([api.get(job).json(), api.get(f"{job}/shared-state").json(), api.get("vocabulary").json()])
    assert all(secret in stored for secret in SECRETS[:5])  # and they are there to be found


@pytest.mark.parametrize(
    ("members", "seconds", "refresh"),
    [
        ({"jobStatus": "pending"}, 1, True),
        ({"jobStatus": "working"}, 1, True),
        ({"jobStatus": "completed"}, 3600, False),
        ({"jobStatus": "failed", "jobOnTaskFailure": "alert"}, 60, False),
    ],
)
def test_caches_may_keep_it_by_its_state(members: dict[str, Any], seconds: int, refresh: bool) -> None:
    api = Api()
    path = f"{api.job(**members)}/progress"
    answer = api.get(path)
    assert answer["Cache-Control"] == f"private, max-age={seconds}"
    assert answer["Vary"] == "Accept, Authorization, Cookie"
    assert ("refresh" in answer["Link"], len(answer.json()["links"])) == (refresh, 1 + refresh)
    with override_settings(CHOREO_PROGRESS_PUBLIC=True):
        public = Api(None).get(path)
        assert public["Cache-Control"] == f"public, max-age={seconds}, stale-while-revalidate={seconds}"
        assert (public["Vary"], public.content) == ("Accept", answer.content)
        assert Api(None).get(path, authorization="Bearer wrong").status_code == 200


@pytest.mark.parametrize("status", [JobStatus.CANCELLING, JobStatus.REVERT_FAILED, JobStatus.CANCELLED])
def test_caches_of_what_only_the_server_sets(status: JobStatus) -> None:
    api = Api()
    job = api.job()
    Job.objects.update(status=status, reason="cancellation")
    can_change = status is not JobStatus.CANCELLED
    answer = api.get(f"{job}/progress")
    assert answer["Cache-Control"] == f"private, max-age={1 if can_change else 60}"
    assert ("refresh" in answer["Link"]) is can_change


def test_the_tag_is_the_bodys_and_last_modified_goes_with_it() -> None:
    api = Api()
    job = api.job(jobDescription="one")
    Job.objects.update(updated_at=database_now() - timedelta(hours=1))
    first = api.get(f"{job}/progress")
    api.patch(job, {"jobDescription": "two"})  # another version of the job, the same progress
    same = api.get(f"{job}/progress")
    assert (same["ETag"], same["Last-Modified"]) == (first["ETag"], first["Last-Modified"])
    api.task(job)
    other = api.get(f"{job}/progress", if_none_match=first["ETag"])
    assert other.status_code == 200
    assert other["Last-Modified"] != first["Last-Modified"]
    assert api.get(f"{job}/progress", if_modified_since=other["Last-Modified"]).status_code == 200


def test_who_may_poll() -> None:
    path = f"{Api().job()}/progress"
    assert Api("stranger").get(path).status_code == 200
    problem(Api(None).get(path), 401, "unauthorized")
    problem(Api().get(f"jobs/{uuid.uuid4()}/progress"), 404, "not-found")


def test_a_lost_rendering_is_made_again() -> None:
    api = Api()
    path = f"{api.job()}/progress"
    first = api.get(path)
    JobProgress.objects.all().delete()
    assert (api.get(path).content, api.get(path)["ETag"]) == (first.content, first["ETag"])


_JOB_RANK = {
    "pending": 0,
    "working": 1,
    "cancelling": 2,
    "completed": 3,
    "failed": 3,
    "cancelled": 3,
    "revertFailed": 3,
}
_TASK_RANK = {
    "pending": 0, "working": 1, "completed": 2, "failed": 2, "cancelling": 3, "cancelled": 4, "reverting": 5,
    "reverted": 6, "revertFailed": 6,
}  # fmt: skip
_STATUSES = st.sampled_from([status.value for status in TaskStatus])
_WRITES = st.one_of(
    st.tuples(st.just("task"), st.integers(0, 2), _STATUSES),
    st.tuples(st.just("job"), st.just(0), st.sampled_from([status.value for status in JobStatus])),
    st.tuples(st.sampled_from(["cancel", "expire"]), st.just(0), st.just("")),
)


class PollerTest(TestCase):
    """Whatever services write, in whatever order and however often, a poller only ever sees progress."""

    @settings(max_examples=30)
    @given(st.lists(_WRITES, max_size=12))
    def test_a_poller_never_sees_anything_go_backwards(self, writes: list[tuple[str, int, str]]) -> None:
        api, tasks = Api(), [uuid.uuid4() for _ in range(3)]
        job = api.job()
        seen: dict[str, int] = {}
        tag = '""'
        for kind, number, status in writes:
            self._write(api, job, kind, tasks[number], status)
            answer = api.get(f"{job}/progress", if_none_match=tag)
            assert answer.status_code in {200, 304}
            if answer.status_code == 200:
                assert answer["ETag"] != tag
                tag = answer["ETag"]
                self._compare(seen, answer.json())

    def _write(self, api: Api, job: str, kind: str, task_id: uuid.UUID, status: str) -> None:
        if kind == "task":
            api.put(f"{job}/tasks/{task_id}", {"taskName": "x", "taskStatus": status, "taskCancelURL": "http://x/"})
        elif kind == "job":
            api.patch(job, {"jobStatus": status})
        elif kind == "cancel":
            api.put(f"{job}/cancellation")
        else:
            expire_due(database_now() + timedelta(hours=1))

    def _compare(self, seen: dict[str, int], body: dict[str, Any]) -> None:
        ranks = {task["taskID"]: _TASK_RANK[task["taskStatus"]] for task in body["tasks"]}
        ranks["job"] = _JOB_RANK[body["jobStatus"]]
        assert seen.keys() <= ranks.keys()
        assert all(ranks[name] >= rank for name, rank in seen.items()), (seen, ranks)
        seen.update(ranks)
