"""The messages that pass through: what a caller sent, what a token adds, what a token endpoint replied."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from proxy.core import http_date
from proxy.core.tailored import Tailored

RawHeaders = Iterable[tuple[bytes, bytes]]
"""Header lines as they stood on the wire: order, case and bytes untouched."""


class RequestHead(NamedTuple):
    """A request without its body, byte for byte as the caller sent it, after `receive` has found it sound."""

    method: str
    path: str
    """The raw path: percent-encoding untouched, latin-1 text, without the query."""
    query: str
    """The raw query with its leading `?`, or empty."""
    host: str
    """Lower case, without port; empty when the caller sent none (HTTP/1.0)."""
    headers: tuple[tuple[bytes, bytes], ...]
    fields: Mapping[str, str]
    """The same header lines by case-insensitive name; the first of several wins."""
    peer: str
    """Address of the caller's socket; empty for a Unix socket."""

    def __repr__(self) -> str:
        return f"<RequestHead {self.method}>"  # header lines, path and query may hold secrets


@dataclass(frozen=True, slots=True)
class Injection:
    """What one token adds to a request. Rendered once per generation, then only concatenated."""

    lines: bytes = field(default=b"", repr=False)
    """Whole header lines, each ending in CRLF."""
    replaces: frozenset[bytes] = frozenset()
    """Lower-case names of headers whose copies from the caller are dropped."""
    query: bytes = field(default=b"", repr=False)
    """Parameters to append, percent-encoded, joined by `&`, without a leading separator."""
    query_names: frozenset[bytes] = frozenset()
    """Percent-decoded names of query parameters whose copies from the caller are dropped."""
    cookies: tuple[tuple[bytes, bytes], ...] = field(default=(), repr=False)
    """Cookies to set."""
    cookie_names: frozenset[bytes] = frozenset()
    """Names of cookies whose copies from the caller are dropped."""
    tailored: Tailored | None = None
    """What has to look at each request; None: nothing, and the rest is all there is."""

    def joined(self, other: "Injection") -> "Injection":
        """Return both, this one's parts first."""
        return Injection(
            self.lines + other.lines,
            _both(self.replaces, other.replaces),
            self.query + b"&" + other.query if self.query and other.query else self.query or other.query,
            _both(self.query_names, other.query_names),
            self.cookies + other.cookies,
            _both(self.cookie_names, other.cookie_names),
            other.tailored if self.tailored is None else self.tailored.joined(other.tailored),
        )


def _both(one: frozenset[bytes], other: frozenset[bytes]) -> frozenset[bytes]:
    """Return what is in either: the very set, if the other is empty, so that many injections share it."""
    return one | other if one and other else one or other


NOTHING: Final = Injection()

CLOCK_TOLERANCE: Final = 2.0
"""Seconds by which clocks may seem to differ while they agree: a Date has whole seconds, and its reply travelled."""
_AGE: Final = re.compile(r"[0-9]{1,10}", re.ASCII)
_MAX_AGE: Final = re.compile(r"(?:^|[,\s])max-age=\"?([0-9]{1,9})")
_MEDIA_TYPE: Final = re.compile(r"[a-z0-9.+-]{1,60}/[a-z0-9.+-]{1,60}|no content-type")


@dataclass(frozen=True, slots=True)
class Reply:
    """The bounded answer of a token endpoint."""

    status: int
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    body: bytes = field(repr=False)
    received_at: float
    """Unix seconds on our clock."""

    def header(self, name: str) -> str | None:
        """Return the first value of that header, or None."""
        wanted = name.lower()
        return next((value for key, value in self.headers if key.lower() == wanted), None)

    @property
    def age(self) -> float:
        """Return how many seconds the reply lay in caches on its way (RFC 9111 §5.1); 0 when it does not say."""
        given = (self.header("Age") or "").partition(",")[0].strip()
        return float(given) if _AGE.fullmatch(given) else 0.0

    @property
    def max_age(self) -> float | None:
        """Return for how many more seconds it may be kept (RFC 9111 §5.2.2.1); None: it does not say."""
        told = _MAX_AGE.search((self.header("Cache-Control") or "").lower())
        return None if told is None else max(0.0, float(told[1]) - self.age)

    @property
    def clock_offset(self) -> float | None:
        """Return by how many seconds the sender's clock was ahead of ours when the reply was received.

        Its `Date` (RFC 9110 §6.6.1) is what that clock showed when the reply was made, which is its age ago. A
        difference within `CLOCK_TOLERANCE` is none. None: there is no Date, it is malformed, or there are several.
        """
        dates = [value for key, value in self.headers if key.lower() == "date"]
        date = http_date.read(dates[0], self.received_at) if len(dates) == 1 else None
        if date is None:
            return None
        offset = date + self.age - self.received_at
        return offset if abs(offset) > CLOCK_TOLERANCE else 0.0

    @property
    def media_type(self) -> str:
        """Return the Content-Type as a message may repeat it: without parameters, and only when it is one."""
        given = (self.header("Content-Type") or "no content-type").partition(";")[0].strip().lower()
        return given if _MEDIA_TYPE.fullmatch(given) else "an odd Content-Type"

    def text(self) -> str:
        """Return the body as text: UTF-8 with or without a byte order mark; odd bytes are replaced."""
        return self.body.decode("utf-8-sig", errors="replace")
