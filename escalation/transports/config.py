"""From settings to transports."""

from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from django.conf import settings

from escalation.domain.delivery import Channel
from escalation.transports.base import Message, Receipt, TransientError, Transport
from escalation.transports.console import Console
from escalation.transports.email import Email
from escalation.transports.kannel import Kannel
from escalation.transports.twilio import Twilio


class BadTransportUrl(ValueError):
    """A URL that no transport can be made of; the message says what is missing, and never holds a password."""


def ways(channel: Channel) -> list[Transport]:
    """The transports of a channel, in the order in which they get their turn; at least one."""
    if channel is Channel.EMAIL:
        return [Email()]
    names = ["CHOREO_SMS_URL", "CHOREO_SMS_FALLBACK_URL"]
    return [_configured(name) for name in names if getattr(settings, name)]


def sms_transport(url: str) -> Transport:
    """`twilio://SID:TOKEN@+15550100[?base_url=…]`, `kannel://user:pass@host:port/[?from=…&tls=1]` or `console://`.

    Raises BadTransportUrl.
    """
    try:
        parts = urlsplit(url)
        match parts.scheme:
            case "twilio":
                return _twilio(parts)
            case "kannel":
                return _kannel(parts)
            case "console":
                return Console()
    except BadTransportUrl:
        raise
    except ValueError:  # its own words would repeat the URL
        raise BadTransportUrl("its host or port cannot be read") from None
    raise BadTransportUrl("it must start with twilio://, kannel:// or console://")


@dataclass(frozen=True)
class Misconfigured:
    """Stands in for a transport whose URL is bad: what it should send waits, and keeps no other channel waiting."""

    reason: str
    name: str = "misconfigured"

    def deliver(self, message: Message) -> Receipt:
        """Raises TransientError: the setting can be mended."""
        raise TransientError(self.reason)


def _configured(setting: str) -> Transport:
    try:
        return sms_transport(getattr(settings, setting))
    except BadTransportUrl as error:
        return Misconfigured(f"{setting} cannot be used: {error}.")


def _twilio(parts: SplitResult) -> Twilio:
    account, token = _login(parts, "twilio://SID:TOKEN@+15550100")
    sender = unquote(parts.netloc.rpartition("@")[2])
    if not sender:
        raise BadTransportUrl("the number to send from is missing, as in twilio://SID:TOKEN@+15550100")
    base = _option(parts, "base_url") or "https://api.twilio.com"
    if urlsplit(base).scheme not in {"http", "https"} or not urlsplit(base).hostname:
        raise BadTransportUrl("base_url must be an http or https URL")
    return Twilio(account, token, sender, base.rstrip("/"))


def _kannel(parts: SplitResult) -> Kannel:
    username, password = _login(parts, "kannel://user:pass@host:port/")
    host = parts.hostname
    if not host:
        raise BadTransportUrl("the host is missing, as in kannel://user:pass@host:port/")
    scheme = "https" if _option(parts, "tls") in {"1", "true", "yes"} else "http"
    host = f"[{host}]" if ":" in host else host
    return Kannel(f"{scheme}://{host}:{parts.port or 13013}", username, password, _option(parts, "from"))


def _login(parts: SplitResult, example: str) -> tuple[str, str]:
    if not parts.username or not parts.password:
        raise BadTransportUrl(f"the login is missing, as in {example}")
    return unquote(parts.username), unquote(parts.password)


def _option(parts: SplitResult, name: str) -> str:
    # A plus sign stands for itself, as in a number to send from, though forms would make it a space.
    return parse_qs(parts.query.replace("+", "%2B")).get(name, [""])[0]
