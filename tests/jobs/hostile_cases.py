"""The manners of hostile, broken and merely slow services, by name, and how a revert that meets them ends."""

import gzip
import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler

from jobs.domain.callbacks import Outcome
from tests.jobs.calls_peer import Behaviour, Peer, drip, hang, held_open, raw, reset, status, undoes

WINDOW = 60
"""CHOREO_REPLAY_WINDOW, in seconds."""


@dataclass(frozen=True)
class Case:
    """What the service does at each request, the last thing for ever, and the `end` of the call.

    `puts` is how many PUTs reach it (None: more than the three of the ladder, for the replay queue follows), `gets` the
    same for polls (-1: more than three), `effects` how often it undoes something. `patience` holds the time limits of
    the first attempts, instead of 10 s. `wait` is how many seconds of the contract's time it takes, at least and at
    most. `said` is in the last attempt's detail.
    """

    name: str
    plays: tuple[Behaviour, ...]
    end: Outcome = Outcome.DONE
    puts: int | None = 1
    gets: int = 0
    effects: int = 0
    outcome: tuple[Behaviour, ...] = ()
    patience: tuple[float, ...] = ()
    url: str = "http://127.0.0.1:{port}/undo"
    listed: bool = False
    tls: bool = False
    wait: tuple[float, float] = (0, WINDOW + 4)
    said: str = ""


def at_once(name: str, behaviour: Behaviour, end: Outcome = Outcome.DONE, said: str = "") -> Case:
    """Its first answer settles the call."""
    return Case(name, (behaviour,), end, said=said)


def refused(name: str, behaviour: Behaviour, said: str = "") -> Case:
    """It says that this cannot be undone: a human is called at once, and nothing is asked again."""
    return at_once(name, behaviour, Outcome.REFUSED, said)


def mended(name: str, behaviour: Behaviour, patience: float | None = None, said: str = "") -> Case:
    """It fails in this manner once: the second attempt, after about a second, finds it well."""
    limits = () if patience is None else (patience,)
    return Case(name, (behaviour, undoes(status(200))), puts=2, effects=1, patience=limits, wait=(0.5, 1), said=said)


def never(name: str, behaviour: Behaviour, **more: object) -> Case:
    """It does so for ever: three attempts, the replay queue, and at the window's end a human."""
    case = Case(name, (behaviour,), Outcome.GAVE_UP, puts=None, wait=(WINDOW, WINDOW + 4))
    return replace(case, **more)  # type: ignore[arg-type]  # of a Case's members, whatever their types


def problem(code: int, body: bytes, **headers: str) -> Behaviour:
    return status(code, body, content_type="application/problem+json", **headers)


def under_way_at(place: str) -> Behaviour:
    """202, with the outcome promised at this place, in which `{port}` is the service's own."""

    def play(handler: BaseHTTPRequestHandler, peer: Peer) -> None:
        status(202, location=place.format(port=peer.port))(handler, peer)

    return play


def date_in(seconds: float) -> Behaviour:
    """503 with the date (RFC 9110 section 5.6.7) from which on it will be well."""

    def play(handler: BaseHTTPRequestHandler, peer: Peer) -> None:
        date = format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)
        status(503, retry_after=date)(handler, peer)

    return play


def patient(name: str, retry_after: str, wait: tuple[float, float]) -> Case:
    """It asks for patience, and is well when it gets it."""
    plays = (status(429, retry_after=retry_after), undoes(status(200)))
    return Case(name, plays, puts=2, effects=1, wait=wait)


OK = b"HTTP/1.1 200 OK\r\n"
BOMB = gzip.compress(b"\0" * 10_000_000)
TLS_ALERT = b"\x15\x03\x01\x00\x02\x02\x28"
HTML = b"<h1>502</h1><script>alert(1)</script>"

