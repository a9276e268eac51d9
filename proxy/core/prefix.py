"""The first bytes of an upstream's answer, as rules look at them: decompressed, as text, as JSON, each at most once."""

import codecs
from functools import cached_property
from typing import Any, Final

import orjson

from proxy.core.coding import CodingError, decode
from proxy.core.message import RawHeaders

LIMIT: Final = 64 * 1024
"""Bytes that are looked at, before and after decompression."""
UNREADABLE: Final = object()
"""In the place of a document: there is none."""

_STREAMS: Final = ("text/event-stream", "application/x-ndjson", "multipart/x-mixed-replace")
_CODINGS: Final = frozenset({"", "identity", "gzip", "x-gzip", "deflate"})


class Prefix:
    """A body's first bytes; None: an answer that cannot have a body, of which nothing can be read."""

    def __init__(self, headers: RawHeaders, given: bytes | None) -> None:
        self._headers = headers
        self._given = given
        self.is_given_up = False
        """True: a search in it took too long. No other is begun: many slow rules shall hold nobody up for longer."""

    @cached_property
    def plain(self) -> bytes | None:
        """Without its content coding; None: unreadable."""
        if self._given is None:
            return None
        try:
            return decode(self._given, _coding(self._headers), limit=LIMIT)
        except CodingError:
            return None

    @cached_property
    def text(self) -> str | None:
        """As UTF-8, odd bytes replaced; None: unreadable."""
        return None if self.plain is None else self.plain.decode("utf-8-sig", errors="replace")

    @cached_property
    def document(self) -> Any:
        """As JSON; `UNREADABLE` when it is none, or only the beginning of one."""
        try:
            return orjson.loads((self.plain or b"").removeprefix(codecs.BOM_UTF8))
        except orjson.JSONDecodeError:
            return UNREADABLE


def is_stream(headers: RawHeaders) -> bool:
    """Return whether the body is of a kind that may pause for hours between two pieces."""
    return any(kind.lower().startswith(_STREAMS) for kind in values_of(headers, b"content-type"))


def is_readable(headers: RawHeaders) -> bool:
    """Return whether the body is in a coding that can be undone."""
    return _coding(headers) in _CODINGS


def values_of(headers: RawHeaders, wanted: bytes) -> list[str]:
    """Return what stands in each header line of that lower-case name."""
    return [value.decode("latin-1").strip() for name, value in headers if name.lower() == wanted]


def _coding(headers: RawHeaders) -> str:
    """Return the content coding in lower case (RFC 9110 §8.4)."""
    return ",".join(values_of(headers, b"content-encoding")).lower()
