"""Text messages of one segment: 160 septets of the GSM 7-bit default alphabet (3GPP TS 23.038 §6.2.1)."""

import unicodedata
from collections.abc import Callable, Sequence

from escalation.domain.text import shorten

SEGMENT = 160
BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
EXTENDED = frozenset("^{}\\[~]|€")
"""Characters that take two septets: an escape and themselves."""
_SPELLED = str.maketrans(
    {"`": "'", "\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"', "\u00ab": '"', "\u00bb": '"'}  # quotes
    | {"\u2013": "-", "\u2014": "-", "\u2212": "-", "\u2026": "...", "\u00b7": ".", "\u2022": "*"}  # dashes and dots
    | {"\u2192": "->", "\u00d7": "x", "\u0142": "l", "\u0141": "L", "\u0111": "d", "\u0110": "D"}
    | {"\u0131": "i", "\u0153": "oe", "\u0152": "OE"}
)
"""What decomposition alone does not spell in plain letters: quotes, dashes, arrows, and letters with strokes."""
_SHORTEST_NAME = 8
_FAIR_NAME = 16


def septets(text: str) -> int:
    """How many of a segment's 160 septets a text of the GSM alphabet takes."""
    return sum(2 if c in EXTENDED else 1 for c in text)


def to_gsm7(text: str) -> str:
    """The same in the GSM alphabet: accents that it lacks are dropped, what cannot be written at all becomes `?`."""
    out: list[str] = []
    for c in text.translate(_SPELLED):
        plain = c if c in BASIC or c in EXTENDED else _without_accents(c)
        if plain != "?" or not out or out[-1] != "?":  # a name in another script is one ?, not ten
            out.append(plain)
    return "".join(out)


def one_segment(render: Callable[[str], str], name: str, link: str) -> str:
    """The message that `render(name)` makes, in one segment: the name gives way first, then the rest, never the link.

    Only when the link alone is longer than a segment is the result longer, and then it is the link.
    """
    text = to_gsm7(render(name))
    over = septets(text) - SEGMENT
    if over > 0:
        text = to_gsm7(render(shorten(to_gsm7(name), max(len(to_gsm7(name)) - over, _SHORTEST_NAME))))
    return text if septets(text) <= SEGMENT else _cut_around(text, link)


def best_segment(renders: Sequence[Callable[[str], str]], name: str, link: str) -> str:
    """One segment of the first of these that says all it has to with a fair part of the name; else of the last."""
    fair = shorten(to_gsm7(name), _FAIR_NAME)
    fitting = (render for render in renders if septets(to_gsm7(render(fair))) <= SEGMENT)
    return one_segment(next(fitting, renders[-1]), name, link)


def _cut_around(text: str, link: str) -> str:
    if not link or link not in text:
        return _cut(text, SEGMENT)
    room = SEGMENT - septets(link)
    before = _cut(text.partition(link)[0].rstrip(), room - 1)
    return f"{before} {link}" if before else link


def _cut(text: str, room: int) -> str:
    if septets(text) <= room:
        return text
    while text and septets(text) > room - 2:
        text = text[:-1]
    return text.rstrip() + ".." if text else ""


def _without_accents(c: str) -> str:
    parts = unicodedata.normalize("NFKD", c)
    plain = "".join(p for p in parts if not unicodedata.combining(p))
    return plain if plain and all(p in BASIC or p in EXTENDED for p in plain) else "?"
