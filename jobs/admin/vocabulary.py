"""The shared vocabulary: the terms that shared state may use."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest

from jobs.admin.base import ChoreoAdmin
from jobs.domain.errors import Invalid
from jobs.domain.preconditions import NO_PRECONDITION
from jobs.domain.vocabulary import check_term
from jobs.models import VocabularyTerm
from jobs.services.vocabulary import write_term

_WRITTEN = ("title", "description", "schema", "absolute_by_definition", "searchable")


class TermForm(forms.ModelForm):  # type: ignore[type-arg]  # Django's class takes none when it runs
    """A term, refused here for the same reasons as in the API."""

    class Meta:
        model = VocabularyTerm
        fields = ["property", *_WRITTEN]
        help_texts = {
            "property": "As it is written in shared state, such as updatedPrice. A value, never a change of one.",
            "schema": 'JSON Schema 2020-12 that every value has to fit, such as {"type": "number"}.',
            "absolute_by_definition": "For a name that reads like a change and is none; the description says why.",
        }

    def clean(self) -> dict[str, Any]:
        """Ask the rules of the vocabulary."""
        values: dict[str, Any] = super().clean() or self.cleaned_data
        name = values.get("property") or self.instance.property
        if not self.errors and name:
            absolute = bool(values.get("absolute_by_definition"))
            schema = {} if values.get("schema") is None else values["schema"]
            try:
                check_term(name, values.get("description", ""), schema, absolute_by_definition=absolute)
            except Invalid as refusal:
                raise ValidationError([refusal.detail, *(fault.detail for fault in refusal.errors)]) from refusal
        return values


@admin.register(VocabularyTerm)
class VocabularyTermAdmin(ChoreoAdmin[VocabularyTerm]):
    """Terms, edited by the rules that the API keeps."""

    OPERATE: ClassVar[str] = "jobs.change_vocabularyterm"
    form = TermForm
    list_display = ["property", "title", "kind", "searchable", "updated_at"]
    list_filter = ["searchable"]
    search_fields = ["property", "title", "description"]
    search_help_text = "Property, title or description"
    fields = ["property", *_WRITTEN]

    def get_readonly_fields(self, request: HttpRequest, obj: VocabularyTerm | None = None) -> list[str]:
        """A property's name is its identity."""
        return ["property"] if obj else []

    def save_model(self, request: HttpRequest, obj: Any, form: forms.Form, change: bool) -> None:
        """Through the service that the API uses, so that versions count on."""
        values = {name: getattr(obj, name) for name in _WRITTEN}
        obj.pk = write_term(obj.property, values, precondition=NO_PRECONDITION).row.pk

    @admin.display(description="Type")
    def kind(self, term: VocabularyTerm) -> str:
        """What its schema says that values are."""
        kind = term.schema.get("type", "any") if isinstance(term.schema, dict) else "any"
        return ", ".join(map(str, kind)) if isinstance(kind, list) else str(kind)
