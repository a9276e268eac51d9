"""A service that makes a link for each person: they agree there, come back with a code, and that buys a token.

In a test: `async with ConsentServer() as server: … server.url`. The link is a whole address, as the service spells it,
and `server.link` puts another one in its place. A code and a renewal work once.
"""

import secrets
from typing import Any, Final
from urllib.parse import urlencode

from aiohttp import web

from tests.fakes.served import Served

KEY: Final = "the-key-of-the-client"


class ConsentServer(Served):
    """Listens on a loopback port while its block runs."""

    def __init__(self) -> None:
        self.link: str | None = None
        """What `/link` says instead of an address of our own."""
        self.opened: list[str] = []
        """The links at which people have agreed."""
        self.refusals: list[str] = []
        """Why something was refused."""
        self.redeemed: list[dict[str, Any]] = []
        """What `/redeem` was sent that it took."""
        self._asked: dict[str, dict[str, Any]] = {}
        self._codes: set[str] = set()
        self._renewals: set[str] = set()
        self._tokens: set[str] = set()

    def app(self) -> web.Application:
        """Return the service and its API."""
        app = web.Application()
        app.router.add_post("/link", self._link)
        app.router.add_get("/consent/{id}", self._agree)
        app.router.add_post("/redeem", self._redeem)
        app.router.add_post("/renew", self._renew)
        app.router.add_get("/api/{rest:.*}", self._api)
        return app

    def end_tokens(self) -> None:
        """Let no token be good any more."""
        self._tokens.clear()

    async def _link(self, request: web.Request) -> web.Response:
        said = await request.json()
        if said.get("key") != KEY:
            return self._refused("/link: the key is wrong")
        consent = secrets.token_hex(8)
        self._asked[consent] = said
        return web.json_response({"url": self.link or f"{self.url}/consent/{consent}?lang=en&x=%2Fy#top"})

    async def _agree(self, request: web.Request) -> web.Response:
        asked = self._asked.pop(request.match_info["id"])
        self.opened.append(request.path_qs)
        code = secrets.token_hex(8)
        self._codes.add(code)
        back = urlencode({"state": asked["state"], "code": code})
        return web.Response(status=302, headers={"Location": f"{asked['back']}?{back}"})

    async def _redeem(self, request: web.Request) -> web.Response:
        said = await request.json()
        if said.get("key") != KEY or said.get("code") not in self._codes:
            return self._refused("/redeem: the key or the code is wrong")
        self._codes.remove(said["code"])
        self.redeemed.append(said)
        return self._issued()

    async def _renew(self, request: web.Request) -> web.Response:
        renewal = (await request.json()).get("renewal")
        if renewal not in self._renewals:
            return self._refused("/renew: this renewal is not known")
        self._renewals.remove(renewal)
        return self._issued()

    async def _api(self, request: web.Request) -> web.Response:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if token not in self._tokens:
            return self._refused("/api: the token is not good", status=401)
        return web.json_response({"path": request.path, "token": token})

    def _issued(self) -> web.Response:
        token, renewal = secrets.token_hex(16), secrets.token_hex(16)
        self._tokens.add(token)
        self._renewals.add(renewal)
        return web.json_response({"token": token, "renewal": renewal, "ttl": 300})

    def _refused(self, why: str, *, status: int = 400) -> web.Response:
        self.refusals.append(why)
        return web.json_response({"error": "invalid"}, status=status)
