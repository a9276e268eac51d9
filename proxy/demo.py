"""A small API with a token endpoint, to try Countersign on: `countersign demo`.

`POST /token` gives `demo` with the secret `demo-secret` a token for 300 s (`?expires_in=10`: for ten). `/hello` and
`/echo` want a living one. `POST /revoke` kills all of them, so that a renewal can be watched.
"""

import asyncio
import hashlib
import secrets
import signal
from typing import Final

from aiohttp import hdrs, web

from proxy.core.clock import Clock, SystemClock

CLIENT_ID: Final = "demo"
CLIENT_SECRET: Final = "demo-secret"  # noqa: S105 - it guards nothing, and the documentation names it
LIFETIME: Final = 300
_LONGEST: Final = 86_400


def demo_app(clock: Clock) -> web.Application:
    """Return the demo API, with no token issued yet."""
    demo = _Demo(clock)
    app = web.Application()
    app.router.add_post("/token", demo.token)
    app.router.add_post("/revoke", demo.revoke)
    app.router.add_route(hdrs.METH_ANY, "/hello", demo.hello)
    app.router.add_route(hdrs.METH_ANY, "/echo", demo.echo)
    return app


async def serve(host: str, port: int) -> None:
    """Serve the demo API until the process is told to stop.

    Raises:
        OSError: the address cannot be listened on.
    """
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    runner = web.AppRunner(demo_app(SystemClock()), access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        for signum in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(signum, stopping.set)
        await stopping.wait()
    finally:
        for signum in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(signum)
        await runner.cleanup()


class _Demo:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._expiries: dict[str, float] = {}

    async def token(self, request: web.Request) -> web.Response:
        """Give a token to whoever knows the demo's secret; refuse as RFC 6749 §5.2 says."""
        form = await request.post()
        lifetime = request.query.get("expires_in", str(LIFETIME))
        if not (lifetime.isascii() and lifetime.isdigit() and 0 < int(lifetime[:9]) <= _LONGEST):
            return _refusal(400, "invalid_request", f"expires_in is a number of seconds from 1 to {_LONGEST}")
        if "client_id" not in form or "client_secret" not in form:
            return _refusal(400, "invalid_request", "client_id and client_secret are required")
        if (form["client_id"], form["client_secret"]) != (CLIENT_ID, CLIENT_SECRET):
            return _refusal(401, "invalid_client", f"the client is {CLIENT_ID}, its secret {CLIENT_SECRET}")
        token = self._issue(int(lifetime))
        return web.json_response(
            {"access_token": token, "token_type": "Bearer", "expires_in": int(lifetime)},
            headers={"Cache-Control": "no-store"},
        )

    async def revoke(self, _: web.Request) -> web.Response:
        """Kill every token."""
        living = sum(expiry > self._clock.now() for expiry in self._expiries.values())
        self._expiries.clear()
        return web.json_response({"revoked": living})

    async def hello(self, request: web.Request) -> web.Response:
        """Greet whoever has a living token."""
        if not self._is_signed(request):
            return _unsigned()
        return web.json_response({"hello": "you are signed in"})

    async def echo(self, request: web.Request) -> web.Response:
        """Say what arrived: the names of its headers, never their values."""
        if not self._is_signed(request):
            return _unsigned()
        digest, size = hashlib.sha256(), 0
        async for chunk in request.content.iter_any():
            digest.update(chunk)
            size += len(chunk)
        return web.json_response(
            {
                "method": request.method,
                "path": request.raw_path,
                "headers": [name.decode("latin-1") for name, _ in request.raw_headers],
                "body_bytes": size,
                "body_sha256": digest.hexdigest(),
            }
        )

    def _issue(self, lifetime: int) -> str:
        now = self._clock.now()
        self._expiries = {token: expiry for token, expiry in self._expiries.items() if expiry > now}
        token = secrets.token_urlsafe(24)
        self._expiries[token] = now + lifetime
        return token

    def _is_signed(self, request: web.Request) -> bool:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        return scheme.lower() == "bearer" and self._expiries.get(token, 0.0) > self._clock.now()


def _refusal(status: int, error: str, description: str) -> web.Response:
    return web.json_response({"error": error, "error_description": description}, status=status)


def _unsigned() -> web.Response:
    response = _refusal(401, "invalid_token", "send a living token of POST /token as Authorization: Bearer")
    response.headers["WWW-Authenticate"] = 'Bearer error="invalid_token"'
    return response
