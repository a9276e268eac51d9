"""Two strict logins and the API behind them: a challenge that wants an HMAC, and a form with a CSRF token and cookies.

In a test: `async with LoginServer() as server: ... server.knobs.status["/session"] = 503`. Nothing odd is forgiven: a
nonce works once, a refresh token works once and its second use ends the session, and each cookie has to come back.
"""

import asyncio
import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any, Final

from aiohttp import web

from proxy.core.clock import Clock, SystemClock
from tests.fakes.served import Served
from tests.fakes.until import until

USER: Final = "integration"
PASSWORD: Final = "the-password-of-the-login"


@dataclass
class Knobs:
    """How the next requests are answered."""

    lifetime: int = 300
    """Seconds that an issued token lives."""
    status: dict[str, int] = field(default_factory=dict)
    """Statuses by path, in place of an answer."""
    body: dict[str, Any] = field(default_factory=dict)
    """JSON bodies by path, in place of the usual ones; what they stand for has happened."""
    drop: set[str] = field(default_factory=set)
    """Paths whose answers are lost, after what they stand for has happened."""
    with_mfa: bool = False
    """The challenge also asks for a second factor."""


@dataclass
class Session:
    """What one login began."""

    refresh_token: str
    tokens: list[str] = field(default_factory=list)
    alive: bool = True


