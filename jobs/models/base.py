"""Small helpers that every model file uses."""

from enum import StrEnum

from django.db import models


def choices(kind: type[StrEnum]) -> list[tuple[str, str]]:
    """A domain enum as Django choices; the label is the value in words (`revertFailed` → `revert failed`)."""
    return [(member.value, _words(member.value)) for member in kind]


def one_of(field: str, kind: type[StrEnum], name: str) -> models.CheckConstraint:
    """The database's own refusal of a value that the domain does not know."""
    return models.CheckConstraint(condition=models.Q(**{f"{field}__in": [m.value for m in kind]}), name=name)


def _words(value: str) -> str:
    return "".join(f" {c.lower()}" if c.isupper() else c for c in value).replace("t t l", "TTL").strip()
