"""A real token endpoint with knobs: it issues tokens, revokes them at will, and misbehaves on demand.

In a test: `async with TokenServer() as server: ... server.knobs.status = 503`. As a process of its own:
`python -m tests.fakes.token_server --port 9000`, with the same knobs behind `POST /_knobs`.
"""

import argparse
import asyncio
import json
import secrets
import ssl
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from email.utils import formatdate
from typing import Any

import jwt
from aiohttp import web

from proxy.core.clock import Clock, SystemClock
from tests.fakes.served import Served


@dataclass
class Knobs:
    """How the next requests to `/token` are answered."""

    lifetime: float = 300
    """Seconds that an issued token lives."""
    delay: float = 0.0
    """Seconds before the answer, on the server's clock."""
    status: int = 200
    failures: int = -1
    """How many requests get a `status` other than 200 before all is well again; -1: every one."""
    body: str | None = None
    """Sent in place of the answer; None: the usual one."""
    content_type: str | None = None
    """None: application/json."""
    headers: dict[str, str] = field(default_factory=dict)
    """Added to every answer."""
    drop: bool = False
    """True: the connection is closed without an answer."""
    token_key: str = "access_token"
    """The key of the token in the answer; empty: the bare token as text."""
    expiry_key: str = "expires_in"
    """The key of the expiry in the answer; empty: none is sent."""
    expiry_type: str = "seconds"
    """seconds, milliseconds, datetime, epoch, epoch_ms, or jwt: inside the token, which then is a JWT."""
    date_offset: float = 0.0
    """By how many seconds the clock is ahead that `Date`, absolute expiries and JWTs are written by."""


@dataclass(frozen=True)
class Request:
    """One request that `/token` received."""

    method: str
    path_qs: str
    headers: dict[str, str]
    body: bytes
    serial: str = ""
    """Of the client's certificate, in upper-case hexadecimal digits; empty: it showed none."""