class LoginServer(Served):
    """Listens on a loopback port while its block runs."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock: Clock = clock or SystemClock()
        self.knobs = Knobs()
        self.visits: list[str] = []
        """Method and path of everything that arrived, in order."""
        self.refusals: list[str] = []
        """Why something was refused."""
        self.sessions: list[Session] = []
        self.api_visits: list[dict[str, str]] = []
        """The headers of what the API answered with 200."""
        self.page = ""
        """What the login page says; empty: the usual."""
        self._held: dict[str, asyncio.Event] = {}
        self._nonces: set[str] = set()
        self._spent: dict[str, Session] = {}
        self._valid_until: dict[str, float] = {}
        self._pages: set[tuple[str, str]] = set()
        """Cookie and CSRF token of each login page that was shown."""
        self._signed_in: dict[str, tuple[str, str]] = {}
        """By session cookie: the other cookie that belongs to it, and its CSRF token."""

    def app(self) -> web.Application:
        """Return the logins and the API."""
        app = web.Application(middlewares=[self._watch])
        app.router.add_post("/challenge", self._challenge)
        app.router.add_post("/mfa", self._mfa)
        app.router.add_post("/session", self._session)
        app.router.add_post("/renew", self._renew)
        app.router.add_get("/app/login", self._page)
        app.router.add_post("/app/login", self._login)
        app.router.add_get("/app/token", self._csrf)
        app.router.add_route("*", "/api/{rest:.*}", self._api)
        app.router.add_route("*", "/odata/{rest:.*}", self._odata)
        return app

    def hold(self, path: str) -> None:
        """Let requests to that path arrive and wait, until `release`."""
        self._held[path] = asyncio.Event()

    def release(self) -> None:
        """Answer the requests that wait, and all later ones."""
        for event in self._held.values():
            event.set()
        self._held.clear()

    async def arrived(self, path: str) -> None:
        """Return once somebody has asked for that path."""
        await until(lambda: any(visit.endswith(f" {path}") for visit in self.visits))

    @property
    def tokens(self) -> list[str]:
        """Return every token that was issued, in order."""
        return [token for session in self.sessions for token in session.tokens]

    def expire(self) -> None:
        """Make every token issued so far worthless."""
        self._valid_until.clear()

    def end_sessions(self) -> None:
        """Forget who is signed in: neither token nor refresh token nor cookie is good any more."""
        self.expire()
        self._signed_in.clear()
        for session in self.sessions:
            session.alive = False

    @web.middleware
    async def _watch(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.visits.append(f"{request.method} {request.path}")
        if (held := self._held.get(request.path)) is not None:
            await held.wait()
        if (status := self.knobs.status.get(request.path)) is not None:
            return web.json_response({"error": "knob"}, status=status)
        response: web.StreamResponse = await handler(request)
        if request.path in self.knobs.drop and request.transport is not None:
            request.transport.close()
        elif request.path in self.knobs.body:
            response = web.json_response(self.knobs.body[request.path])
        response.headers["Date"] = formatdate(self.clock.now(), usegmt=True)
        return response

    def _refuse(self, why: str, status: int = 401) -> web.Response:
        self.refusals.append(why)
        return web.json_response({"error": why}, status=status)

    # The challenge

    async def _challenge(self, request: web.Request) -> web.Response:
        asked = await request.json()
        if asked.get("user") != USER:
            return self._refuse("unknown user")
        nonce = secrets.token_hex(8)
        self._nonces.add(nonce)
        return web.json_response({"nonce": nonce, **({"mfa": "totp"} if self.knobs.with_mfa else {})})

    async def _mfa(self, request: web.Request) -> web.Response:
        return web.json_response({"proof": "mfa-passed"})

    async def _session(self, request: web.Request) -> web.Response:
        asked = await request.json()
        nonce = asked.get("nonce", "")
        if nonce not in self._nonces:
            return self._refuse("nonce unknown or used")
        self._nonces.discard(nonce)
        expected = hmac.new(PASSWORD.encode(), nonce.encode(), hashlib.sha256).hexdigest()
        if not hmac.compare_digest(asked.get("answer", ""), expected):
            return self._refuse("wrong answer")
        if self.knobs.with_mfa and asked.get("proof") != "mfa-passed":
            return self._refuse("no second factor")
        session = Session(secrets.token_hex(8))
        self.sessions.append(session)
        return self._issue(session)

    async def _renew(self, request: web.Request) -> web.Response:
        given = (await request.json()).get("refresh_token", "")
        if (punished := self._spent.get(given)) is not None:
            punished.alive = False
            return self._refuse("refresh token used twice")
        session = next((one for one in self.sessions if one.refresh_token == given and one.alive), None)
        if session is None:
            return self._refuse("session over")
        self._spent[given] = session
        session.refresh_token = secrets.token_hex(8)
        return self._issue(session)

    def _issue(self, session: Session) -> web.Response:
        token = secrets.token_hex(16)
        session.tokens.append(token)
        self._valid_until[token] = self.clock.now() + self.knobs.lifetime
        answer = {"token": token, "refresh": session.refresh_token, "tenant": "acme", "ttl": self.knobs.lifetime}
        return web.json_response(answer)

    async def _api(self, request: web.Request) -> web.Response:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if self._valid_until.get(token, 0.0) <= self.clock.now():
            return self._refuse("token not valid")
        self.api_visits.append(dict(request.headers))
        return web.json_response({"path": request.path})

    # The form

    async def _page(self, request: web.Request) -> web.Response:
        page, csrf = secrets.token_hex(8), secrets.token_hex(8)
        self._pages.add((page, csrf))
        text = self.page or f'<form><input type="hidden" name="csrf" value="{csrf}"></form>'
        response = web.Response(text=text, content_type="text/html")
        response.set_cookie("page", page, path="/app")
        return response

    async def _login(self, request: web.Request) -> web.Response:
        form = await request.post()
        shown = (request.cookies.get("page", ""), str(form.get("csrf", "")))
        if shown not in self._pages:
            return self._refuse("no such page, or another's csrf token", 403)
        self._pages.discard(shown)
        if (form.get("user"), form.get("password")) != (USER, PASSWORD):
            return web.Response(text="<form>again</form>", content_type="text/html")
        session, node = secrets.token_hex(8), secrets.token_hex(4)
        self._signed_in[session] = (node, secrets.token_hex(8))
        response = web.Response(status=302, headers={"Location": "/app/home"})
        response.set_cookie("session", session, path="/", httponly=True)
        response.set_cookie("node", node, path="/")
        response.del_cookie("page", path="/app")
        return response

    def _who(self, request: web.Request) -> tuple[str, str] | None:
        found = self._signed_in.get(request.cookies.get("session", ""))
        return found if found is not None and request.cookies.get("node") == found[0] else None

    async def _csrf(self, request: web.Request) -> web.Response:
        found = self._who(request)
        if found is None:
            return web.Response(status=302, headers={"Location": "/app/login"})
        if request.headers.get("X-CSRF-Token") != "Fetch":
            return self._refuse("no csrf token was asked for", 400)
        return web.json_response({"user": USER}, headers={"X-CSRF-Token": found[1]})

    async def _odata(self, request: web.Request) -> web.Response:
        found = self._who(request)
        if found is None:
            return self._refuse("not signed in, or a cookie is missing")
        if request.headers.get("X-CSRF-Token") != found[1]:
            return web.json_response({}, status=403, headers={"X-CSRF-Token": "Required"})
        self.api_visits.append(dict(request.headers))
        return web.json_response({"path": request.path})
