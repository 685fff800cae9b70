"""What every body has in common: unknown members are ignored, null is the same as absent."""

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from jobs.api.problems import pointers
from jobs.domain.errors import FieldError, Invalid


class Body(serializers.Serializer[Any]):
    """A request body. A field's `source` is the name that the services know it by."""

    def to_internal_value(self, data: Any) -> Any:
        """Members by their `source`. Raises ValidationError."""
        if not isinstance(data, Mapping):
            raise serializers.ValidationError("This must be an object.")
        return super().to_internal_value({name: value for name, value in data.items() if value is not None})


def replacement(body: type[Body], value: Any) -> dict[str, Any]:
    """The values of a PUT: every field that there is, None for those that were not given. Raises Invalid."""
    checked = _checked(body(data=value), value)
    return {str(field.source): checked.get(str(field.source)) for field in body().fields.values()}


def changes(body: type[Body], patch: Any) -> dict[str, Any]:
    """The values of a merge patch (RFC 7396): only what it names, None for what it removes. Raises Invalid."""
    checked = _checked(body(data=patch, partial=True), patch)
    fields = body().fields
    removed = {str(fields[name].source): None for name, value in patch.items() if value is None and name in fields}
    errors = [
        FieldError(f"/{name}", "This is required and cannot be removed.")
        for name, field in fields.items()
        if field.required and str(field.source) in removed
    ]
    if errors:
        raise Invalid("The patch removes what is required.", errors=errors)
    return {**removed, **checked}


def _checked(serializer: Body, value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise Invalid("The body must be an object.", errors=[FieldError("", "This must be an object.")])
    if not serializer.is_valid():
        raise Invalid("The body does not fit; see errors.", errors=pointers(serializer.errors))
    return dict(serializer.validated_data)
