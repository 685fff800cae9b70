"""Path segments. A UUID is taken in any case, and is lower case in every representation."""

from uuid import UUID

from django.urls import register_converter

from jobs.api.fields import UUID_PATTERN
from jobs.domain.vocabulary import PROPERTY_NAME


class UuidConverter:
    """A UUID with its four dashes; any other segment is no resource: 404."""

    regex = UUID_PATTERN

    def to_python(self, value: str) -> UUID:
        """The UUID."""
        return UUID(value)

    def to_url(self, value: UUID | str) -> str:
        """Lower case."""
        return str(value).lower()


class ServiceNameConverter:
    """A service's name (`jobs.models.accounts.SERVICE_NAME`)."""

    regex = "[a-z0-9](?:[a-z0-9._-]{0,98}[a-z0-9])?"

    def to_python(self, value: str) -> str:
        """The name."""
        return value

    def to_url(self, value: str) -> str:
        """The name."""
        return value


class PropertyConverter(ServiceNameConverter):
    """A term's name."""

    regex = PROPERTY_NAME.pattern


def register() -> None:
    """Make `<id:…>`, `<service:…>` and `<property:…>` known to the URL maps."""
    register_converter(UuidConverter, "id")
    register_converter(ServiceNameConverter, "service")
    register_converter(PropertyConverter, "property")
