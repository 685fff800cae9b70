"""The replay queue and what is undone by hand, on the screens: to be seen by all, acted upon by operators."""

from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from jobs.admin.history_words import sentence
from jobs.admin.service_page import COUNT_UP_TO
from jobs.domain.events import Cause, EventKind
from jobs.models import Call, JobEvent, Location, Service
from jobs.services import history
from jobs.services.by_hand import LONGEST_NOTE
from tests.jobs.admin_scene import operator, queued_job, stuck_job, viewer
from tests.jobs.scenario import Story

pytestmark = pytest.mark.django_db

SUBMITTED = {"_form_submitted": "on"}
LIST = "/admin/jobs/call/"


@pytest.fixture(autouse=True)
def _open_vocabulary(settings: Settings) -> None:
    settings.CHOREO_VOCABULARY = "open"


def text_of(client: Client, url: str) -> str:
    answer = client.get(url)
    assert answer.status_code == 200, url
    return answer.content.decode()


def job_page(story: Story) -> str:
    return reverse("admin:jobs_job_change", args=[story.job_id])


def service_page(name: str = "charge") -> str:
    return reverse("admin:jobs_service_change", args=[Service.objects.get(name=name).pk])


def the_call() -> Call:
    return Call.objects.get(status="queued")


def actions(story: Story) -> list[tuple[str, str]]:
    rows = JobEvent.objects.filter(job_id=story.job_id, kind="operator.action")
    return [(event.actor, sentence(event)) for event in rows]


def test_the_job_page_shows_what_waits_every_attempt_and_what_can_be_done() -> None:
    story = queued_job()
    page = text_of(operator(), job_page(story))
    for part in (
        "the revert of charge waits for charge to come back, replayed until",
        "in the replay queue since",
        "503 Busy now",
        'PUT <code title="https://charge.example:8443/a/very/long',
        ">charge.example:8443</code>",
        "503 Busy &lt;b&gt;now&lt;/b&gt;",
        "Replay now…",
        "Mark as undone by hand…",
        "Revert of task charge waits in the replay queue until",
    ):
        assert part in page, part
    assert page.count("Mark as undone by hand…") == 1  # not for the other task, which waits for its turn


def test_who_may_only_see_sees_the_queue_without_its_buttons() -> None:
    story = queued_job()
    client = viewer()
    for url in (job_page(story), service_page(), f"{LIST}?status__exact=queued"):
        page = text_of(client, url)
        assert "503 Busy now" in page
        assert "Replay now" not in page
        assert "Mark as undone by hand…" not in page


def test_a_queued_call_is_made_due_by_an_operator_and_the_history_tells() -> None:
    story, client = queued_job(), operator()
    url = reverse("admin:jobs_call_replay_now", args=[the_call().pk])
    assert "503 Busy now" in text_of(client, url)
    before = the_call().next_at
    answer = client.post(url, SUBMITTED)
    assert answer.headers["Location"] == f"{job_page(story)}#undo"
    assert the_call().next_at < before
    assert actions(story) == [("operator", "An operator had the revert of task charge made: replay now")]


def test_a_call_that_left_the_queue_meanwhile_is_told_and_left_alone() -> None:
    story, client = queued_job(), operator()
    call = the_call()
    Call.objects.update(status="pending")
    url = reverse("admin:jobs_call_replay_now", args=[call.pk])
    assert "does not wait in the queue any more" in text_of(client, url)
    assert "nothing was changed" in client.post(url, SUBMITTED, follow=True).content.decode()
    assert actions(story) == []


def test_selected_calls_are_replayed_only_after_a_second_question() -> None:
    stories, client = [queued_job(), queued_job()], operator()
    chosen = {"action": "replay_selected", "_selected_action": list(Call.objects.values_list("pk", flat=True))}
    before = set(Call.objects.values_list("next_at", flat=True))
    asked = client.post(LIST, chosen).content.decode()
    assert "Make 2 calls now?" in asked
    assert set(Call.objects.values_list("next_at", flat=True)) == before
    done = client.post(LIST, chosen | {"confirmed": "yes"}, follow=True).content.decode()
    assert "2 calls made now." in done
    assert [len(actions(story)) for story in stories] == [1, 1]


def test_selected_calls_are_not_replayed_by_who_may_only_see() -> None:
    story, client = queued_job(), viewer()
    chosen = {"action": "replay_selected", "_selected_action": [the_call().pk], "confirmed": "yes"}
    client.post(LIST, chosen)
    client.get(f"{LIST}?action=replay_selected&_selected_action={the_call().pk}&confirmed=yes")
    assert actions(story) == []


def test_selected_calls_of_which_none_waits_are_told_so() -> None:
    queued_job()
    Call.objects.update(status="pending")
    chosen = {"action": "replay_selected", "_selected_action": [Call.objects.get().pk]}
    assert "None of them waits" in operator().post(LIST, chosen, follow=True).content.decode()


@pytest.mark.parametrize(("since", "made"), [("", 2), ("later", 1), ("nonsense", 0), ("2999-01-01 00:00", 0)])
def test_all_that_waits_for_a_service_is_replayed_or_what_has_waited_since(since: str, made: int) -> None:
    old, new = queued_job(), queued_job()
    hours = timedelta(hours=3)
    Call.objects.filter(job_id=old.job_id).update(queued_at=new.now - hours)
    given = f"{new.now - timedelta(hours=1):%Y-%m-%d %H:%M}" if since == "later" else since
    url = reverse("admin:jobs_service_replay_queue", args=[Service.objects.get(name="charge").pk])
    client = operator()
    assert text_of(client, url).count("503 Busy now") == 2
    client.post(url, SUBMITTED | {"since": given})
    assert [len(actions(story)) for story in (old, new)] == [int(made == 2), int(made > 0)]


