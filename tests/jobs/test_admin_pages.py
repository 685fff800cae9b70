"""The operator UI's lists and pages: they answer, they cost a fixed number of queries, they find what is looked for."""

import re
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import pytest
from django.contrib import admin
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from pytest_django import Settings

from jobs.admin.job_list import id_range
from jobs.models import Job
from jobs.services.accounts import issue_token
from tests.jobs.admin_scene import operator, stuck_job, viewer, working_job
from tests.jobs.scenario import Story

pytestmark = pytest.mark.django_db

LISTS = sorted(
    f"{model._meta.app_label}_{model._meta.model_name}"
    for model in admin.site._registry
    if model._meta.app_label in {"jobs", "escalation", "auth"}
)


@pytest.fixture(autouse=True)
def _open_vocabulary(settings: Settings) -> None:
    settings.CHOREO_VOCABULARY = "open"


def text_of(client: Client, url: str) -> str:
    answer = client.get(url)
    assert answer.status_code == 200, url
    return answer.content.decode()


def queries(read: Callable[[], object]) -> int:
    with CaptureQueriesContext(connection) as captured:
        read()
    return len(captured)


@pytest.mark.parametrize("rows", [0, 1, 60])
@pytest.mark.parametrize("name", LISTS)
def test_every_list_answers_however_many_rows_there_are(name: str, rows: int) -> None:
    client = operator()
    if rows == 1:
        stuck_job()
    for number in range(rows if rows > 1 and name in {"jobs_job", "jobs_task", "jobs_jobevent"} else 0):
        working_job(f"job {number}", tasks=1)
    text_of(client, reverse(f"admin:{name}_changelist"))


def test_the_dashboard_says_how_to_begin_and_then_what_is_going_on() -> None:
    client = operator()
    empty = text_of(client, reverse("admin:index"))
    assert "manage.py issue_token" in empty
    assert "curl -X PUT" in empty
    working_job("first of all")
    full = text_of(client, reverse("admin:index"))
    assert "first of all" in full
    assert "curl -X PUT" not in full


def test_the_dashboard_counts_no_further_than_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("choreo_web.navigation.COUNT_UP_TO", 2)
    client = operator()
    for number in range(4):
        working_job(f"job {number}", tasks=0)
    assert '<span class="ch-number">2+</span>' in text_of(client, reverse("admin:index"))


def test_the_jobs_list_costs_as_many_queries_for_fifty_jobs_as_for_one() -> None:
    client, url = operator(), reverse("admin:jobs_job_changelist")
    working_job()
    client.get(url)  # warms what is cached for the process
    one = queries(lambda: client.get(url))
    for number in range(50):
        working_job(f"job {number}")
    assert queries(lambda: client.get(url)) == one
    assert one <= 9


def test_no_list_of_what_machines_write_counts_its_rows() -> None:
    client = operator()
    working_job()
    for name in ("jobs_job", "jobs_task", "jobs_jobevent", "jobs_errorreport", "jobs_call", "escalation_notification"):
        with CaptureQueriesContext(connection) as captured:
            client.get(reverse(f"admin:{name}_changelist"))
        assert not [query["sql"] for query in captured.captured_queries if "COUNT(" in query["sql"].upper()], name


def test_the_job_page_costs_as_many_queries_for_a_big_job_as_for_a_small_one() -> None:
    client = operator()
    small, big = working_job(tasks=1), working_job(tasks=30)

    def read(story: Story) -> int:
        return queries(lambda: client.get(reverse("admin:jobs_job_change", args=[story.job_id])))

    read(small)
    assert read(small) == read(big)
    assert read(big) <= 16


def test_the_job_page_has_the_sections_that_links_point_at_and_escapes_what_services_wrote() -> None:
    page = text_of(operator(), reverse("admin:jobs_job_change", args=[stuck_job().job_id]))
    for anchor in ("progress", "tasks", "state", "reports", "undo", "incidents", "history"):
        assert f'id="{anchor}"' in page
    for words in ("Not undone:", "revert failed", "Ledger is read-only", "1 min", "does not fit in", "over max TTL"):
        assert words in page
    assert "<script>alert(1)</script>" not in page
    assert "&lt;script&gt;alert(1)" in page


