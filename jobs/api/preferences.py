"""The `Prefer` header (RFC 7240), as far as it is honoured here."""

import re

from django.http import HttpRequest

_PREFERENCE = re.compile(r'\s*([!#$%&\'*+.^_`|~0-9A-Za-z-]+)(?:\s*=\s*(?:"([^"]*)"|([^\s;,"]+)))?[^,]*')


def prefers_strict(request: HttpRequest) -> bool:
    """`handling=strict`; of a preference that is given twice the first counts (§2)."""
    for item in request.headers.get("Prefer", "").split(","):
        match = _PREFERENCE.fullmatch(item)
        if match and match[1].lower() == "handling":
            return (match[2] or match[3] or "").lower() == "strict"
    return False
