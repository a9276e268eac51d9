"""`rejected_when` with the real process: a success that is none is renewed and replayed, and the rest just flows."""

import asyncio
import hashlib
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

import aiohttp
import pytest
from aiohttp import web

from tests.fakes.proc import HAS_PROC
from tests.fakes.process import Proxy
from tests.fakes.served import Served
from tests.fakes.token_server import TokenServer

MIB: Final = 1024 * 1024
UPLOAD: Final = 6 * MIB
DOWNLOAD: Final = 100 * MIB
HELD_BACK: Final = 64 * 1024
EXPIRED: Final = {"error": {"code": "SESSION_EXPIRED", "text": "log in again"}}
RULES: Final = """
    - {status: 200, json: $.error.code, equals: [SESSION_EXPIRED, SESSION_UNKNOWN]}
    - {status: 403, www_authenticate: insufficient_scope, action: pass}
    - {status: [401, 403]}
    - {status: 4xx, text: "under maintenance", action: count}
"""


@dataclass
class Api(Served):
    """An API that says `200 OK` of a session that has expired."""

    issuer: TokenServer
    uploads: list[str] = field(default_factory=list)
    """Hashes of the bodies it received, in order."""
    go_on: asyncio.Event = field(default_factory=asyncio.Event)

    def app(self) -> web.Application:
        """Return what is asked for here."""
        app = web.Application(client_max_size=2 * UPLOAD)
        app.router.add_put("/upload", self.upload)
        app.router.add_get("/download", self.download)
        app.router.add_get("/scope", self.scope)
        app.router.add_get("/busy", self.busy)
        return app

    def release(self) -> None:
        """Send the rest to whoever waits for it."""
        self.go_on.set()

    def _refusal(self, request: web.Request) -> web.Response | None:
        if self.issuer.is_valid(request.headers["Authorization"].removeprefix("Bearer ")):
            return None
        response = web.json_response(EXPIRED)
        response.enable_compression(web.ContentCoding.gzip)
        return response

    async def upload(self, request: web.Request) -> web.StreamResponse:
        """Take a body."""
        digest = hashlib.sha256()
        async for piece in request.content.iter_any():
            digest.update(piece)
        self.uploads.append(digest.hexdigest())
        return self._refusal(request) or web.json_response({"sha256": digest.hexdigest()})

    async def download(self, request: web.Request) -> web.StreamResponse:
        """Send the first bytes, and the rest when told that the caller has them."""
        if refusal := self._refusal(request):
            return refusal
        response = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": str(DOWNLOAD)})
        await response.prepare(request)
        await response.write(b" " * HELD_BACK)
        await self.go_on.wait()
        for _ in range((DOWNLOAD - HELD_BACK) // HELD_BACK):
            await response.write(b" " * HELD_BACK)
        return response

    async def scope(self, _: web.Request) -> web.StreamResponse:
        """Ask for more than the account may do."""
        challenge = 'Bearer realm="a, b", error="insufficient_scope", scope="admin"'
        return web.Response(status=403, headers={"WWW-Authenticate": challenge})

    async def busy(self, _: web.Request) -> web.StreamResponse:
        """Be under maintenance, and say so in an odd way."""
        return web.Response(status=418, text="We are under maintenance.")


@asynccontextmanager
async def serving() -> AsyncIterator[tuple[Proxy, Api, aiohttp.ClientSession]]:
    async with TokenServer() as issuer, Api(issuer) as api:
        config = f"""
callers:
  anyone: {{kind: anonymous}}
credentials:
  session:
    kind: http_request
    allow_plain_http: true
    request: {{method: POST, url: '{issuer.url}'}}
    token: {{from: json, path: access_token}}
    rejected_when: {RULES}
routes:
  api: {{match: {{path: /}}, upstream: '{api.url}', callers: [anyone], credential: session}}
"""
        async with (
            Proxy(config, expected_errors=("breaker_opened",)) as proxy,
            aiohttp.ClientSession(proxy.url) as session,
        ):
            yield proxy, api, session


async def pieces() -> AsyncIterator[bytes]:
    """Yield a body that nobody knows the length of."""
    for number in range(UPLOAD // (64 * 1024)):
        yield number.to_bytes(2, "big") * (32 * 1024)


async def test_a_success_that_is_none_is_renewed_and_the_same_upload_sent_again() -> None:
    whole = b"".join([piece async for piece in pieces()])
    async with serving() as (proxy, api, session):
        for data, expected in ((pieces(), whole), (io.BytesIO(whole), whole), (b"small", b"small")):
            async with session.put("/upload", data=b"first") as answer:
                assert answer.status == 200
            api.issuer.revoke_all()
            api.uploads.clear()
            digest = hashlib.sha256(expected).hexdigest()
            async with session.put("/upload", data=data) as answer:
                assert await answer.json() == {"sha256": digest}
            assert api.uploads == [digest, digest]
        assert api.issuer.count == 4
        metrics = await proxy.metrics()
        assert metrics.of("countersign_replays_total", outcome="succeeded") == 3
        line = await proxy.line_with('"reason": "session.rejected_when[0]"')
        assert (line["status"], line["replayed"]) == (200, True)


@pytest.mark.skipif(not HAS_PROC, reason="memory is read in Linux's /proc")
async def test_a_good_answer_streams_whatever_its_length_and_only_its_beginning_is_held_back() -> None:
    async with serving() as (proxy, api, session):
        async with session.put("/upload", data=b"first") as answer:
            assert answer.status == 200
        api.issuer.revoke_all()
        proxy.reset_peak()
        before = proxy.peak_rss()
        async with session.get("/download") as answer:
            received = len(await answer.content.readexactly(HELD_BACK))
            api.go_on.set()  # not before: who waits for more than the beginning waits for ever
            async for piece in answer.content.iter_any():
                received += len(piece)
        assert received == DOWNLOAD
        assert proxy.peak_rss() - before < 16 * MIB
        assert api.issuer.count == 2


async def test_an_exception_passes_and_what_counts_opens_the_circuit() -> None:
    async with serving() as (proxy, api, session):
        async with session.get("/scope") as answer:
            assert (answer.status, "insufficient_scope" in answer.headers["WWW-Authenticate"]) == (403, True)
        for _ in range(5):
            async with session.get("/busy") as answer:
                assert (answer.status, await answer.text()) == (418, "We are under maintenance.")
        async with session.get("/busy") as answer:
            assert answer.status == 503
        assert api.issuer.count == 1
        assert (await proxy.line_with("session.rejected_when[1]"))["status"] == 403
        assert (await proxy.line_with("session.rejected_when[3]"))["status"] == 418
        metrics = await proxy.metrics()
        assert metrics.of("countersign_breaker_state", route="api") == 2
        assert metrics.of("countersign_replays_total") == 0
