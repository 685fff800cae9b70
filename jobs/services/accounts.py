"""Services, their tokens and their webhook secrets."""

import base64
import hashlib
import re
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta

from choreo_client.errors import SignatureError
from choreo_client.webhooks import sign
from django.db import transaction
from django.db.models import Q

from jobs.domain.errors import Invalid
from jobs.domain.hosts import HostPort, parse_allowed_hosts
from jobs.models import Service, ServiceToken
from jobs.models.accounts import SERVICE_NAME

SCOPES = frozenset({"vocabulary"})
_SEEN_EVERY = timedelta(minutes=1)
PREVIOUS_SECRET_SIGNS_FOR = timedelta(hours=24)
"""The time that a service has to take its new webhook secret into use."""
_NOWHERE: frozenset[HostPort] = frozenset({("", 0)})


def issue_token(service_name: str, *, scopes: Sequence[str] = ()) -> str:
    """A new bearer token for the service, which is made when it is new. Only its hash is kept.

    Raises Invalid for a name or a scope that does not exist.
    """
    if unknown := set(scopes) - SCOPES:
        raise Invalid(f"There is no scope {', '.join(sorted(unknown))}; there is {', '.join(sorted(SCOPES))}.")
    token = f"choreo_{secrets.token_urlsafe(32)}"
    with transaction.atomic():
        service = ensure_service(service_name)
        ServiceToken.objects.create(
            service=service, digest=_digest(token), prefix=token[:12], scopes=sorted(set(scopes))
        )
    return token


def ensure_service(name: str) -> Service:
    """The service of this name, made with a fresh webhook secret when it is new. Raises Invalid for a bad name."""
    if not re.fullmatch(SERVICE_NAME, name):
        raise Invalid("A service's name is 1 to 100 lower-case letters, digits, dots, dashes and underscores.")
    return Service.objects.get_or_create(name=name, defaults={"webhook_secret": _new_secret()})[0]


def authenticate(token: str, now: datetime) -> ServiceToken | None:
    """The live token that this is, with its service, or None. Notes (once a minute at most) that it was seen."""
    found = ServiceToken.objects.select_related("service").filter(digest=_digest(token), revoked_at=None).first()
    if found is not None:
        stale = Q(last_seen_at=None) | Q(last_seen_at__lt=now - _SEEN_EVERY)
        if found.service.last_seen_at is None or found.service.last_seen_at < now - _SEEN_EVERY:
            Service.objects.filter(stale, pk=found.service_id).update(last_seen_at=now)
    return found


def revoke_token(token_id: int, now: datetime) -> None:
    """From now on this token opens nothing; to revoke it again changes nothing."""
    ServiceToken.objects.filter(pk=token_id, revoked_at=None).update(revoked_at=now)


def rotate_webhook_secret(service: Service, now: datetime) -> str:
    """Make a new secret to sign calls to the service with, and return it. The old one signs too for another 24 hours.

    Only two are ever live: to rotate again in that time takes the oldest one out of use. One that cannot sign is not
    kept, as it would block every call.
    """
    with transaction.atomic():
        row = Service.objects.select_for_update().get(pk=service.pk)  # two at once: the second one keeps the first's
        old = row.webhook_secret if _can_sign(row.webhook_secret) else ""
        service.webhook_secret = _new_secret()
        service.previous_secret = old
        service.previous_secret_until = now + PREVIOUS_SECRET_SIGNS_FOR if old else None
        service.save(update_fields=["webhook_secret", "previous_secret", "previous_secret_until"])
    return service.webhook_secret


def revoke_previous_secret(service: Service) -> bool:
    """Take the old secret out of use at once, for it has leaked. False when there was none."""
    service.previous_secret, service.previous_secret_until = "", None
    kept = Service.objects.filter(pk=service.pk).exclude(previous_secret="")
    return bool(kept.update(previous_secret="", previous_secret_until=None))


def signing_secrets(service: Service, now: datetime) -> list[str]:
    """The secrets that sign a call to the service now, the newest first."""
    previous = [service.previous_secret] if previous_secret_until(service, now) else []
    return [service.webhook_secret, *previous]


def previous_secret_until(service: Service, now: datetime) -> datetime | None:
    """Until when the old secret signs as well; None when it does not, or no more."""
    until = service.previous_secret_until
    return until if service.previous_secret and until is not None and until > now else None


def allowed_hosts(service: Service) -> frozenset[HostPort]:
    """Where alone the service may be called; empty when there is no list. One that cannot be read allows nothing."""
    try:
        return parse_allowed_hosts(service.allowed_hosts)
    except Invalid:
        return _NOWHERE


def _can_sign(secret: str) -> bool:
    try:
        sign(secret, "", 0, b"")
    except SignatureError:
        return False
    return True


def _new_secret() -> str:
    """A Standard Webhooks secret: `whsec_` and 32 random bytes in base64."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


def _digest(token: str) -> str:
    """Tokens are 256 random bits, so a plain hash is as good as a slow one."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
