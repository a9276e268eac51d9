"""What stand-ins for vendors share: a socket, what came in through it, and tokens that can be taken back.

In a test: `async with Zoom() as zoom: ... zoom.url`. A vendor says in `routes` which addresses it has. Whatever it
answers is written down in `visits`, in the order of the answers.
"""

import secrets
import time
from base64 import b64decode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl, unquote_plus

from aiohttp import web
from aiohttp.typedefs import Handler
from multidict import CIMultiDictProxy

from tests.fakes.served import Served

LARGEST: Final = 4 * 1024 * 1024
FORM: Final = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Visit:
    """A request that was answered."""

    method: str
    path: str
    """As it came, with its query."""
    headers: CIMultiDictProxy[str]
    body: bytes
    status: int


class Vendor(Served):
    """Listens on a loopback port while its block runs."""

    lifetime = 3600.0
    """Seconds for which a token is valid."""

    def __init__(self) -> None:
        self.visits: list[Visit] = []
        self.issued: list[str] = []
        """Every token, in order."""
        self._ends: dict[str, float] = {}

    def routes(self) -> Iterable[web.RouteDef]:
        """Return what is served where."""
        raise NotImplementedError

    def app(self) -> web.Application:
        """Return the routes, watched."""
        app = web.Application(client_max_size=LARGEST, middlewares=[self._remember])
        app.add_routes(self.routes())
        return app

    def issue(self, prefix: str = "") -> str:
        """Return a new token."""
        token = prefix + secrets.token_urlsafe(24)
        self.issued.append(token)
        self._ends[token] = time.time() + self.lifetime
        return token

    def is_valid(self, token: str) -> bool:
        """Return True for a token that was issued, has not ended and was not taken back."""
        return self._ends.get(token, 0.0) > time.time()

    def revoke_all(self) -> None:
        """Take back all tokens that were issued so far."""
        self._ends.clear()

    def statuses(self, path: str) -> list[int]:
        """Return what the requests to that path, or below it, were answered."""
        return [visit.status for visit in self.visits if visit.path.startswith(path)]

    @web.middleware
    async def _remember(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        body = await request.read()
        try:
            answer = await handler(request)
        except web.HTTPException as refused:
            answer = web.Response(status=refused.status, text=refused.text, headers=refused.headers)
        self.visits.append(Visit(request.method, request.raw_path, request.headers, body, answer.status))
        return answer


async def form_of(request: web.Request) -> Mapping[str, str]:
    """Return the fields of a form, each of which comes once; empty: it is none."""
    if request.content_type != FORM:
        return {}
    pairs = parse_qsl((await request.read()).decode("ascii"), keep_blank_values=True, strict_parsing=True)
    fields = dict(pairs)
    return fields if len(fields) == len(pairs) else {}


def basic_of(request: web.Request, *, decode: bool = False) -> tuple[str, str]:
    """Return name and password of the header Authorization; `decode`: percent-decoded, as RFC 6749 §2.3.1 has it."""
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    name, _, password = b64decode(given).decode().partition(":")
    return (unquote_plus(name), unquote_plus(password)) if decode else (name, password)


def bearer_of(request: web.Request) -> str:
    """Return the one bearer token of the request; empty: there is none, or more than one."""
    lines = request.headers.getall("Authorization", [])
    scheme, _, token = lines[0].partition(" ") if len(lines) == 1 else ("", "", "")
    return token if scheme.lower() == "bearer" else ""


def answer(document: Any, status: int = 200, **headers: str) -> web.Response:
    """Return a JSON answer; a header's name is written with underscores."""
    return web.json_response(
        document, status=status, headers={name.replace("_", "-"): value for name, value in headers.items()}
    )
