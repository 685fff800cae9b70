"""The IDs of tasks and events: derived, so that the same cause is always the same thing."""

from uuid import NAMESPACE_URL, UUID, uuid5

from examples.checkout.base.problems import BadRequest

_NAMESPACE = uuid5(NAMESPACE_URL, "urn:choreo:examples:checkout")


def derived_id(job_id: str, service: str, cause: str) -> str:
    """What `service` makes of `cause` in a job; a duplicate cause gives the same ID."""
    return str(uuid5(_NAMESPACE, f"{job_id}/{service}/{cause}"))


def canonical_uuid(value: object, name: str) -> str:
    """`value` as a lower-case UUID; BadRequest naming `name` when it is none."""
    try:
        return str(UUID(str(value)))
    except ValueError:
        raise BadRequest(f"{name} must be a UUID") from None
