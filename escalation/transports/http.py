"""One bounded HTTP request to a provider."""

from dataclasses import dataclass

import httpx

from escalation.transports.base import TIMEOUT, PermanentError, TransientError

_LIMIT = 64 * 1024
_TRY_LATER = frozenset({408, 425, 429})


@dataclass(frozen=True)
class Answer:
    """A status and as much of the body as is worth reading."""

    status: int
    body: bytes

    @property
    def text(self) -> str:
        """The body as text, whatever its bytes."""
        return self.body.decode("utf-8", "replace").strip()


def ask(method: str, url: str, **options: object) -> Answer:
    """Make the request: no redirects, no proxy of the environment's, 10 s, 64 KiB.

    Raises TransientError when there is no answer, PermanentError for a URL that cannot be asked.
    """
    try:
        with (
            httpx.Client(timeout=TIMEOUT, trust_env=False, follow_redirects=False) as client,
            client.stream(method, url, **options) as response,  # type: ignore[arg-type]  # httpx's own options
        ):
            return Answer(response.status_code, _read(response))
    except (httpx.InvalidURL, httpx.UnsupportedProtocol, UnicodeError) as error:
        raise PermanentError(f"The provider's URL cannot be asked: {type(error).__name__}.") from error
    except httpx.HTTPError as error:
        raise TransientError(f"No answer: {type(error).__name__}.") from error


def refuse(answer: Answer, why: str) -> TransientError | PermanentError:
    """The error that an answer other than an acceptance stands for: 408, 425, 429 and 5xx may pass by themselves."""
    words = f"{answer.status}: {why}"[:300]
    if answer.status in _TRY_LATER or answer.status >= 500:
        return TransientError(words)
    return PermanentError(words)


def _read(response: httpx.Response) -> bytes:
    body = b""
    for chunk in response.iter_bytes():
        body += chunk
        if len(body) >= _LIMIT:
            break
    return body[:_LIMIT]
