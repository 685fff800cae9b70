"""What can be done in the operator UI: never by GET, never without permission, and machine-written rows not at all."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.core import serializers
from django.db.models import Model
from django.test import Client
from django.urls import reverse
from pytest_django import Settings
from unfold.admin import ModelAdmin

from escalation.models import Contact, Incident, Notification, Policy
from escalation.services.sweeps import sweep_incidents
from jobs.admin.base import ChoreoAdmin, ReadOnlyAdmin
from jobs.models import Call, Job, JobEvent, Service, ServiceToken, Task, VocabularyTerm
from jobs.services.accounts import authenticate, issue_token, rotate_webhook_secret
from jobs.services.clock import database_now
from tests.escalation.helpers import contact, policy
from tests.jobs.admin_scene import operator, queued_job, stuck_job, viewer, working_job
from tests.jobs.scenario import Story

pytestmark = pytest.mark.django_db

SUBMITTED = {"_form_submitted": "on"}
GIVEN = {"mark_undone": {"note": "Refunded by phone."}}
"""What a dialog asks for, where it asks for anything."""
BULK: dict[type[Model], list[str]] = {Call: ["replay_selected"]}
"""The actions on several rows at once, each of which asks again before it acts (see `test_admin_queue`)."""


@dataclass(frozen=True)
class Act:
    """One action of one screen."""

    model: type[Model]
    name: str

    def url(self, row: Model) -> str:
        """Where it is asked for."""
        return reverse(f"admin:{self.model._meta.app_label}_{self.model._meta.model_name}_{self.name}", args=[row.pk])

    def __str__(self) -> str:
        return f"{self.model._meta.model_name}.{self.name}"


def ours() -> Iterator[tuple[type[Model], ChoreoAdmin[Model]]]:
    for model, screen in admin.site._registry.items():
        if model._meta.app_label in {"jobs", "escalation"}:
            assert isinstance(screen, ChoreoAdmin)
            yield model, screen


ACTS = [Act(model, name) for model, screen in ours() for name in screen.actions_detail]
READ_ONLY = sorted((m for m, screen in ours() if isinstance(screen, ReadOnlyAdmin)), key=lambda m: m.__name__)


@pytest.fixture
def scene(settings: Settings) -> Story:
    """One of everything that can be acted upon: a working job, a stuck one with its incident, a service, a token."""
    settings.CHOREO_VOCABULARY = "open"
    issue_token("cart")
    policy((0, [contact("Ann", phone="+15550100123")]))
    stuck_job()
    sweep_incidents(database_now())
    queued_job()
    rotate_webhook_secret(Service.objects.get(name="charge"), database_now())
    return working_job()


def row_for(act: Act, scene: Story) -> Model:
    if act.model is Job:
        status = "working" if act.name == "cancel_and_revert" else "revertFailed"
        return Job.objects.get(status=status)
    if act.model is Service:
        return Service.objects.get(name="charge")
    if act.model is Call:
        return Call.objects.get(status="queued")
    if act.model is Task:
        return Task.objects.get(status="revertFailed")
    row = act.model._default_manager.first()
    assert row is not None
    return row


def everything() -> str:
    """All that an action could change, as text."""
    models = (Job, JobEvent, Task, Call, Service, ServiceToken, VocabularyTerm, Incident, Notification, Contact, Policy)
    return "".join(serializers.serialize("json", model._default_manager.order_by("pk")) for model in models)


def test_there_are_actions_to_walk() -> None:
    assert {str(act) for act in ACTS} == {
        "job.cancel_and_revert",
        "job.retry_reverts",
        "task.mark_undone",
        "call.replay_now",
        "service.issue_token",
        "service.replay_queue",
        "service.revoke_previous_secret",
        "service.rotate_secret",
        "servicetoken.revoke",
        "incident.acknowledge",
        "incident.resolve",
    }


def test_every_action_anywhere_needs_a_permission_and_a_dialog() -> None:
    for model, screen in admin.site._registry.items():
        assert isinstance(screen, ModelAdmin), model
        assert list(screen.actions or []) == BULK.get(model, []), f"{model} has bulk actions"
        for name in screen.actions or []:
            assert getattr(screen, name).allowed_permissions == ["operate"], f"{model}.{name}"
        for elsewhere in (screen.actions_list, screen.actions_row, screen.actions_submit_line):
            assert not elsewhere, model
        for name in screen.actions_detail:
            method = getattr(screen, name)
            assert list(method.allowed_permissions) == ["operate"], f"{model}.{name}"
            assert method.dialog["title"], f"{model}.{name}"
    for _, ours_ in ours():
        assert not ours_.actions_detail or ours_.OPERATE


@pytest.mark.parametrize("act", ACTS, ids=str)
def test_no_action_runs_on_get_and_none_without_its_form(act: Act, scene: Story) -> None:
    client, url, before = operator(), act.url(row_for(act, scene)), everything()
    assert b'id="dialog"' in client.get(url).content
    assert b'id="dialog"' in client.get(url, SUBMITTED).content
    assert b'id="dialog"' in client.post(url, {}).content
    assert client.head(url).status_code == 200
    assert everything() == before


@pytest.mark.parametrize("act", ACTS, ids=str)
def test_an_action_does_something_once_it_is_submitted(act: Act, scene: Story) -> None:
    client, url, before = operator(), act.url(row_for(act, scene)), everything()
    assert client.post(url, SUBMITTED | GIVEN.get(act.name, {})).status_code in {200, 302}
    assert everything() != before


@pytest.mark.parametrize("act", ACTS, ids=str)
def test_who_may_only_see_may_not_act(act: Act, scene: Story) -> None:
    client, url, before = viewer(), act.url(row_for(act, scene)), everything()
    assert client.get(url).status_code == 403
    assert client.post(url, SUBMITTED | GIVEN.get(act.name, {})).status_code == 403
    assert everything() == before


@pytest.mark.parametrize("act", ACTS, ids=str)
def test_no_action_runs_from_another_site(act: Act, scene: Story) -> None:
    operator()
    client, before = Client(enforce_csrf_checks=True), everything()
    client.force_login(User.objects.get())
    assert client.post(act.url(row_for(act, scene)), SUBMITTED | GIVEN.get(act.name, {})).status_code == 403
    assert everything() == before


@pytest.mark.parametrize("model", READ_ONLY, ids=lambda model: model.__name__)
def test_what_machines_write_nobody_adds_changes_or_deletes_here(model: type[Model], scene: Story) -> None:
    client, before = operator(), everything()
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
    row = model._default_manager.first()
    assert client.get(reverse(f"{name}_add")).status_code == 403
    assert client.post(reverse(f"{name}_add"), {}).status_code == 403
    if row is not None:
        assert client.post(reverse(f"{name}_delete", args=[row.pk]), {"post": "yes"}).status_code == 403
        client.post(reverse(f"{name}_change", args=[row.pk]), {"name": "other", "status": "completed"})
    client.post(reverse(f"{name}_changelist"), {"action": "delete_selected", "_selected_action": ["1"]})
    assert everything() == before


def test_the_cancel_dialog_says_what_will_be_called_and_the_cancel_calls_it(scene: Story) -> None:
    client, url = operator(), reverse("admin:jobs_job_cancel_and_revert", args=[scene.job_id])
    dialog = client.get(url).content.decode()
    for name in ("step-0.example", "step-2.example", "last.example"):
        assert name in dialog
    assert dialog.index("last.example") < dialog.index("step-0.example")
    client.post(url, SUBMITTED)
    assert (scene.job.status, scene.due()) == ("cancelling", [("cancel", "last")])
    assert JobEvent.objects.filter(job=scene.job, kind="job.status", actor="operator").exists()


def test_a_cancel_that_comes_too_late_is_told_and_changes_nothing(scene: Story) -> None:
    client, url = operator(), reverse("admin:jobs_job_cancel_and_revert", args=[scene.job_id])
    scene.patch_job(status="completed")
    answer = client.post(url, SUBMITTED, follow=True)
    assert "cannot become cancelling" in answer.content.decode()
    assert scene.job.status == "completed"


def test_a_dialog_answers_htmx_with_where_to_go(scene: Story) -> None:
    url = reverse("admin:jobs_job_cancel_and_revert", args=[scene.job_id])
    answer = operator().post(url, SUBMITTED, headers={"HX-Request": "true"})
    assert answer.headers["HX-Redirect"] == reverse("admin:jobs_job_change", args=[scene.job_id])


def test_a_token_is_shown_once_and_works_until_it_is_revoked(scene: Story) -> None:
    client, cart = operator(), Service.objects.get(name="cart")
    answer = client.post(reverse("admin:jobs_service_issue_token", args=[cart.pk]), SUBMITTED | {"vocabulary": "on"})
    page = answer.content.decode()
    token = page.split('data-copy="')[1].split('"')[0]
    assert "no-store" in answer.headers["Cache-Control"]
    made = authenticate(token, database_now())
    assert made is not None
    assert made.scopes == ["vocabulary"]
    after = client.get(reverse("admin:jobs_service_change", args=[cart.pk])).content.decode()
    assert token not in after
    assert made.prefix in after
    client.post(reverse("admin:jobs_servicetoken_revoke", args=[made.pk]), SUBMITTED)
    assert authenticate(token, database_now()) is None


def test_a_rotated_webhook_secret_is_shown_once(scene: Story) -> None:
    client, cart = operator(), Service.objects.get(name="cart")
    page = client.post(reverse("admin:jobs_service_rotate_secret", args=[cart.pk]), SUBMITTED).content.decode()
    new = Service.objects.get(pk=cart.pk).webhook_secret
    assert new != cart.webhook_secret
    assert new.replace("+", "&#x2B;") in page or new in page
    assert "The old one signs every call too until" in page
    assert "whsec_" not in client.get(reverse("admin:jobs_service_change", args=[cart.pk])).content.decode()


def test_a_service_that_is_added_gets_its_secret_and_keeps_its_name() -> None:
    client = operator()
    client.post(reverse("admin:jobs_service_add"), {"name": "tax", "description": "VAT", "fallback_url": ""})
    made = Service.objects.get(name="tax")
    assert made.webhook_secret.startswith("whsec_")
    url = reverse("admin:jobs_service_change", args=[made.pk])
    client.post(url, {"name": "other", "description": "Sales tax", "fallback_url": "https://tax.example/"})
    changed = Service.objects.get(pk=made.pk)
    assert (changed.name, changed.description, changed.webhook_secret) == ("tax", "Sales tax", made.webhook_secret)


def test_a_term_is_refused_for_the_reasons_of_the_vocabulary_and_counts_its_versions() -> None:
    client, url = operator(), reverse("admin:jobs_vocabularyterm_add")
    refused = client.post(url, {"property": "percentIncrease", "schema": "{}"})
    assert "relative change" in refused.content.decode()
    client.post(url, {"property": "updatedPrice", "schema": '{"type": "bogus"}'})
    assert not VocabularyTerm.objects.exists()
    client.post(url, {"property": "updatedPrice", "schema": '{"type": "string"}'})
    term = VocabularyTerm.objects.get()
    change = reverse("admin:jobs_vocabularyterm_change", args=[term.pk])
    client.post(change, {"title": "Price", "schema": '{"type": "string"}'})
    assert VocabularyTerm.objects.values_list("property", "title", "version").get() == ("updatedPrice", "Price", 2)


def test_an_incident_is_acknowledged_and_resolved_in_the_name_of_who_did_it(scene: Story) -> None:
    client, incident = operator(), Incident.objects.get()
    for name, status in (("acknowledge", "acknowledged"), ("resolve", "resolved")):
        client.post(reverse(f"admin:escalation_incident_{name}", args=[incident.pk]), SUBMITTED)
        incident.refresh_from_db()
        assert incident.status == status
    assert (incident.acknowledged_by, incident.resolved_by) == ("operator", "operator")


def test_the_job_screens_tell_of_the_incident_only_to_who_may_see_it(scene: Story) -> None:
    incident = Incident.objects.get()
    url = reverse("admin:jobs_job_change", args=[incident.job_id])
    client, without = operator(), viewer()
    assert incident.summary in client.get(url).content.decode()
    assert "calls for help" in client.get(reverse("admin:jobs_job_changelist")).content.decode()
    User.objects.get(username="viewer").user_permissions.remove(Permission.objects.get(codename="view_incident"))
    page = without.get(url).content.decode()
    assert incident.summary not in page
    assert 'id="incidents"' not in page


def test_a_notification_shows_the_message_but_not_the_key_in_its_ack_link(scene: Story) -> None:
    client = operator()
    for notification in Notification.objects.all():
        page = client.get(reverse("admin:escalation_notification_change", args=[notification.pk])).content.decode()
        assert "/ack/…" in page
        key = notification.text.split("/ack/")[1].split()[0]
        assert key not in page
        assert ('sandbox=""' in page) == bool(notification.html)
        assert ("of 160 characters" in page) == (notification.channel == "sms")


def test_a_contact_without_an_address_is_refused_and_the_default_policy_stays() -> None:
    client = operator()
    refused = client.post(reverse("admin:escalation_contact_add"), {"name": "Ann", "time_zone": "UTC"})
    assert "nobody can be called" in refused.content.decode()
    default = policy((0, [contact("Ann")]))
    assert client.post(reverse("admin:escalation_policy_delete", args=[default.pk]), {"post": "yes"}).status_code == 403
    assert Policy.objects.filter(is_default=True).exists()


@pytest.mark.parametrize("bad", ["nonsense", "00000000-0000-4000-8000-000000000000", "12"])
def test_an_action_on_what_is_not_there_is_404(bad: str) -> None:
    client = operator()
    for act in ACTS:
        name = f"admin:{act.model._meta.app_label}_{act.model._meta.model_name}_{act.name}"
        assert client.post(reverse(name, args=[bad]), SUBMITTED | GIVEN.get(act.name, {})).status_code == 404, name
