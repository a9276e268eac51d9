"""`Expect: 100-continue` (RFC 9110 §10.1.1): a body comes when we want it, and never from a caller whom we refuse."""

import hashlib
import json
from collections.abc import AsyncIterator

import pytest

from tests.fakes.process import Proxy, Swift, free_ports
from tests.fakes.raw_client import RawClient
from tests.fakes.raw_server import RawServer, head, send

KEY = "csk-a-key-of-one-of-our-services"
EARLY = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nabc"


def config(server: RawServer, early: RawServer) -> str:
    digest = hashlib.sha256(KEY.encode()).hexdigest()
    request = f"request: {{method: POST, url: 'http://127.0.0.1:{free_ports(1)[0]}/'}}, token: {{from: json, path: t}}"
    return f"""
callers:
  anyone: {{kind: anonymous}}
  service: {{kind: api_key, keys: ['sha256:{digest}']}}
credentials:
  key: {{kind: text, value: the-token-of-the-api}}
  dead: {{kind: http_request, allow_plain_http: true, {request}}}
routes:
  open:
    {{match: {{path: /open/}}, upstream: '{server.url}', callers: [anyone], credential: key, limits: {{body: 1MiB}}}}
  private: {{match: {{path: /private/}}, upstream: '{server.url}', callers: [service], credential: key}}
  tokenless: {{match: {{path: /tokenless/}}, upstream: '{server.url}', callers: [anyone], credential: dead}}
  early: {{match: {{path: /early/}}, upstream: '{early.url}', callers: [anyone], credential: key}}
"""


@pytest.fixture
async def server() -> AsyncIterator[RawServer]:
    async with RawServer() as server:
        yield server


@pytest.fixture
async def proxy(server: RawServer) -> AsyncIterator[Proxy]:
    async with RawServer([[head(), send(EARLY)]]) as early, Swift(config(server, early)) as proxy:
        yield proxy


def post(path: str, *lines: str) -> bytes:
    """Return the head of a POST that expects to be told to go on."""
    return "\r\n".join([f"POST {path} HTTP/1.1", "Host: x", "Expect: 100-continue", *lines, "", ""]).encode()


@pytest.mark.parametrize(
    ("framing", "body"),
    [
        ("Content-Length: 3", b"abc"),
        ("Content-Length: 500000", b"x" * 500_000),
        ("Transfer-Encoding: chunked", b"3\r\nabc\r\n0\r\n\r\n"),
    ],
)
async def test_a_body_comes_when_it_is_asked_for(proxy: Proxy, server: RawServer, framing: str, body: bytes) -> None:
    async with RawClient(proxy.port) as caller:
        await caller.send(post("/open/a", framing))
        await caller.interim(100)
        await caller.send(body)
        answer = await caller.answer()
        assert (answer.status, answer.body, answer.interim) == (200, b"ok", ())
        await caller.send(b"GET /open/b HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await caller.answer()).body == b"ok"
    assert [one.target for one in server.requests] == [b"/a", b"/b"]
    assert server.requests[0].body == (b"abc" if len(body) < 100 else body)
    assert server.requests[0].one("Expect") is None
    assert not server.faults


@pytest.mark.parametrize(
    ("path", "length", "status", "code"),
    [
        ("/private/a", 3, 401, "caller-unauthenticated"),
        ("/nowhere/a", 3, 404, "route-not-found"),
        ("/open/../a", 3, 400, "request-invalid"),
        ("/open/a", 2_000_000, 413, "request-too-large"),
    ],
)
async def test_whoever_is_refused_is_not_asked_for_the_body(
    proxy: Proxy, server: RawServer, path: str, length: int, status: int, code: str
) -> None:
    async with RawClient(proxy.port) as caller:
        await caller.send(post(path, f"Content-Length: {length}"))
        answer = await caller.answer()
        assert (answer.status, answer.interim) == (status, ())
        assert json.loads(answer.body)["type"].endswith(f"/{code}")
        # Whether a body follows now is up to the caller (RFC 9110 §10.1.1): nothing behind it can be read for certain.
        assert answer.header("Connection") == b"close"
        assert await caller.rest() == b""
    assert server.received == b""


async def test_a_body_that_streams_is_not_asked_for_without_a_token(proxy: Proxy, server: RawServer) -> None:
    async with RawClient(proxy.port) as caller:
        await caller.send(post("/tokenless/a", "Transfer-Encoding: chunked"))
        answer = await caller.answer()
        assert (answer.status, answer.interim) == (502, ())
        assert json.loads(answer.body)["reason"] == "network"
        assert await caller.rest() == b""
    assert server.received == b""


async def test_an_answer_that_comes_early_ends_the_connection_whose_body_was_not_read(proxy: Proxy) -> None:
    async with RawClient(proxy.port) as caller:
        await caller.send(post("/early/a", "Transfer-Encoding: chunked"))
        answer = await caller.answer()
        assert (answer.status, answer.body) == (413, b"abc")
        assert answer.header("Connection") == b"close"
        assert await caller.rest() == b""
