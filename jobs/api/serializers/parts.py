"""Bodies of error reports, locations and vocabulary terms."""

from jobs.api.fields import Choice, Object, Text, Truth, Url, Uuid, Whole
from jobs.api.serializers.base import Body
from jobs.models.accounts import LocationKind


class ErrorReportBody(Body):
    """A problem (RFC 9457) that a service met; members beside these are kept for operators."""

    type = Text(max_length=2000, required=False, allow_null=True, help_text="A URI reference for the kind of problem.")
    title = Text(max_length=500, required=False, allow_null=True)
    status = Whole(low=100, high=599, required=False, allow_null=True, help_text="An HTTP status code.")
    detail = Text(max_length=10_000, required=False, allow_null=True)
    instance = Text(max_length=2000, required=False, allow_null=True)
    taskID = Uuid(required=False, allow_null=True, help_text="The task that met the problem.")
    halting = Truth(required=False, allow_null=True, help_text="true calls for help; false by default.")


class LocationBody(Body):
    """Where a service can be reached, for as long as the lease runs."""

    url = Url()
    priority = Whole(low=0, high=1_000_000, required=False, allow_null=True, help_text="Lower ones are tried first.")
    leaseSeconds = Whole(source="lease_seconds", low=5, high=86400)
    kind = Choice([kind.value for kind in LocationKind], required=False, allow_null=True)


class TermBody(Body):
    """A term of the shared vocabulary."""

    title = Text(max_length=200, required=False, allow_null=True)
    description = Text(max_length=10_000, required=False, allow_null=True)
    schema = Object(required=False, allow_null=True, help_text="JSON Schema 2020-12 that each value must fit.")
    absoluteByDefinition = Truth(
        source="absolute_by_definition",
        required=False,
        allow_null=True,
        help_text="The name reads like a relative change, and the description says why the value is absolute.",
    )
    searchable = Truth(required=False, allow_null=True, help_text="Operators may search jobs by its value.")
