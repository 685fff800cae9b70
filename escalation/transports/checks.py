"""What is wrong with the settings of alerts is said at the start, and not at three in the morning."""

import re
from collections.abc import Sequence
from email.utils import parseaddr
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from escalation.models.contacts import E164
from escalation.transports.config import BadTransportUrl, sms_transport


@register()
def check_transports(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    """Every SMS URL makes a transport, and every address of the default contact is one."""
    found = [_sms_url(name, f"escalation.E00{n}") for n, name in enumerate(_SMS_URLS, start=1)]
    found += [_email("CHOREO_ONCALL_EMAIL", "escalation.E003"), _phone("CHOREO_ONCALL_SMS", "escalation.E004")]
    found += [_sender("escalation.E005")]
    return [message for message in found if message]


_SMS_URLS = ("CHOREO_SMS_URL", "CHOREO_SMS_FALLBACK_URL")


def _sms_url(name: str, code: str) -> CheckMessage | None:
    try:
        if url := getattr(settings, name):
            sms_transport(url)
    except BadTransportUrl as error:
        return Error(f"{name} cannot be used: {error}.", id=code)
    return None


def _email(name: str, code: str) -> CheckMessage | None:
    try:
        if address := getattr(settings, name):
            validate_email(address)
    except ValidationError:
        return Error(f"{name} must be an email address.", id=code)
    return None


def _phone(name: str, code: str) -> CheckMessage | None:
    number = getattr(settings, name)
    if number and not re.fullmatch(E164, number):
        return Error(f"{name} must be a number in international form, such as +15550100123.", id=code)
    return None


def _sender(code: str) -> CheckMessage | None:
    if "@" not in parseaddr(settings.DEFAULT_FROM_EMAIL)[1]:
        return Error("CHOREO_MAIL_FROM must hold an email address, as in Choreo <choreo@example.com>.", id=code)
    return None
