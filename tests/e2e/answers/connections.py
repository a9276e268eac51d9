"""When and how an answer comes and a connection ends (RFC 9112 §9): early, late, in drops, never, or for nobody."""

import asyncio
from typing import Final

from tests.e2e.answers.case import ABORTED, NEXT, Case, broken, exact, next_ones, ok
from tests.fakes import raw_server
from tests.fakes.raw_server import OK, Link, head, request, send

LENGTH: Final = b"Content-Length: 3"
FINAL: Final = ok(LENGTH, body=b"abc")
CHUNKS: Final = ok(b"Transfer-Encoding: chunked", body=b"1\r\na\r\n2;x=y\r\nbc\r\n0\r\n\r\n")
REFUSAL: Final = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nabc"
UNREACHABLE: Final = "upstream-unreachable"
TIMEOUT: Final = "upstream-timeout"
QUICK: Final = "timeouts: {response: 1500ms, idle: 1500ms, keepalive: 60s}"
UPLOAD: Final = b"POST /a HTTP/1.1\r\nHost: {h}\r\nContent-Length: 3000000\r\n\r\n" + b"x" * 3_000_000
KEPT: Final = (request(1), send(OK), request(2))
"""The steps that make a connection a used one, up to the request of the case."""


async def never(link: Link) -> None:
    """Say nothing until the other side gives up."""
    await link.ended.wait()


async def drip(link: Link) -> None:
    """Send a head that never ends, a byte at a time."""
    for byte in b"HTTP/1.1 200 OK\r\nX-Drip: " + b"x" * 10_000:
        await link.send(bytes([byte]))
        await asyncio.sleep(0.02)


async def interim_drip(link: Link) -> None:
    """Send interim answers for ever, slowly."""
    while True:
        await link.send(b"HTTP/1.1 102 Processing\r\n\r\n")
        await asyncio.sleep(0.1)


def _quiet(name: str, data: bytes, *outcomes: int) -> Case:
    return broken(name, data, never, *outcomes, code=TIMEOUT, route=QUICK)


def _reused(name: str, method: str, outcomes: tuple[int, ...], upstream_requests: int, body: bytes | None) -> Case:
    steps = (*KEPT, raw_server.close)
    return Case(
        f"race-{name}",
        steps,
        outcomes,
        body,
        code=UNREACHABLE,
        method=method,
        reused=None,
        warm=True,
        upstream_requests=upstream_requests,
    )


CASES: Final = (
    *(
        Case(
            f"split-{name}",
            (request(), send(data, split=range(1, len(data)), pause=0), next_ones),
            (200,),
            b"abc",
            reused=True,
        )
        for name, data in (("length", FINAL), ("chunks", CHUNKS))
    ),
    Case(
        "slow-but-steady",
        (request(), send(CHUNKS, split=range(CHUNKS.index(b"1\r\na"), len(CHUNKS), 5), pause=0.5), next_ones),
        (200,),
        b"abc",
        reused=True,
        route=QUICK,
    ),
    Case(
        "idle-poison",
        (request(), send(FINAL), send(b""), send(ok(b"Content-Length: 6", body=b"poison")), next_ones),
        (200,),
        b"abc",
    ),
    Case(
        "idle-poison-later",
        (request(), send(FINAL), send(ok(b"Content-Length: 6", body=b"poison"), split=(0,), pause=0.1), next_ones),
        (200,),
        b"abc",
    ),
    Case(
        "idle-poison-of-one-byte",
        (request(), send(FINAL + b"H", split=(len(FINAL),), pause=0.1), next_ones),
        (200,),
        b"abc",
    ),
    Case(
        "idle-408",
        (
            request(),
            send(FINAL + b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n", split=(len(FINAL),), pause=0.1),
            raw_server.close,
        ),
        (200,),
        b"abc",
    ),
    Case(
        "early-answer-then-close",
        (head(), send(REFUSAL), raw_server.finish),
        (413,),
        b"abc",
        method="POST",
        request=UPLOAD,
    ),
    Case(
        "early-answer-keeps-reading",
        (head(), send(REFUSAL), next_ones),
        (413,),
        b"abc",
        method="POST",
        request=UPLOAD,
        reused=None,
    ),
    Case(
        "early-answer-of-unknown-length",
        (head(), send(b"HTTP/1.1 413 No\r\n\r\nabc"), raw_server.finish),
        (413,),
        b"abc",
        method="POST",
        request=UPLOAD,
    ),
    # With bytes unread, the server's close is a reset, which may overtake its answer.
    Case(
        "early-answer-then-reset",
        (head(), send(REFUSAL), raw_server.close),
        (413, 502, ABORTED),
        code=UNREACHABLE,
        method="POST",
        request=UPLOAD,
    ),
    broken("closed-before-an-answer", b"", raw_server.close, 502, code=UNREACHABLE),
    broken("reset-before-an-answer", b"", raw_server.reset, 502, code=UNREACHABLE),
    broken("closed-in-the-status-line", b"HTTP/1.1 20", raw_server.close, 502, code=UNREACHABLE),
    broken("closed-in-the-head", b"HTTP/1.1 200 OK\r\nContent-Le", raw_server.close, 502, code=UNREACHABLE),
    broken("reset-in-the-head", b"HTTP/1.1 200 OK\r\nContent-Le", raw_server.reset, 502, code=UNREACHABLE),
    broken(
        "closed-behind-an-interim-answer", b"HTTP/1.1 100 Continue\r\n\r\n", raw_server.close, 502, code=UNREACHABLE
    ),
    Case(
        "reset-in-the-body",
        (request(), send(ok(b"Content-Length: 9", body=b"abc")), send(b"", split=(0,), pause=0.1), raw_server.reset),
        (ABORTED,),
    ),
    Case(
        "reset-in-a-body-until-close",
        (request(), send(ok(body=b"abc")), send(b"", split=(0,), pause=0.1), raw_server.reset),
        (ABORTED,),
    ),
    _quiet("silence", b"", 504),
    _quiet("silence-in-the-head", b"HTTP/1.1 200 OK\r\nX: ", 504),
    _quiet("silence-behind-an-interim-answer", b"HTTP/1.1 100 Continue\r\n\r\n", 504),
    _quiet("silence-in-the-body", ok(b"Content-Length: 9", body=b"abc"), ABORTED),
    _quiet("silence-in-chunks", ok(b"Transfer-Encoding: chunked", body=b"3\r\nabc\r\n"), ABORTED),
    Case("drip-in-the-head", (request(), drip), (504,), code=TIMEOUT, route=QUICK),
    Case("drip-of-interim-answers", (request(), interim_drip), (504,), code=TIMEOUT, route=QUICK, interim=None),
    _reused("get", "GET", (200,), 2, b"next"),
    _reused("head", "HEAD", (200,), 2, b""),
    _reused("put", "PUT", (200,), 2, b"next"),
    _reused("delete", "DELETE", (200,), 2, b"next"),
    _reused("options", "OPTIONS", (200,), 2, b"next"),
    _reused("post", "POST", (502,), 1, None),
    _reused("patch", "PATCH", (502,), 1, None),
    Case(
        "race-but-half-an-answer", (*KEPT, send(b"HTTP/1.1 2"), raw_server.close), (502,), code=UNREACHABLE, warm=True
    ),
    Case("race-reset", (*KEPT, raw_server.reset), (200,), b"next", warm=True, upstream_requests=2),
    exact("next-answer-is-next", FINAL, b"abc"),
)

assert NEXT != FINAL
