"""Who is asking: a service with its bearer token, or a signed-in operator who reads."""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from django.http import HttpRequest
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.request import Request

from jobs.models import Service, ServiceToken
from jobs.services.accounts import authenticate

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True)
class Caller:
    """`request.user` of the API. Exactly one of `service` and `operator` (a username) is set."""

    service: Service | None = None
    operator: str = ""
    scopes: tuple[str, ...] = ()

    is_authenticated = True

    @property
    def is_operator(self) -> bool:
        """True for a person with a session in the operator UI."""
        return bool(self.operator)

    @cached_property
    def username(self) -> str:
        """A name for logs."""
        return self.operator or str(self.service)


class TokenOrOperator(BaseAuthentication):
    """`Authorization: Bearer <token>` of a service; or, to read, the session of a staff user."""

    def authenticate(self, request: Request) -> tuple[Caller, ServiceToken | None] | None:
        """(Caller, token or None), None for nobody. Raises AuthenticationFailed for a token that is not good."""
        header = request.headers.get("Authorization")
        if header is not None:
            token = _service_token(header)
            return Caller(service=token.service, scopes=tuple(token.scopes)), token
        return _operator(request._request)

    def authenticate_header(self, request: Request) -> str:
        """The challenge of a 401."""
        return 'Bearer realm="choreo"'


def _service_token(header: str) -> ServiceToken:
    scheme, _, value = header.partition(" ")
    if scheme.lower() != "bearer" or not value.strip():
        raise AuthenticationFailed("Send Authorization: Bearer <token>.")
    # The host's clock will do: the moment only tells people when the service was last seen, and decides nothing.
    token = authenticate(value.strip(), datetime.now(UTC))
    if token is None:
        raise AuthenticationFailed("The token is unknown or was revoked.")
    return token


def _operator(request: HttpRequest) -> tuple[Caller, None] | None:
    user: Any = getattr(request, "user", None)
    if user is None or not (user.is_authenticated and user.is_active and user.is_staff):
        return None
    if request.method not in SAFE:
        raise PermissionDenied("An operator's session only reads here; writing takes a service's token.")
    return Caller(operator=user.get_username()), None
