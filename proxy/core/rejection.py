"""Says whether an upstream's answer refuses the token, by rules on its status, its headers and its first bytes.

Theory. The conditions of one rule must all hold; one rule that holds suffices. Most rules name a status alone: for them
an answer costs one look into a set. A body is asked for only when nothing but the body is left to decide, and never of
a stream of events, which may say nothing for hours. What cannot be read (an unknown coding, JSON cut off by the limit)
refuses nothing: a token is renewed on evidence only.
"""

import codecs
from collections.abc import Iterable
from enum import Enum
from functools import cached_property
from typing import Annotated, Any, Final, Self

import orjson
from pydantic import AfterValidator, Field, model_validator

from proxy.core.coding import CodingError, decode
from proxy.core.headers import TOKEN
from proxy.core.json_path import JsonPath
from proxy.core.message import RawHeaders
from proxy.core.pattern import Pattern, PatternTimeoutError
from proxy.core.settings import Settings

PREFIX_LIMIT: Final = 64 * 1024
"""Bytes of a body that rules look at, before and after decompression."""

_STREAMS: Final = ("text/event-stream", "application/x-ndjson", "multipart/x-mixed-replace")
_CODINGS: Final = frozenset({"", "identity", "gzip", "x-gzip", "deflate"})
_UNREADABLE: Final = object()


def _path(text: str) -> str:
    JsonPath(text)
    return text


def _pattern(text: str) -> str:
    Pattern(text)
    return text


def _header(text: str) -> str:
    if not TOKEN.fullmatch(text.partition(":")[0]):
        raise ValueError("name a header, X-Error, or a header and its value, 'X-Error: expired'")
    return text


class RejectionSettings(Settings):
    """One sign by which an upstream shows that it refuses the token. Its conditions must all hold."""

    status: Annotated[int, Field(ge=100, le=599)] | None = None
    """The answer's status code."""
    header: Annotated[str, AfterValidator(_header)] | None = None
    """A header of the answer: `X-Error`, or with its value `X-Error: expired`."""
    json_path: Annotated[str, AfterValidator(_path)] | None = Field(default=None, alias="json")
    """A JSONPath into the answer's body; something other than null, false, 0 or an empty value stands there."""
    text: Annotated[str, AfterValidator(_pattern)] | None = None
    """A regular expression that is found in the answer's body."""
    equals: str | int | bool | None = None
    """The very value that stands at `json`, or without `json` in `header`."""

    @model_validator(mode="after")
    def _has_a_condition(self) -> Self:
        if all(condition is None for condition in (self.status, self.header, self.json_path, self.text)):
            raise ValueError("a rule needs a condition: status, header, json or text")
        if self.equals is not None and self.json_path is None:
            if self.header is None or ":" in self.header:
                raise ValueError("equals needs a json path or the name of a header to compare with")
            if not isinstance(self.equals, str):
                raise ValueError("a header's value is text: put quotes around the value of equals")
        return self


DEFAULT_RULES: Final = (RejectionSettings(status=401),)


class Verdict(Enum):
    """What status and headers say of an answer."""

    PASS = "pass"  # noqa: S105 - the answer passes
    REJECTED = "rejected"
    NEEDS_BODY = "needs_body"


class _Body:
    """A body's first bytes, read in each way at most once."""

    def __init__(self, headers: RawHeaders, prefix: bytes) -> None:
        self._coding = _coding(headers)
        self._prefix = prefix

    @cached_property
    def plain(self) -> bytes | None:
        """Without its content coding; None: unreadable."""
        try:
            return decode(self._prefix, self._coding, limit=PREFIX_LIMIT)
        except CodingError:
            return None

    @cached_property
    def text(self) -> str | None:
        """As UTF-8, odd bytes replaced."""
        return None if self.plain is None else self.plain.decode("utf-8-sig", errors="replace")

    @cached_property
    def document(self) -> Any:
        """As JSON; `_UNREADABLE` when it is none, or only the beginning of one."""
        try:
            return orjson.loads((self.plain or b"").removeprefix(codecs.BOM_UTF8))
        except orjson.JSONDecodeError:
            return _UNREADABLE


