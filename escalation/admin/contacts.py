"""Who is called, and in which order."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import TabularInline

from escalation.models import Contact, Policy, PolicyStep
from jobs.admin.base import ChoreoAdmin


class ContactForm(forms.ModelForm):  # type: ignore[type-arg]  # Django's class takes none when it runs
    """A contact that can be reached."""

    class Meta:
        model = Contact
        fields = ["name", "email", "phone", "time_zone"]

    def clean(self) -> dict[str, Any]:
        """One way to reach them at least."""
        values: dict[str, Any] = super().clean() or self.cleaned_data
        if not self.errors and not values.get("email") and not values.get("phone"):
            raise ValidationError("Give an email address or a phone number: with neither, nobody can be called.")
        return values


@admin.register(Contact)
class ContactAdmin(ChoreoAdmin[Contact]):
    """People to call."""

    OPERATE: ClassVar[str] = "escalation.change_contact"
    form = ContactForm
    list_display = ["name", "email", "phone", "time_zone", "in_policies"]
    search_fields = ["name", "email", "phone"]
    search_help_text = "Name, email address or phone"
    fields = ["name", "email", "phone", "time_zone"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Contact]:
        """With the policies that name them."""
        queryset: QuerySet[Contact] = super().get_queryset(request)
        return queryset.prefetch_related("policy_steps__policy")

    @admin.display(description="Called by")
    def in_policies(self, contact: Contact) -> str:
        """The policies that call them."""
        names = sorted({step.policy.name for step in contact.policy_steps.all()})
        return ", ".join(names) or "no policy"


class StepInline(TabularInline):
    """The steps of a policy, in order."""

    model = PolicyStep
    fields = ["position", "wait_minutes", "contacts"]
    autocomplete_fields = ["contacts"]
    extra = 0
    min_num = 1


@admin.register(Policy)
class PolicyAdmin(ChoreoAdmin[Policy]):
    """Policies. An incident keeps the policy as it stood when it opened, so an edit bends no running escalation."""

    OPERATE: ClassVar[str] = "escalation.change_policy"
    list_display = ["name", "is_default", "steps_in_words", "repeats"]
    fields = ["name", "is_default", "repeats", "repeat_minutes"]
    inlines = [StepInline]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Policy]:
        """With their steps."""
        queryset: QuerySet[Policy] = super().get_queryset(request)
        return queryset.prefetch_related("steps__contacts")

    def get_readonly_fields(self, request: HttpRequest, obj: Policy | None = None) -> list[str]:
        """There is always exactly one default; it stays it."""
        return ["is_default"]

    def has_delete_permission(self, request: HttpRequest, obj: Policy | None = None) -> bool:
        """Not the default policy: somebody always has to be called."""
        return not (obj and obj.is_default) and super().has_delete_permission(request, obj)

    @admin.display(description="Steps")
    def steps_in_words(self, policy: Policy) -> str:
        """Who, and when."""
        steps = [
            f"{'at once' if not number else f'+{step.wait_minutes} min'}: "
            + (", ".join(contact.name for contact in step.contacts.all()) or "nobody")
            for number, step in enumerate(policy.steps.all())
        ]
        return "; ".join(steps) or "nobody is called"
