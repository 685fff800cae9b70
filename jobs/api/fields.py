"""Members of request bodies, without the stock fields' coercions: "5" is no number, 5 no text, "true" no truth.

Each field tells OpenAPI exactly what it accepts (`openapi`), in the JSON Schema 2020-12 of OpenAPI 3.1.
"""

import re
from typing import Any
from uuid import UUID

from rest_framework import serializers

JsonSchema = dict[str, Any]

UUID_PATTERN = "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"
MAX_SECONDS = 31 * 86400
"""31 days: the longest TTL, timeout or delay."""

_HEX = "[0-9a-fA-F]{1,4}"
_IPV6 = "|".join(
    [f"(?:{_HEX}:){{7}}{_HEX}", f"(?:{_HEX}:){{1,7}}:", f":(?::{_HEX}){{1,7}}", "::"]
    + [f"(?:{_HEX}:){{1,{7 - right}}}(?::{_HEX}){{1,{right}}}" for right in range(1, 7)]
)
_LABEL = "[A-Za-z0-9](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?"
_PORT = "[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]"
_CHAR = r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})"
_REST = rf"(?:/{_CHAR}*)?(?:\?(?:{_CHAR}|\?)*)?(?:#(?:{_CHAR}|\?)*)?"
"""Path, query and fragment (RFC 3986 §3.3 to §3.5)."""
URL_PATTERN = rf"https?://(?:{_LABEL}(?:\.{_LABEL})*|\[(?:{_IPV6})\])(?::(?:{_PORT}))?{_REST}"
"""An absolute http(s) URL without user or password: a secret in a URL ends up in every log."""


class Member(serializers.Field[Any, Any, Any, Any]):
    """A member of a body. `expected` completes the sentence "must be …"; `json_type` is what JSON calls it."""

    expected = "another value"

    def refuse(self) -> None:
        """Raises ValidationError."""
        raise serializers.ValidationError(f"This must be {self.expected}.")

    def to_representation(self, value: Any) -> Any:
        """Unused: representations are made in `representations`."""
        return value

    def openapi(self) -> JsonSchema:
        """The JSON Schema of what is accepted."""
        raise NotImplementedError


class Text(Member):
    """A string of `min_length`…`max_length` characters that matches `pattern` (in the whole, unless it is a search)."""

    def __init__(
        self,
        *,
        min_length: int = 0,
        max_length: int,
        pattern: str = "",
        search: bool = False,
        expected: str = "",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.min_length, self.max_length, self.search = min_length, max_length, search
        self.pattern = pattern
        bounds = f"{min_length} to {max_length}" if min_length else f"at most {max_length}"
        self.expected = expected or f"a string of {bounds} characters"

    def to_internal_value(self, data: Any) -> str:
        """The string as it is: nothing is trimmed. Raises ValidationError."""
        if not isinstance(data, str) or not self.min_length <= len(data) <= self.max_length:
            self.refuse()
        if self.pattern and not self._matches(data):
            self.refuse()
        return str(data)

    def _matches(self, data: str) -> bool:
        match = re.search(self.pattern, data) if self.search else re.fullmatch(self.pattern, data)
        return match is not None

    def openapi(self) -> JsonSchema:
        """string with its bounds."""
        schema: JsonSchema = {"type": "string", "maxLength": self.max_length}
        if self.min_length:
            schema["minLength"] = self.min_length
        if self.pattern:
            schema["pattern"] = self.pattern if self.search else f"^(?:{self.pattern})$"
        return schema


class Name(Text):
    """A name for people: 1 to 200 characters, of which at least one can be seen."""

    def __init__(self, **kwargs: Any) -> None:
        expected = "a string of 1 to 200 characters, not only spaces"
        super().__init__(
            min_length=1, max_length=200, pattern=r"[^\x00-\x20\x7f]", search=True, expected=expected, **kwargs
        )


class Url(Text):
    """An absolute http or https URL of at most 2000 ASCII characters."""

    def __init__(self, **kwargs: Any) -> None:
        expected = "an absolute http or https URL, without user and password, of at most 2000 ASCII characters"
        super().__init__(max_length=2000, pattern=URL_PATTERN, expected=expected, **kwargs)


class Uuid(Member):
    """A UUID in the usual form with four dashes; upper case is taken."""

    expected = "a UUID"

    def to_internal_value(self, data: Any) -> UUID:
        """The UUID. Raises ValidationError."""
        if not isinstance(data, str) or not re.fullmatch(UUID_PATTERN, data):
            self.refuse()
        return UUID(data)

    def openapi(self) -> JsonSchema:
        """string, format uuid."""
        return {"type": "string", "format": "uuid", "pattern": f"^{UUID_PATTERN}$"}


class Whole(Member):
    """A whole number between `low` and `high`, both included; 5.0 is the whole number 5."""

    def __init__(self, *, low: int, high: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.low, self.high = low, high
        self.expected = f"a whole number from {low} to {high}"

    def to_internal_value(self, data: Any) -> int:
        """The number. Raises ValidationError."""
        is_number = isinstance(data, int | float) and not isinstance(data, bool)
        if not is_number or data != int(data) or not self.low <= data <= self.high:
            self.refuse()
        return int(data)

    def openapi(self) -> JsonSchema:
        """integer with its bounds."""
        return {"type": "integer", "minimum": self.low, "maximum": self.high}


class Seconds(Whole):
    """A duration in whole seconds, at most 31 days."""

    def __init__(self, *, low: int = 1, **kwargs: Any) -> None:
        super().__init__(low=low, high=MAX_SECONDS, **kwargs)


class Truth(Member):
    """true or false."""

    expected = "true or false"

    def to_internal_value(self, data: Any) -> bool:
        """The value. Raises ValidationError."""
        if not isinstance(data, bool):
            self.refuse()
        return bool(data)

    def openapi(self) -> JsonSchema:
        """boolean."""
        return {"type": "boolean"}


class Choice(Member):
    """One of a few words."""

    def __init__(self, words: list[str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.words = words
        self.expected = "one of " + ", ".join(words)

    def to_internal_value(self, data: Any) -> str:
        """The word. Raises ValidationError."""
        if not isinstance(data, str) or data not in self.words:
            self.refuse()
        return str(data)

    def openapi(self) -> JsonSchema:
        """string, enum."""
        return {"type": "string", "enum": self.words}


class Object(Member):
    """Any JSON object."""

    expected = "an object"

    def to_internal_value(self, data: Any) -> JsonSchema:
        """The object as it is. Raises ValidationError."""
        if not isinstance(data, dict):
            self.refuse()
        return dict(data)

    def openapi(self) -> JsonSchema:
        """object."""
        return {"type": "object", "additionalProperties": True}