class _Rule:
    """One rule, compiled."""

    def __init__(self, settings: RejectionSettings) -> None:
        self.status = settings.status
        name, has_value, value = (settings.header or "").partition(":")
        self._name = name.lower().encode("ascii")
        self._value = value.strip() if has_value else None
        self._path = JsonPath(settings.json_path) if settings.json_path is not None else None
        self._pattern = Pattern(settings.text) if settings.text is not None else None
        self._equals = settings.equals
        if self._path is None and isinstance(settings.equals, str):
            self._value = settings.equals

    @property
    def is_plain(self) -> bool:
        """Return True for a status alone."""
        return not (self._name or self.wants_body)

    @property
    def wants_body(self) -> bool:
        return self._path is not None or self._pattern is not None

    def fits_head(self, status: int, headers: RawHeaders) -> bool:
        if self.status is not None and self.status != status:
            return False
        return not self._name or any(self._value in (None, value) for value in _values(headers, self._name))

    def fits_body(self, body: _Body) -> bool:
        if self._pattern is not None and not self._fits_text(self._pattern, body.text):
            return False
        return self._path is None or self._fits_json(self._path, body.document)

    def _fits_text(self, pattern: Pattern, text: str | None) -> bool:
        try:
            return text is not None and pattern.search(text) is not None
        except PatternTimeoutError:  # not known: no evidence
            return False

    def _fits_json(self, path: JsonPath, document: Any) -> bool:
        found = [] if document is _UNREADABLE else path.find(document)
        if self._equals is None:
            return any(found)
        return any(type(value) is type(self._equals) and value == self._equals for value in found)  # True is not 1


class Rejection:
    """The rules of one credential."""

    __slots__ = ("_plain", "_rules")

    def __init__(self, rules: Iterable[RejectionSettings] = DEFAULT_RULES) -> None:
        compiled = tuple(_Rule(rule) for rule in rules)
        self._plain = frozenset(rule.status for rule in compiled if rule.is_plain)
        self._rules = tuple(rule for rule in compiled if not rule.is_plain)

    @property
    def statuses(self) -> frozenset[int] | None:
        """The only statuses that can mean a refusal; None: any can, it depends on header lines or the body."""
        return None if self._rules else frozenset(status for status in self._plain if status is not None)

    def verdict(self, status: int, headers: RawHeaders) -> Verdict:
        """Return what an answer's head says; NEEDS_BODY: show its first bytes to `judge`."""
        if status in self._plain:
            return Verdict.REJECTED
        if not self._rules:
            return Verdict.PASS
        fitting = [rule for rule in self._rules if rule.fits_head(status, headers)]
        if not all(rule.wants_body for rule in fitting):
            return Verdict.REJECTED
        return Verdict.NEEDS_BODY if fitting and _is_readable(headers) else Verdict.PASS

    def judge(self, status: int, headers: RawHeaders, prefix: bytes) -> bool:
        """Tell whether an answer refuses the token; `prefix` is its body, or the first `PREFIX_LIMIT` bytes of it."""
        if status in self._plain:
            return True
        body = _Body(headers, prefix)
        return any(rule.fits_head(status, headers) and rule.fits_body(body) for rule in self._rules)


def _values(headers: RawHeaders, wanted: bytes) -> list[str]:
    return [value.decode("latin-1").strip() for name, value in headers if name.lower() == wanted]


def _coding(headers: RawHeaders) -> str:
    """Return the content coding in lower case (RFC 9110 §8.4)."""
    return ",".join(_values(headers, b"content-encoding")).lower()


def _is_readable(headers: RawHeaders) -> bool:
    media_types = _values(headers, b"content-type")
    return _coding(headers) in _CODINGS and not any(kind.lower().startswith(_STREAMS) for kind in media_types)