WELL = [
    at_once("200", status(200, b'{"ok": true}')),
    at_once("200 and an empty body", status(200)),
    at_once("200 and a body of garbage", status(200, b"\x00\xff\xfe" * 500, content_type="application/json")),
    at_once("200 over HTTP/1.0, ended by closing", raw(b"HTTP/1.0 200 OK\r\n\r\ndone")),
    at_once("201 and a body", status(201, b'{"id": 1}', location="http://10.0.0.1/made")),
    at_once("204", status(204)),
    at_once("206", status(206, b"part")),
    at_once("299, which nobody knows", raw(b"HTTP/1.1 299 Odd\r\ncontent-length: 0\r\n\r\n")),
    at_once("404, nothing is known of it", status(404), Outcome.NOTHING_TO_UNDO),
    at_once("410, it is gone", status(410), Outcome.NOTHING_TO_UNDO),
    at_once("1xx in a flood, and 200", raw(b"HTTP/1.1 103 Early\r\n\r\n" * 2000 + OK + b"content-length: 0\r\n\r\n")),
    at_once("an endless body", drip(OK + b"transfer-encoding: chunked\r\n\r\n", b"4000\r\n" + b"x" * 0x4000 + b"\r\n")),
    at_once("a gzip bomb", status(200, BOMB, content_encoding="gzip", content_type="application/json")),
    at_once("garbage behind the answer", raw(OK + b"content-length: 2\r\n\r\nokHTTP/1.1 500 No\r\n\r\n\x00\xff")),
    at_once("the connection kept open", held_open(OK + b"content-length: 2\r\nconnection: keep-alive\r\n\r\nok")),
    at_once("chunked and a length", raw(OK + b"content-length: 999\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n")),
    at_once("another job's correlation", status(200, correlation_id="f" * 32, request_id="1\x7f", idempotency_key="x")),
]  # fmt: skip

CANNOT = [
    *[
        refused(f"{code}, to another place", status(code, location="http://127.0.0.1:1/elsewhere"))
        for code in (300, 301, 302, 303, 307, 308)
    ],
    refused("302 to itself", status(302, location="/undo")),
    refused("302 without a place", status(302)),
    refused("304", status(304)),
    *[refused(str(code), status(code)) for code in (400, 402, 403, 405, 406, 411, 412, 413, 415, 418, 421, 422, 451)],
    refused("401 that asks for a password", status(401, www_authenticate='Basic realm="undo"')),
    refused("407 that asks for a password", status(407, proxy_authenticate='Basic realm="undo"')),
    refused("409 with a reason", problem(409, b'{"detail": "The parcel left."}'), "409 Conflict: The parcel left."),
    refused("409 with a reason full of control characters",
            problem(409, rb'{"detail": "\u0000No\u202e\u2066, \u001b[31mnever\r\nBcc: all\u200b\ufeff"}'),
            "409 Conflict: No , [31mnever Bcc: all"),
    refused("409 with a very long reason", problem(409, json.dumps({"detail": "no" * 30_000}).encode()), ": nono"),
    refused("409 with deep JSON", problem(409, b'{"detail":' * 6000), "409 Conflict"),
    refused("409 with a lone surrogate", problem(409, rb'{"detail": "\ud800 no"}'), "409 Conflict: no"),
    refused("409 with a number of 60,000 digits", problem(409, b'{"detail": ' + b"9" * 60_000 + b"}"), "409 Conflict"),
    refused("409 with a reason in gzip", problem(409, BOMB, content_encoding="gzip"), "409 Conflict"),
    refused("409 whose reason is a page", status(409, HTML, content_type="text/html"), "409 Conflict"),
]  # fmt: skip

