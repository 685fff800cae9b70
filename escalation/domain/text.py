"""Making text that came from a service fit to stand in a mail header, a page, or a phone."""

import unicodedata

_INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Cn"}
"""Unicode categories that are dropped: controls, formats (the bidi ones among them), surrogates, the undefined."""
_SPACE = {"Zl", "Zp", "Zs"}


def clean(text: str, limit: int = 200) -> str:
    """One line without control, bidi or other invisible characters, of at most `limit` characters."""
    kept = (" " if c in "\t\n\r\v\f" or unicodedata.category(c) in _SPACE else c for c in text)
    line = " ".join("".join(c for c in kept if unicodedata.category(c) not in _INVISIBLE).split())
    return shorten(line, limit)


def shorten(text: str, limit: int) -> str:
    """At most `limit` characters, the last two being dots when something was left out."""
    if len(text) <= limit:
        return text
    return text[: max(limit - 2, 0)].rstrip() + ".."[: max(limit, 0)]