@pytest.mark.parametrize("scene", [lambda: working_job(tasks=0), lambda: Story(), stuck_job])
def test_the_job_page_answers_whatever_there_is_of_the_job(scene: Callable[[], Story]) -> None:
    story = scene()
    if not Job.objects.filter(pk=story.job_id).exists():
        story.put_job(status="pending")
    text_of(operator(), reverse("admin:jobs_job_change", args=[story.job_id]))


def test_the_live_fragment_is_the_page_without_its_frame_and_says_whether_to_go_on() -> None:
    client = operator()
    running = text_of(client, reverse("admin:jobs_job_live", args=[working_job().job_id]))
    assert "<html" not in running
    assert 'data-live="1"' in running
    assert 'data-live="0"' in text_of(client, reverse("admin:jobs_job_live", args=[stuck_job().job_id]))
    assert client.get("/admin/jobs/job/00000000-0000-4000-8000-000000000000/live/").status_code == 404


def test_a_job_is_found_by_its_id_half_of_it_its_name_its_owner_and_a_service_that_takes_part() -> None:
    client, story = operator(), stuck_job()
    for number in range(3):
        Story().put_job(by="other", name=f"noise {number}")
    identifier = str(story.job_id)
    for term in (identifier, identifier[:8], identifier.upper()[:13], "checkou", "CART", "pay"):
        page = text_of(client, f"{reverse('admin:jobs_job_changelist')}?q={term}")
        assert re.findall(r"/admin/jobs/job/([0-9a-f-]{36})/change/", page) == [identifier], term
    assert "No results found" in text_of(client, f"{reverse('admin:jobs_job_changelist')}?q=nowhere")


@pytest.mark.parametrize("term", ["", "abc", "xyzw", "0" * 33, "check", "--------"])
def test_what_begins_no_id_is_not_searched_as_one(term: str) -> None:
    assert id_range(term) is None


def test_the_beginning_of_an_id_is_a_range_of_ids() -> None:
    low, high = UUID("7f3a91c2-0000-0000-0000-000000000000"), UUID("7f3a91c2-ffff-ffff-ffff-ffffffffffff")
    assert id_range("7F3A91C2") == id_range("7f3a91c2-") == (low, high)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("status__exact=working", 1),
        ("status__exact=completed", 0),
        ("name=checkout", 1),
        ("name=check", 0),
        ("created=hour", 1),
        ("created=nonsense", 1),
        ("day=1999-01-01", 0),
        ("day=nonsense", 0),
        ("late=yes", 0),
    ],
)
def test_the_filters_narrow_the_list(query: str, found: int) -> None:
    working_job()
    page = text_of(operator(), f"{reverse('admin:jobs_job_changelist')}?{query}")
    assert len(re.findall(r"/admin/jobs/job/[0-9a-f-]{36}/change/", page)) == found


def test_a_late_job_says_so_in_the_list() -> None:
    story = working_job()
    Job.objects.filter(pk=story.job_id).update(deadline_at=story.now - timedelta(hours=1))
    client, url = operator(), reverse("admin:jobs_job_changelist")
    assert '<b class="ch-late">late</b>' in text_of(client, f"{url}?late=yes")


def test_rows_of_a_job_lead_to_their_place_on_its_page() -> None:
    client, story = operator(), stuck_job()
    task = story.task("pay")
    answer = client.get(reverse("admin:jobs_task_change", args=[task.pk]))
    assert answer.headers["Location"].endswith(f"/admin/jobs/job/{story.job_id}/change/#task-{task.task_id}")


def test_a_viewer_sees_every_page_and_no_button() -> None:
    client, story = viewer(), working_job()
    issue_token("cart")
    for name in LISTS:
        text_of(client, reverse(f"admin:{name}_changelist"))
    assert "Cancel and revert" not in text_of(client, reverse("admin:jobs_job_change", args=[story.job_id]))
    service = text_of(client, reverse("admin:jobs_service_change", args=[Job.objects.get().owner_id]))
    assert "Issue token" not in service
    assert "Revoke" not in service


def test_staff_without_any_permission_see_nothing_of_the_jobs(client: Client, django_user_model: type) -> None:
    story = working_job("a secret name")
    client.force_login(django_user_model.objects.create_user("nobody", password="x", is_staff=True))  # type: ignore[attr-defined]  # the user model's manager
    assert "a secret name" not in text_of(client, reverse("admin:index"))
    for url in ("admin:jobs_job_change", "admin:jobs_job_live"):
        assert client.get(reverse(url, args=[story.job_id])).status_code == 403
