"""The operator UI in a real browser: it works, it can be used by everybody, and it talks to no other host."""

import re
from typing import TYPE_CHECKING

import pytest
from django.urls import reverse
from playwright.sync_api import expect
from pytest_django import Settings

from escalation.models import Incident, Notification
from escalation.services.sweeps import sweep_incidents
from jobs.models import JobEvent, Service, VocabularyTerm
from jobs.services.accounts import issue_token
from jobs.services.clock import database_now
from tests.escalation.helpers import contact, policy
from tests.jobs.admin_scene import queued_job, stuck_job, working_job

if TYPE_CHECKING:
    from tests.browser.conftest import Visitor

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def _open_vocabulary(settings: Settings) -> None:
    settings.CHOREO_VOCABULARY = "open"


def test_an_operator_finds_a_job_by_half_its_id_and_cancels_it(visitor: "Visitor") -> None:
    story, page = working_job(), visitor.page
    working_job("another")
    visitor.open(reverse("admin:jobs_job_changelist"))
    page.fill("#searchbar", str(story.job_id)[:8])
    page.press("#searchbar", "Enter")
    page.wait_for_url("**/?q=*")
    assert page.locator("#result_list tbody").count() == 1
    page.click("#result_list a >> text=checkout")
    page.click("text=Cancel and revert…")
    expect(page.locator("#dialog")).to_contain_text("last.example")
    page.click("#dialog >> text=Leave it as it is")
    expect(page.locator("#dialog")).to_be_hidden()
    assert story.job.status == "working"
    page.click("text=Cancel and revert…")
    page.click("#dialog button[type=submit]")
    expect(page.locator("#job-head .ch-chip")).to_have_text("cancelling")
    assert story.job.status == "cancelling"


def test_the_job_page_keeps_up_with_the_job_keeps_what_was_unfolded_and_says_when_it_is_stale(
    visitor: "Visitor",
) -> None:
    story, page = working_job(), visitor.page
    visitor.open(reverse("admin:jobs_job_change", args=[story.job_id]))
    expect(page.locator(".ch-live")).to_have_text("live")
    story.put_task("newcomer", cause="last", message="just arrived")
    expect(page.locator("#tasks")).to_contain_text("just arrived", timeout=8000)
    page.route("**/live/", lambda route: route.abort())
    expect(page.locator(".ch-live")).to_contain_text("stale since", timeout=8000)
    visitor.faults[:] = [fault for fault in visitor.faults if "ERR_FAILED" not in fault]
    page.unroute("**/live/")
    expect(page.locator(".ch-live")).to_have_text("live", timeout=12000)
    story.patch_job(status="completed")
    expect(page.locator("#job-head .ch-chip")).to_have_text("completed", timeout=8000)
    expect(page.locator(".ch-live")).to_have_text("at rest")


def test_a_token_is_issued_in_a_dialog_and_gone_after_it(visitor: "Visitor") -> None:
    issue_token("cart")
    cart, page = Service.objects.get(), visitor.page
    visitor.open(reverse("admin:jobs_service_change", args=[cart.pk]))
    if page.viewport_size and page.viewport_size["width"] < 1024:
        page.locator("a", has_text="more_horiz").first.click()
    page.click("text=Issue token…")
    page.click("#dialog button[type=submit]")
    expect(page.locator(".ch-secret code")).to_have_text(re.compile(r"^choreo_[\w-]{43}$"))
    page.click("text=I have kept it")
    expect(page.locator("#tokens tbody tr")).to_have_count(2)
    expect(page.locator(".ch-secret")).to_have_count(0)


def test_what_waits_is_replayed_and_what_was_undone_by_hand_is_marked(visitor: "Visitor") -> None:
    story, page = queued_job(), visitor.page
    visitor.open(reverse("admin:jobs_job_change", args=[story.job_id]))
    page.click("#undo >> text=Replay now…")
    expect(page.locator("#dialog")).to_contain_text("503 Busy now")
    assert visitor.violations("#dialog") == []
    page.click("#dialog button[type=submit]")
    expect(page.locator("#history")).to_contain_text("An operator had the revert of task charge made")
    page.click("#undo >> text=Mark as undone by hand…")
    page.click("#dialog button[type=submit]")
    expect(page.locator("#dialog")).to_contain_text("required")
    assert visitor.violations("#dialog") == []
    page.fill("#dialog textarea", "Refunded by phone")
    page.click("#dialog button[type=submit]")
    expect(page.locator("#history")).to_contain_text("reverted by hand: Refunded by phone")
    assert story.statuses() == {"reserve": "reverting", "charge": "reverted"}


def test_the_selected_calls_of_the_replay_queue_are_replayed_after_a_question(visitor: "Visitor") -> None:
    stories, page = [queued_job(), queued_job()], visitor.page
    visitor.open(f"{reverse('admin:jobs_call_changelist')}?status__exact=queued")
    page.locator("#action-toggle").check()
    page.select_option("select[name=action]", "replay_selected")
    page.click("button[name=index]")
    expect(page.locator("h2 >> text=Make 2 calls now?")).to_be_visible()
    assert visitor.violations() == []
    page.click("button >> text=Replay now")
    expect(page.locator("body")).to_contain_text("2 calls made now.")
    assert JobEvent.objects.filter(kind="operator.action").count() == len(stories)


def test_every_kind_of_page_can_be_used_by_everybody(visitor: "Visitor") -> None:
    visitor.open(reverse("admin:index"))
    assert visitor.violations() == []  # the empty dashboard
    policy((0, [contact("Ann", phone="+15550100123")]))
    stuck, running, queued = stuck_job(), working_job(), queued_job()
    sweep_incidents(database_now())
    VocabularyTerm.objects.create(property="price")
    pages = [
        reverse("admin:index"),
        reverse("admin:jobs_job_changelist"),
        reverse("admin:jobs_job_change", args=[stuck.job_id]),
        reverse("admin:jobs_job_change", args=[running.job_id]),
        reverse("admin:jobs_job_change", args=[queued.job_id]),
        f"{reverse('admin:jobs_call_changelist')}?status__exact=queued",
        reverse("admin:jobs_service_change", args=[Service.objects.get(name="charge").pk]),
        reverse("admin:jobs_service_change", args=[Service.objects.order_by("pk").values_list("pk", flat=True)[0]]),
        *(reverse("admin:escalation_incident_change", args=[row.pk]) for row in Incident.objects.all()),
        *(reverse("admin:escalation_notification_change", args=[row.pk]) for row in Notification.objects.all()),
    ]
    found = {path: _violations(visitor, path) for path in pages}
    assert {path: faults for path, faults in found.items() if faults} == {}


@pytest.mark.parametrize("name", ["job", "task", "call", "jobevent", "errorreport", "service", "vocabularyterm"])
def test_every_list_can_be_used_by_everybody(visitor: "Visitor", name: str) -> None:
    stuck_job()
    assert _violations(visitor, reverse(f"admin:jobs_{name}_changelist")) == []


def test_no_page_is_wider_than_a_phone(visitor: "Visitor") -> None:
    stories = [stuck_job(), queued_job()]
    pages = [reverse("admin:jobs_job_change", args=[story.job_id]) for story in stories]
    pages.append(reverse("admin:jobs_service_change", args=[Service.objects.get(name="charge").pk]))
    for path in (reverse("admin:index"), *pages):
        visitor.open(path)
        wide = visitor.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, path


def _violations(visitor: "Visitor", path: str) -> list[str]:
    visitor.open(path)
    return visitor.violations()