class TokenServer(Served):
    """Listens on a loopback port while its block runs."""

    notices_who_leaves = True

    def __init__(self, clock: Clock | None = None, *, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        self.clock: Clock = clock or SystemClock()
        self.knobs = Knobs()
        self.requests: list[Request] = []
        """Everything `/token` received, in order."""
        self.issued: list[str] = []
        """Every token value handed out, in order."""
        self.port = port
        self.tls = tls
        self._valid_until: dict[str, float] = {}
        self._open = asyncio.Event()
        self._open.set()
        self._arrival = asyncio.Event()

    @property
    def url(self) -> str:
        """Return the token endpoint's address."""
        return f"{self.base}/token"

    @property
    def count(self) -> int:
        """Return how many requests `/token` received."""
        return len(self.requests)

    def hold(self) -> None:
        """Let requests arrive and wait, until `release`."""
        self._open.clear()

    def release(self) -> None:
        """Answer the requests that wait, and all later ones."""
        self._open.set()

    async def arrived(self, count: int) -> None:
        """Return once `/token` has received that many requests."""
        while self.count < count:
            self._arrival.clear()
            await self._arrival.wait()

    def revoke_all(self) -> None:
        """Make every token issued so far worthless."""
        self._valid_until.clear()

    def is_valid(self, token: str) -> bool:
        """Return whether the token was issued here and lives."""
        return self._valid_until.get(token, 0.0) > self.clock.now()

    def app(self) -> web.Application:
        """Return the token endpoint, and what turns its knobs."""
        app = web.Application()
        self._serve(app.router)
        app.router.add_get("/_count", self._count)
        app.router.add_get("/_valid", self._check)
        app.router.add_post("/_revoke", self._revoke)
        app.router.add_post("/_knobs", self._turn)
        return app

    def _serve(self, router: web.UrlDispatcher) -> None:
        router.add_route("*", "/token", self._token)

    async def _token(self, request: web.Request) -> web.StreamResponse:
        await self._receive(request)
        if self.knobs.drop:
            return self._hang_up(request)
        return self._fail() if self._is_failing() else self._answer()

    async def _receive(self, request: web.Request) -> Request:
        shown = request.get_extra_info("peercert") or {}
        sent = await request.read()
        serial = shown.get("serialNumber", "")
        received = Request(request.method, request.path_qs, dict(request.headers), sent, serial)
        self.requests.append(received)
        self._arrival.set()
        await self._open.wait()
        if self.knobs.delay:
            await self.clock.sleep(self.knobs.delay)
        return received

    @staticmethod
    def _hang_up(request: web.Request) -> web.Response:
        if request.transport is not None:
            request.transport.close()
        return web.Response()

    def _is_failing(self) -> bool:
        if self.knobs.status == 200 or self.knobs.failures == 0:
            return False
        self.knobs.failures = max(-1, self.knobs.failures - 1)
        return True

    def _fail(self) -> web.Response:
        return self._respond(self.knobs.status, {"error": "unavailable"})

    def _answer(self) -> web.Response:
        token, expires_at = self._issue()
        if not self.knobs.token_key:
            return self._respond(200, token)
        answer: dict[str, Any] = {self.knobs.token_key: token, "token_type": "Bearer"}
        if self.knobs.expiry_key and self.knobs.expiry_type != "jwt":
            answer[self.knobs.expiry_key] = self._expiry(expires_at)
        return self._respond(200, answer)

    def _respond(self, status: int, answer: dict[str, Any] | str) -> web.Response:
        knobs = self.knobs
        text, content_type = (
            (answer, "text/plain") if isinstance(answer, str) else (json.dumps(answer), "application/json")
        )
        return web.Response(
            status=status,
            text=text if knobs.body is None else knobs.body,
            headers={
                "Date": formatdate(self.clock.now() + knobs.date_offset, usegmt=True),
                "Content-Type": knobs.content_type or content_type,
                **knobs.headers,
            },
        )

    def _issue(self) -> tuple[str, float]:
        expires_at = self.clock.now() + self.knobs.lifetime
        token = secrets.token_hex(16)
        if self.knobs.expiry_type == "jwt":
            exp = int(expires_at + self.knobs.date_offset)
            token = jwt.encode({"exp": exp, "jti": token}, "k" * 32, algorithm="HS256")
        self._valid_until[token] = expires_at
        self.issued.append(token)
        return token, expires_at

    def _expiry(self, expires_at: float) -> float | str:
        said = expires_at + self.knobs.date_offset
        spellings: dict[str, float | str] = {
            "seconds": self.knobs.lifetime,
            "milliseconds": self.knobs.lifetime * 1000,
            "epoch": said,
            "epoch_ms": said * 1000,
            "datetime": datetime.fromtimestamp(said, UTC).isoformat(),
        }
        return spellings[self.knobs.expiry_type]

    async def _count(self, _: web.Request) -> web.Response:
        return web.json_response({"requests": self.count, "issued": len(self.issued)})

    async def _check(self, request: web.Request) -> web.Response:
        """Answer 200 or 401 for `?token=`, or else for the bearer token: what nginx's auth_request asks."""
        token = request.query.get("token") or request.headers.get("Authorization", "").removeprefix("Bearer ")
        return web.Response(status=200 if self.is_valid(token) else 401)

    async def _revoke(self, _: web.Request) -> web.Response:
        self.revoke_all()
        return web.Response(status=204)

    async def _turn(self, request: web.Request) -> web.Response:
        turned = await request.json()
        if unknown := set(turned) - {knob.name for knob in fields(self.knobs)}:
            return web.json_response({"unknown": sorted(unknown)}, status=400)
        for name, value in turned.items():
            setattr(self.knobs, name, value)
        return web.json_response(asdict(self.knobs))


async def serve(server: TokenServer) -> None:
    """Serve until cancelled; prints one line once it listens."""
    async with server:
        print(f"token server on {server.base}", flush=True)  # noqa: T201 - whoever started the process waits for it
        await asyncio.Event().wait()


def main(kind: type[TokenServer]) -> None:
    """Be a process."""
    parser = argparse.ArgumentParser(description=kind.__doc__)
    parser.add_argument("--port", type=int, default=9000)
    asyncio.run(serve(kind(port=parser.parse_args().port)))


if __name__ == "__main__":
    main(TokenServer)
