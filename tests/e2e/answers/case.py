"""One raw answer and what becomes of it: the caller gets it exactly or an honest failure, and the next one works."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from tests.fakes import raw_server
from tests.fakes.raw_server import Link, Step, request, send

NEXT: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnext"
"""The answer to the request that follows: whoever gets it knows that nothing of the case was left over."""
ABORTED: Final = 0
"""Stands in place of a status: the caller's connection is cut before the answer is whole."""

Line = tuple[bytes, bytes]


@dataclass(frozen=True)
class Case:
    """One row of the table."""

    name: str
    steps: Sequence[Step]
    """What happens on the upstream's first connection."""
    outcomes: tuple[int, ...]
    """The statuses that the caller may get; several where the size of the reads decides."""
    body: bytes | None = None
    """The body that the caller gets; None: a problem document."""
    code: str = "upstream-protocol"
    """The code of the problem document."""
    reused: bool | None = False
    """Whether the next request comes on the same connection to the upstream; None: either."""
    has: tuple[Line, ...] = ()
    """Header lines that the caller gets, byte for byte."""
    lacks: tuple[bytes, ...] = ()
    """Names that the caller does not get, in lower case."""
    interim: tuple[int, ...] | None = ()
    """The 1xx answers that the caller gets before the final one; None: whichever."""
    method: str = "GET"
    request: bytes = b""
    """The caller's request; empty: a plain one of that method."""
    warm: bool = False
    """True: one request is answered before, so that the connection to the upstream has been used."""
    version: bytes = b"HTTP/1.1"
    """The version that the caller speaks."""
    route: str = "timeouts: {keepalive: 60s}"
    """More settings of the case's route, in YAML's flow style. Connections are kept: what closes one is the case."""
    upstream_requests: int = 1
    """How many requests the upstream receives for this one."""


def following(answered: int) -> Step:
    """Answer what else is asked on this connection, behind that many requests."""

    async def step(link: Link) -> None:
        number = answered
        while True:
            number += 1
            await link.until(lambda: len(link.requests) >= number)  # noqa: B023 - awaited before the number grows
            await link.send(NEXT)

    return step


next_ones: Final = following(1)


def answer(status_line: bytes, *lines: bytes, body: bytes = b"") -> bytes:
    """Return an answer of these lines."""
    return b"\r\n".join([status_line, *lines, b"", b""]) + body


def ok(*lines: bytes, body: bytes = b"") -> bytes:
    """Return an answer of status 200 with these lines."""
    return answer(b"HTTP/1.1 200 OK", *lines, body=body)


def exact(name: str, data: bytes, body: bytes, status: int = 200, **more: Any) -> Case:
    """Return the case of an answer that the caller gets as it is, over a connection that is used again."""
    return Case(name, (request(), send(data), next_ones), (status,), body, **{"reused": True, **more})


def last(name: str, data: bytes, body: bytes, status: int = 200, **more: Any) -> Case:
    """Return the case of an answer that the caller gets as it is, over a connection that is not used again."""
    return exact(name, data, body, status, **{"reused": False, **more})


def ended(name: str, data: bytes, body: bytes, status: int = 200, **more: Any) -> Case:
    """Return the case of an answer that the end of the connection ends, and that the caller gets as it is."""
    steps = (request(), send(data), raw_server.close)
    return replace(last(name, data, body, status, **more), steps=steps)


def unsound(name: str, data: bytes, **more: Any) -> Case:
    """Return the case of an answer that the caller must not get."""
    return Case(name, (request(), send(data), next_ones), (502,), **more)


def broken(name: str, data: bytes, end: Step, *outcomes: int, **more: Any) -> Case:
    """Return the case of an answer that breaks off in the given way."""
    return Case(name, (request(), send(data), end), outcomes, **more)
