"""Services, their tokens and their webhook secrets."""

import base64
import hashlib
import re
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from jobs.domain.errors import Invalid
from jobs.models import Service, ServiceToken
from jobs.models.accounts import SERVICE_NAME

SCOPES = frozenset({"vocabulary"})
_SEEN_EVERY = timedelta(minutes=1)


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


def rotate_webhook_secret(service: Service) -> str:
    """Replace the secret that signs calls to the service, and return the new one."""
    service.webhook_secret = _new_secret()
    service.save(update_fields=["webhook_secret"])
    return service.webhook_secret


def _new_secret() -> str:
    """A Standard Webhooks secret: `whsec_` and 32 random bytes in base64."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


def _digest(token: str) -> str:
    """Tokens are 256 random bits, so a plain hash is as good as a slow one."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