def test_the_service_page_tells_of_its_health_and_of_what_waits() -> None:
    story, client = queued_job(), operator()
    now = datetime.now(UTC)
    service = Service.objects.filter(name="charge")
    service.update(failing_since=now, leases_lost_at=now, probes_failed=3, probe_at=now)
    lease = {"lease_seconds": 30, "lease_expires_at": now - timedelta(minutes=1), "created_at": now, "updated_at": now}
    Location.objects.create(service=service.get(), url="https://spare.example/", **lease)
    page = text_of(client, service_page())
    for part in ("called one call at a time", "all ran out", "1 waiting, since", "after 3 in vain", "503 Busy now"):
        assert part in page, part
    assert f"{job_page(story)}#undo" in page
    assert "leases lost" in text_of(client, reverse("admin:jobs_service_changelist"))
    empty = text_of(client, service_page("reserve"))
    assert "Nothing waits for reserve" in empty
    assert "it does not use the registry" in empty


def test_a_long_queue_is_counted_no_further_than_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(3):
        queued_job()
    monkeypatch.setattr("jobs.admin.service_page.COUNT_UP_TO", 2)
    monkeypatch.setattr("jobs.admin.service_page.SHOWN", 1)
    page = text_of(operator(), service_page())
    assert "2+ waiting" in page
    assert "The 1 that have waited the longest" in page
    assert COUNT_UP_TO == 999


def test_the_sidebar_leads_to_the_queue_and_says_how_much_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    client = operator()
    assert "Replay queue" in text_of(client, "/admin/")
    for _ in range(3):
        queued_job()
    monkeypatch.setattr("choreo_web.navigation.BADGE_UP_TO", 2)
    page = text_of(client, "/admin/")
    assert "2+" in page
    assert "/admin/jobs/call/?status__exact=queued" in page


@pytest.mark.parametrize("note", ["", "  ", "x" * (LONGEST_NOTE + 1)])
def test_nothing_is_marked_as_undone_without_a_note_that_can_be_kept(note: str) -> None:
    story, client = stuck_job(), operator()
    url = reverse("admin:jobs_task_mark_undone", args=[story.task("pay").pk])
    assert 'id="dialog"' in client.post(url, SUBMITTED | {"note": note}).content.decode()
    assert story.task("pay").status == "revertFailed"


def test_a_task_is_marked_as_undone_in_the_name_of_who_did_it_with_the_note() -> None:
    story, client = stuck_job(), operator()
    url = reverse("admin:jobs_task_mark_undone", args=[story.task("pay").pk])
    assert "Choreo cannot check that" in text_of(client, url)
    page = client.post(url, SUBMITTED | {"note": "Refunded\r\nby phone <b>"}, follow=True).content.decode()
    assert (story.job.status, story.task("pay").status) == ("cancelled", "reverted")
    assert "Task pay went from revert failed to reverted by hand: Refunded by phone &lt;b&gt;" in page
    again = client.post(url, SUBMITTED | {"note": "again"}, follow=True).content.decode()
    assert "only one that could not be reverted" in again


def test_a_task_that_nobody_could_be_asked_to_undo_can_be_marked_as_well() -> None:
    story = Story(now=datetime.now(UTC))
    story.put_job(max_ttl=30)
    story.chain("pay", revert_url="")
    Call.objects.all().delete()
    story.patch_job(status="failed")
    page = text_of(operator(), job_page(story))
    assert "only a person can undo it" in page
    assert "Mark as undone by hand…" in page


@pytest.mark.parametrize("hosts", ["pay.example", "https://pay.example:443", "pay.example:0", "a b:1"])
def test_hosts_that_cannot_be_read_are_refused_in_the_form(hosts: str) -> None:
    queued_job()
    client, url = operator(), service_page()
    page = client.post(url, {"description": "", "allowed_hosts": f"good.example:443\n{hosts}"}).content.decode()
    assert "Line 2 cannot be used" in page
    assert Service.objects.get(name="charge").allowed_hosts == ""


def test_the_places_where_a_service_is_called_are_kept() -> None:
    queued_job()
    given = {"probe_url": "https://charge.example/health", "fallback_url": "https://spare.example/"}
    hosts = " charge.example:443 \r\n\r\n[fd00::1]:8080\r\n"
    operator().post(service_page(), given | {"description": "Cards", "allowed_hosts": hosts})
    service = Service.objects.get(name="charge")
    assert (service.probe_url, service.fallback_url) == (given["probe_url"], given["fallback_url"])
    assert service.allowed_hosts == "charge.example:443\n[fd00::1]:8080"


def test_the_history_tells_of_every_kind_of_entry_in_a_sentence() -> None:
    story = queued_job()
    for kind in EventKind:
        history.record(story.job, kind, actor="x", now=story.now, task=story.task("charge"))
    history.record(story.job, EventKind.CALL_QUEUED, actor="x", now=story.now, until="nonsense")
    rows = JobEvent.objects.filter(job_id=story.job_id).select_related("task")
    assert all(sentence(event)[0].isupper() for event in rows)
    lost = history.record(
        story.job, EventKind.SERVICE_LOST, actor="choreo", now=story.now, cause=Cause.LEASES_LOST, service="pay"
    )
    assert sentence(lost) == "All leases of the service pay have run out, with the job at work"
