"""Writing the shared vocabulary, term by term or as a whole document."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from django.db import transaction

from jobs.domain.errors import FieldError, Invalid
from jobs.domain.preconditions import NO_PRECONDITION, Precondition, etag
from jobs.domain.vocabulary import check_term
from jobs.models import VocabularyTerm
from jobs.services.access import Written

_DEFAULTS: dict[str, Any] = {
    "title": "",
    "description": "",
    "schema": {},
    "absolute_by_definition": False,
    "searchable": False,
}
_MEMBERS = {
    "title": "title",
    "description": "description",
    "schema": "schema",
    "absoluteByDefinition": "absolute_by_definition",
    "searchable": "searchable",
}


def write_term(property: str, values: Mapping[str, Any], *, precondition: Precondition) -> Written[VocabularyTerm]:
    """Create or replace a term; None, or no value, stands for a field's default.

    Raises Invalid, RelativeValue or PreconditionFailed.
    """
    wanted = {name: default if values.get(name) is None else values[name] for name, default in _DEFAULTS.items()}
    absolute = wanted["absolute_by_definition"]
    check_term(property, wanted["description"], wanted["schema"], absolute_by_definition=absolute)
    with transaction.atomic():
        old = VocabularyTerm.objects.select_for_update().filter(property=property).first()
        precondition.check(etag("v", old.version) if old else None)
        if old is not None and all(getattr(old, name) == value for name, value in wanted.items()):
            return Written(old, created=False)
        version = old.version + 1 if old else 1
        term, created = VocabularyTerm.objects.update_or_create(
            property=property, defaults={**wanted, "version": version}
        )
        return Written(term, created=created)


def load_terms(document: dict[str, Any]) -> int:
    """Load a whole vocabulary, all of it or nothing: ALPS JSON, or ours, `{"terms": [{"property", …}]}`.

    Returns the number of terms. Raises Invalid, with a pointer for each fault.
    """
    terms = list(alps_terms(document) if "alps" in document else _our_terms(document))
    with transaction.atomic():
        for pointer, name, values in terms:
            try:
                write_term(name, values, precondition=NO_PRECONDITION)
            except Invalid as error:
                raise type(error)(error.detail, errors=[FieldError(pointer, error.detail)]) from error
    return len(terms)


def _our_terms(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    terms = document.get("terms")
    if not isinstance(terms, list):
        raise Invalid("A vocabulary has either `terms` or `alps`.", errors=[FieldError("/terms", "A list of terms.")])
    for position, term in enumerate(terms):
        pointer = f"/terms/{position}"
        if not isinstance(term, dict) or not isinstance(term.get("property"), str):
            raise Invalid("A term is an object with a `property`.", errors=[FieldError(pointer, "No `property`.")])
        yield pointer, term["property"], {field: term.get(member) for member, field in _MEMBERS.items()}


def alps_terms(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """The semantic descriptors of an ALPS document (draft-amundsen-richardson-foster-alps-07); what describes
    transitions is not state and is left out. Our schema travels in an `ext` of the id `schema`."""
    alps = document["alps"]
    descriptors = alps.get("descriptor") if isinstance(alps, dict) else None
    if not isinstance(descriptors, list):
        raise Invalid("An ALPS document has `alps.descriptor`.", errors=[FieldError("/alps/descriptor", "A list.")])
    for position, item in enumerate(descriptors):
        pointer = f"/alps/descriptor/{position}"
        if not isinstance(item, dict) or not isinstance(item.get("id"), str):
            raise Invalid("A descriptor is an object with an `id`.", errors=[FieldError(pointer, "No `id`.")])
        if item.get("type", "semantic") == "semantic":
            yield pointer, item["id"], _alps_values(item, pointer)


def _alps_values(item: dict[str, Any], pointer: str) -> dict[str, Any]:
    doc = item.get("doc")
    text = doc.get("value", "") if isinstance(doc, dict) else doc
    extensions = item.get("ext") or []
    if isinstance(extensions, dict):
        extensions = [extensions]
    values: dict[str, Any] = {"title": item.get("title"), "description": str(text or "")}
    for extension in extensions:
        if isinstance(extension, dict) and extension.get("id") == "schema":
            values["schema"] = _embedded_schema(extension.get("value"), pointer)
        elif isinstance(extension, dict) and extension.get("id") == "absoluteByDefinition":
            values["absolute_by_definition"] = str(extension.get("value")).lower() == "true"
        elif isinstance(extension, dict) and extension.get("id") == "searchable":
            values["searchable"] = str(extension.get("value")).lower() == "true"
    return values


def _embedded_schema(value: object, pointer: str) -> object:
    """ALPS extension values are strings, so a schema in one is JSON text; a plain object is taken as well."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError as error:
        raise Invalid(
            "The `schema` extension is not JSON.", errors=[FieldError(f"{pointer}/ext", str(error))]
        ) from error