FAILS_ONCE = [
    *[mended(f"{code}, once", status(code), said="200 OK") for code in (408, 425, 429, 500, 501, 502, 504)],
    mended("599, once", raw(b"HTTP/1.1 599 Odd\r\n\r\n")),
    mended("503 and a cookie", status(503, set_cookie="session=1; Path=/")),
    mended("502 and a page", status(502, HTML, content_type="text/html")),
    mended("a length that is not kept", raw(OK + b"content-length: 10\r\n\r\nhalf")),
    mended("a broken chunk", raw(OK + b"transfer-encoding: chunked\r\n\r\n5\r\nhell")),
    mended("a chunk of no size", raw(OK + b"transfer-encoding: chunked\r\n\r\nzz\r\n")),
    mended("a chunk of a huge size", raw(OK + b"transfer-encoding: chunked\r\n\r\n" + b"f" * 40 + b"\r\n")),
    mended("two lengths", raw(OK + b"content-length: 2\r\ncontent-length: 3\r\n\r\nok!")),
    mended("a negative length", raw(OK + b"content-length: -1\r\n\r\n")),
    mended("a transfer coding that nobody knows", raw(OK + b"transfer-encoding: zip\r\n\r\nx")),
    mended("one huge header", raw(OK + b"x: " + b"y" * 300_000 + b"\r\n\r\n")),
    mended("a header bomb", raw(OK + b"".join(b"x-%d: y\r\n" % number for number in range(20_000)) + b"\r\n")),
    mended("a header with NUL", raw(OK + b"x: a\x00b\r\ncontent-length: 0\r\n\r\n")),
    mended("a header without a name", raw(OK + b": y\r\n\r\n")),
    mended("a status line without a number", raw(b"HTTP/1.1 OK\r\n\r\n")),
    mended("status 0", raw(b"HTTP/1.1 000 Zero\r\n\r\n")),
    mended("status 999", raw(b"HTTP/1.1 999 No\r\ncontent-length: 0\r\n\r\n")),
    mended("status 2000", raw(b"HTTP/1.1 2000 No\r\n\r\n")),
    mended("another protocol, by 101", raw(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: h2c\r\n\r\n")),
    mended("HTTP/0.9", raw(b"<p>done</p>")),
    mended("HTTP/2 without being asked", raw(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")),
    mended("SSH", raw(b"SSH-2.0-OpenSSH_9.9\r\n")),
    mended("TLS on a plain port", raw(TLS_ALERT)),
    mended("noise", raw(b"\x00\xff\r\n\r\n" * 5000)),
    mended("closed without a word", raw(b"")),
    mended("half a status line", raw(b"HTTP/1.1 20")),
    mended("reset before it did anything", reset),
    mended("reset after it was done", undoes(reset)),
    mended("closed after it was done", undoes(raw(b""))),
    mended("503 after it was done", undoes(status(503))),
    mended("hangs before it answers", hang, 0.2),
    mended("hangs after it was done", undoes(hang), 0.2),
    mended("hangs in the status line", held_open(b"HTTP/1.1 2"), 0.2),
    mended("hangs in the headers", held_open(OK + b"x: "), 0.2),
    mended("hangs in the body, after 200", held_open(OK + b"content-length: 9\r\n\r\nhalf"), 0.2),
    mended("200 without a length, kept open", held_open(OK + b"\r\ndone"), 0.2),
    mended("drips the status line", drip(b"", b"H"), 0.2),
    mended("drips headers", drip(OK, b"x-more: y\r\n"), 0.2),
    mended("drips the body", drip(OK + b"content-length: 100000\r\n\r\n", b"."), 0.2),
    mended("drips 100 Continue", drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), 0.2),
]  # fmt: skip

PATIENCE = [
    patient("429 and 7 seconds", "7", (7, 7)),
    patient("429 and no seconds", "0", (0.5, 1)),
    patient("429 and negative seconds", "-5", (0.5, 1)),
    patient("429 and garbage", "soon; \xa0x=1", (0.5, 1)),
    patient("429 and a date that cannot be", "Mon, 99 Foo 2026 99:99:99 GMT", (0.5, 1)),
    patient("429 and a date long ago", "Mon, 01 Jan 1990 00:00:00 GMT", (0.5, 1)),
    patient("429 and a zone that cannot be", "Mon, 01 Jan 2024 00:00:00 +99999999999999999999", (0.5, 1)),
    patient("429 and a year without end", "Fri, 31 Dec 9999 23:59:59 -2359", (WINDOW, WINDOW)),
    patient("429 and more seconds than there are", "9" * 400, (WINDOW, WINDOW)),
    patient("429 and a year of seconds", "31536000", (WINDOW, WINDOW)),
    Case("503 and a date", (date_in(40), undoes(status(200))), puts=2, effects=1, wait=(36, 45)),
]

UNDER_WAY = [
    Case("202, and 200 at its place", (under_way_at("/outcome"),), gets=1, outcome=(status(200),)),
    Case("202, and 200 at its place as a whole URL", (under_way_at("http://127.0.0.1:{port}/outcome"),),
         gets=1, outcome=(status(200),)),
    Case("202 twice, and 204 at its place", (under_way_at("outcome#part"),), gets=3,
         outcome=(status(202), status(202), status(204))),
    Case("202, and a stumble at its place", (under_way_at("/outcome"),), gets=3,
         outcome=(status(503), reset, status(200))),
    Case("202, and 409 at its place", (under_way_at("/outcome"),), Outcome.REFUSED, gets=1, outcome=(status(409),)),
    Case("202, and a redirect at its place", (under_way_at("/outcome"),), Outcome.REFUSED, gets=1,
         outcome=(status(303, location="/undo"),)),
    Case("202, its place is gone, and then 200", (under_way_at("/outcome"), status(200)), puts=2, gets=1,
         outcome=(status(404),)),
    Case("202, its place is gone, and then 404", (under_way_at("/outcome"), status(404)), Outcome.NOTHING_TO_UNDO,
         puts=2, gets=1, outcome=(status(410),)),
    Case("202 without a place, and then 204", (status(202), status(202), status(204)), puts=3),
    Case("202 with a place that is empty", (status(202, location=" "), status(204)), puts=2),
    *[
        Case(f"202 with the place {place}", (under_way_at(place), status(204)), puts=2)
        for place in ("file:///etc/passwd", "gopher://127.0.0.1:1/", "javascript:alert(1)", "http://[::1", "https:///x")
    ],
    Case("202 with a place of 10 KB", (under_way_at("/" + "x" * 10_000), status(204)), puts=2),
    *[
        Case(f"202 with a forbidden place, {place}, and then 204", (under_way_at(place), status(204)), puts=2)
        for place in (
            "http://user:secret@127.0.0.1:{port}/outcome",
            "http://127.1:{port}/outcome",
            "http://127.0.0.1:65536/outcome",
        )
    ],
    never("202 with a forbidden place for ever", under_way_at("http://127.1:{port}/outcome"),
          end=Outcome.STILL_UNDER_WAY, wait=(WINDOW, WINDOW + 30)),
    Case("a URL that may not be called", (status(200),), Outcome.BLOCKED, puts=0, said="no valid host",
         url="http://127.1:{port}/undo"),
    *[
        Case(f"202 with a place off the list, {place}, and then 204", (under_way_at(place), status(204)), puts=2,
             listed=True)
        for place in (
            "http://127.0.0.1:1/outcome", "http://localhost:{port}/outcome", "http://169.254.169.254/latest/meta-data/",
            "//[::1]:{port}/outcome", "https://127.0.0.1/outcome",
        )
    ],
    Case("202 for ever", (status(202),), Outcome.STILL_UNDER_WAY, puts=None, wait=(WINDOW, WINDOW)),
    Case("202 for ever, at its place", (under_way_at("/outcome"),), Outcome.STILL_UNDER_WAY, gets=-1,
         outcome=(status(202),), wait=(WINDOW, WINDOW)),
    Case("202 with another place each time", (under_way_at("/outcome?1"),), gets=3,
         outcome=(under_way_at("/outcome?2"), under_way_at("/outcome?3"), status(200))),
]  # fmt: skip

FAILS_FOR_EVER = [
    never("500 for ever", status(500)),
    never("503 for ever, after it was done", undoes(status(503)), effects=1),
    never("reset for ever", reset),
    never("garbage for ever", raw(b"SSH-2.0-OpenSSH_9.9\r\n")),
    never("hangs for ever", hang, patience=(0.05,) * 20, said="No complete answer within 0.05 s."),
    never("takes no connection", hang, url="http://127.0.0.1:{closed}/undo", puts=0, said="Connection refused"),
    never("accepts and never reads", hang, url="http://127.0.0.1:{silent}/undo", puts=0, patience=(0.05,) * 20),
    never("plain HTTP where TLS should be", status(200), url="https://127.0.0.1:{port}/undo", puts=0, said="TLS"),
    never("a certificate that nobody vouches for", status(200), url="https://127.0.0.1:{port}/undo", puts=0, tls=True,
          said="certificate was not accepted"),
]  # fmt: skip

CASES = [*WELL, *CANNOT, *FAILS_ONCE, *PATIENCE, *UNDER_WAY, *FAILS_FOR_EVER]
