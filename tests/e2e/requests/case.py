"""One raw request and what must become of it: the caller's answers, what the upstream receives, the connection's end.

`{h}` in a request stands for the host that leads to the case's own upstream, `{H}` for the same in capitals.
"""

from dataclasses import dataclass
from typing import Any, Final

KEEP: Final = "keep"
CLOSE: Final = "close"

Line = tuple[bytes, bytes]


@dataclass(frozen=True)
class Arrival:
    """A request as the upstream must receive it, apart from the header lines that every request has."""

    target: bytes
    body: bytes = b""
    method: str = "GET"


@dataclass(frozen=True)
class Case:
    """One row of the table."""

    name: str
    data: bytes
    answers: tuple[int, ...]
    """The statuses of the final answers, in order."""
    arrives: tuple[Arrival, ...] = ()
    """What the upstream receives, in order; one for each answer that came from there."""
    then: str | None = KEEP
    """What becomes of the caller's connection; None: either."""
    early: bool = False
    """True: bytes behind the first request are wrong, and whoever reads them at once may refuse the whole read."""
    truncated: bool = False
    """True: the request does not end, and the caller then closes its direction; there may be no answer at all."""
    code: str = "request-invalid"
    """The code of the refusals among the answers."""
    interim: tuple[int, ...] | None = ()
    """The 1xx answers before the first final one; None: either way."""
    method: str = "GET"
    """The method by which the answers are read."""
    has: tuple[Line, ...] = ()
    """Header lines that arrive, byte for byte."""
    lacks: tuple[bytes, ...] = ()
    """Names that do not arrive, in lower case."""
    route: str = ""
    """More settings of the case's route, in YAML's flow style."""


def head(target: bytes = b"/a", *lines: bytes, method: bytes = b"GET", version: bytes = b"HTTP/1.1") -> bytes:
    """Return a request head with a sound Host and these header lines."""
    return b"\r\n".join([method + b" " + target + b" " + version, b"Host: {h}", *lines, b"", b""])


def post(*lines: bytes, body: bytes = b"", version: bytes = b"HTTP/1.1") -> bytes:
    """Return a POST with these header lines and, after the head, these bytes."""
    return head(b"/a", *lines, method=b"POST", version=version) + body


def chunked(body: bytes, *lines: bytes) -> bytes:
    """Return a POST with `Transfer-Encoding: chunked` and these bytes after the head."""
    return post(*lines, b"Transfer-Encoding: chunked", body=body)


def refused(name: str, data: bytes, status: int = 400, **more: Any) -> Case:
    """Return the case of a request that is refused, never arrives, and costs the connection."""
    return Case(name, data, (status,), **{"then": CLOSE, **more})


def passed(name: str, data: bytes, target: bytes = b"/a", **more: Any) -> Case:
    """Return the case of a GET that arrives with that target and is answered."""
    method = more.pop("arrival_method", "GET")
    body = more.pop("body", b"")
    return Case(name, data, (200,), (Arrival(target, body, method),), **more)


def posted(name: str, data: bytes, body: bytes, **more: Any) -> Case:
    """Return the case of a POST of `/a` that arrives with that body and is answered."""
    return passed(name, data, body=body, arrival_method="POST", **more)
