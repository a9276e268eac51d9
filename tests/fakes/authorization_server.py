"""A real OAuth 2 token endpoint that rotates refresh tokens and sees a theft in their reuse, and an API behind it.

In a test: `async with AuthorizationServer() as server: first = server.grant(); server.knobs.grace = 30`. `/token` knows
the clients in `server.clients` and `server.client_keys`, and the grants `refresh_token`, `client_credentials`,
`password`, JWT bearer (`server.asserters`) and token exchange (`server.subjects`); what is signed is verified. Its
metadata stand below `/.well-known`. `/api/...` answers to those who bring a token that is valid now. As a process of
its own: `python -m tests.fakes.authorization_server --port 9000`, where `POST /_grant` begins a chain, and with the
knobs behind `POST /_knobs`.

Theory: refresh tokens form chains, each begun by `grant`. Within a chain one refresh token is the newest; the others
are spent. To spend the newest one is a synchronous step, so two requests never spend the same one.
"""

import asyncio
import secrets
from base64 import b64decode
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any, Final
from urllib.parse import parse_qs, unquote_plus

from aiohttp import web

from tests.fakes.assertions import Judge, RefusedError, said
from tests.fakes.keys import ALGORITHMS
from tests.fakes.token_server import Knobs, Request, TokenServer, main

CLIENT: Final = "the-client"
SECRET: Final = "a-client-secret:with/odd+marks %"
"""What only those can send in a Basic header who encode it first (RFC 6749 §2.3.1)."""
USER: Final = ("ada", "the-password-of-ada")
JWT_BEARER: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
TOKEN_EXCHANGE: Final = "urn:ietf:params:oauth:grant-type:token-exchange"
ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ASYMMETRIC: Final = frozenset(ALGORITHMS)
SYMMETRIC: Final = frozenset({"HS256", "HS384", "HS512"})


@dataclass
class AuthorizationKnobs(Knobs):
    """How the next requests to `/token` are answered. `status` or `error` make it fail, `failures` times."""

    error: str = ""
    """The `error` of failing answers; with `status` 200 as GitHub says it."""
    rotates: bool = True
    """False: a refresh token stays good, and answers hold none."""
    detects_reuse: bool = True
    """True: a spent refresh token revokes its whole chain, access tokens and all (RFC 9700 §4.14.2)."""
    grace: float = 0.0
    """Seconds in which a spent refresh token brings once more what it brought, its successor not being spent."""
    lost: int = 0
    """How many answers are lost on the way: what was sent is spent, the connection closes without an answer."""
    members: dict[str, Any] = field(default_factory=dict)
    """Put into successful answers; None takes a member out."""
    proof: str = ""
    """The only way in which clients may prove themselves; empty: any."""
    metadata: dict[str, Any] = field(default_factory=dict)
    """Put into the issuer's metadata; None takes a member out."""
    metadata_at: str = "/.well-known/openid-configuration"
    """Where the metadata stand."""
    metadata_headers: dict[str, str] = field(default_factory=dict)
    metadata_status: int = 200
    moved: bool = False
    """True: the token endpoint is `/elsewhere`, and at `/token` there is nothing."""


@dataclass
class Chain:
    """What came of one grant."""

    newest: str
    is_revoked: bool = False
    refresh_tokens: list[str] = field(default_factory=list)
    """All of them in order, the newest included."""
    access_tokens: list[str] = field(default_factory=list)
    spent: dict[str, tuple[float, dict[str, Any]]] = field(default_factory=dict)
    """When each was spent, and what for."""


@dataclass(frozen=True)
class Visit:
    """A request to `/token` that was understood, and what became of it."""

    grant: str
    outcome: str
    """issued, repeated, reused, unknown, invalid_client, failed or unsupported."""
    form: Mapping[str, str]
    proof: str
    """How the client proved itself: basic, post, private_key_jwt, client_secret_jwt, mtls or none."""


class AuthorizationServer(TokenServer):
    """Listens on a loopback port while its block runs."""

    knobs: AuthorizationKnobs

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.knobs = AuthorizationKnobs()
        self.clients: dict[str, str | None] = {CLIENT: SECRET, "public-client": None}
        """Secrets by client id; None: a public client."""
        self.client_keys: dict[str, Any] = {}
        """Public keys by the id of the client that signs with them."""
        self.certified: set[str] = set()
        """Ids of clients that show a certificate."""
        self.asserters: dict[str, Any] = {}
        """Public keys by the `iss` of those who sign for others."""
        self.subjects: dict[str, str] = {}
        """Types of tokens that may be exchanged, by token."""
        self.judge = Judge()
        self.metadata_requests: list[str] = []
        """The paths at which metadata were asked for, in order."""
        self.visits: list[Visit] = []
        """Everything that `/token` was asked, in the order in which it was decided."""
        self.counts: Counter[tuple[str, str]] = Counter()
        """Visits by grant and outcome."""
        self.api_counts: Counter[int] = Counter()
        """Answers of the API by status."""
        self.chains: list[Chain] = []
        self._chain_of: dict[str, Chain] = {}
        self._shows_certificate = False
        self._may_answer = asyncio.Event()
        self._may_answer.set()
        self._decision = asyncio.Event()

    @property
    def api(self) -> str:
        """Return the address below which the API is."""
        return f"{self.base}/api"

    @property
    def issuer(self) -> str:
        """Return what the server calls itself."""
        return self.base

    @property
    def elsewhere(self) -> str:
        """Return the address of the token endpoint once it has moved."""
        return f"{self.base}/elsewhere"

    def grant(self) -> str:
        """Begin a chain, as if somebody had consented; return its first refresh token."""
        chain = Chain(newest="")
        self.chains.append(chain)
        return self._next_of(chain)

    def revoke(self, access_token: str) -> None:
        """Make one access token worthless; what it came of goes on."""
        self._valid_until.pop(access_token, None)

    def revoke_chain(self, refresh_token: str) -> None:
        """Make everything worthless that came of the grant."""
        chain = self._chain_of[refresh_token]
        chain.is_revoked = True
        for access_token in chain.access_tokens:
            self.revoke(access_token)

    def is_alive(self, refresh_token: str) -> bool:
        """Return whether the grant that the refresh token came of can still be used by somebody."""
        return not self._chain_of[refresh_token].is_revoked

    def hold_answers(self) -> None:
        """Let requests be decided, and what they bring be spent, and wait with the answers until `release`."""
        self._may_answer.clear()

    def release(self) -> None:
        """Let everything go on that `hold` or `hold_answers` keeps."""
        super().release()
        self._may_answer.set()

    async def decided(self, count: int) -> None:
        """Return once that many requests have been decided, whether their answers have left or not."""
        while len(self.visits) < count:
            self._decision.clear()
            await self._decision.wait()

    # The token endpoint

    def _serve(self, router: web.UrlDispatcher) -> None:
        super()._serve(router)
        router.add_post("/_grant", self._begin)
        router.add_post("/elsewhere", self._token)
        router.add_get("/.well-known/{rest:.*}", self._metadata)
        router.add_get("/{tenant}/.well-known/{rest:.*}", self._metadata)
        router.add_route("*", "/api/{rest:.*}", self._api)

    async def _token(self, request: web.Request) -> web.StreamResponse:
        received = await self._receive(request)
        if self.knobs.drop:
            return self._hang_up(request)
        if self.knobs.moved and request.path == "/token":
            return web.Response(status=404)
        transport = request.transport
        self._shows_certificate = bool(transport and transport.get_extra_info("peercert"))
        status, answer = self._decide(received)
        await self._may_answer.wait()
        if self.knobs.lost > 0 and status == 200:
            self.knobs.lost -= 1
            return self._hang_up(request)
        return self._dated(self._respond(status, answer))

    def _decide(self, request: Request) -> tuple[int, dict[str, Any]]:
        form = {name: values[0] for name, values in parse_qs(request.body.decode(), strict_parsing=True).items()}
        grant = form.get("grant_type", "")
        proof, is_proven = self._prove(request, form)
        answer: dict[str, Any]
        if self._is_failing():
            outcome, status, answer = "failed", self.knobs.status, {"error": self.knobs.error or "unavailable"}
        elif not is_proven:
            outcome, status, answer = "invalid_client", 401, {"error": "invalid_client"}
        elif grant == "refresh_token":
            outcome, status, answer = self._refresh(form.get("refresh_token", ""))
        elif grant == "client_credentials":
            outcome, status, answer = "issued", 200, self._bundle(None)
        elif grant == "password" and (form.get("username"), form.get("password")) == USER:
            self.grant()
            outcome, status, answer = "issued", 200, self._bundle(self.chains[-1])
        elif grant == "password":
            outcome, status, answer = "unknown", 400, {"error": "invalid_grant"}
        elif grant == JWT_BEARER:
            outcome, status, answer = self._assertion(form.get("assertion", ""))
        elif grant == TOKEN_EXCHANGE:
            outcome, status, answer = self._exchange(form)
        else:
            outcome, status, answer = "unsupported", 400, {"error": "unsupported_grant_type"}
        self.visits.append(Visit(grant, outcome, form, proof))
        self.counts[grant, outcome] += 1
        self._decision.set()
        return status, answer

    def _is_failing(self) -> bool:
        if self.knobs.error and self.knobs.status == 200 and self.knobs.failures != 0:
            self.knobs.failures = max(-1, self.knobs.failures - 1)
            return True
        return super()._is_failing()

    def _refresh(self, refresh_token: str) -> tuple[str, int, dict[str, Any]]:
        chain = self._chain_of.get(refresh_token)
        refusal = {"error": "invalid_grant", "error_description": f"{refresh_token} is not good"}
        if chain is None or chain.is_revoked:
            return "unknown", 400, refusal
        if refresh_token == chain.newest:
            if self.knobs.rotates:
                self._next_of(chain)
            answer = self._bundle(chain)
            if self.knobs.rotates:
                chain.spent[refresh_token] = (self.clock.now(), answer)
            return "issued", 200, answer
        at, answer = chain.spent[refresh_token]
        if self.clock.now() < at + self.knobs.grace and answer["refresh_token"] == chain.newest:
            return "repeated", 200, answer
        if self.knobs.detects_reuse:
            self.revoke_chain(refresh_token)
        return "reused", 400, refusal

    def _assertion(self, assertion: str) -> tuple[str, int, dict[str, Any]]:
        key = self.asserters.get(said(assertion).get("iss", ""))
        try:
            self.judge.judge(assertion, key, ASYMMETRIC, {self.url, self.elsewhere}, self._now())
        except RefusedError as error:
            return "unknown", 400, {"error": "invalid_grant", "error_description": str(error)}
        return "issued", 200, self._bundle(None)

    def _exchange(self, form: Mapping[str, str]) -> tuple[str, int, dict[str, Any]]:
        if self.subjects.get(form.get("subject_token", "")) != form.get("subject_token_type"):
            return "unknown", 400, {"error": "invalid_request"}
        if ("actor_token" in form) is not ("actor_token_type" in form):
            return "unknown", 400, {"error": "invalid_request"}
        requested = form.get("requested_token_type", "urn:ietf:params:oauth:token-type:access_token")
        return "issued", 200, {"issued_token_type": requested, **self._bundle(None)}

    # Who asks

    def _prove(self, request: Request, form: Mapping[str, str]) -> tuple[str, bool]:
        """Return how the client proved itself, and whether it did."""
        client, secret, proof = _client(request, form)
        if proof == "assertion":
            proof, is_proven = self._prove_by_assertion(form)
        elif self._shows_certificate and client in self.certified:
            proof, is_proven = "mtls", True
        elif not client and form.get("grant_type") in {JWT_BEARER, TOKEN_EXCHANGE, "password"}:
            is_proven = True
        else:
            is_proven = client in self.clients and (self.clients[client] or "") == secret
        return proof, is_proven and self.knobs.proof in {"", proof}

    def _prove_by_assertion(self, form: Mapping[str, str]) -> tuple[str, bool]:
        assertion = form.get("client_assertion", "")
        claims = said(assertion)
        client = claims.get("sub", "")
        key, secret = self.client_keys.get(client), self.clients.get(client)
        proof = "client_secret_jwt" if key is None else "private_key_jwt"
        if form.get("client_assertion_type") != ASSERTION_TYPE or not client or claims.get("iss") != client:
            return proof, False
        if form.get("client_id", client) != client or (key is None and not secret):
            return proof, False
        algorithms = SYMMETRIC if key is None else ASYMMETRIC
        try:
            self.judge.judge(assertion, key or secret, algorithms, {self.url, self.elsewhere, self.issuer}, self._now())
        except RefusedError:
            return proof, False
        return proof, True

    def _now(self) -> float:
        return self.clock.now() + self.knobs.date_offset

    def _next_of(self, chain: Chain) -> str:
        chain.newest = f"refresh-{secrets.token_urlsafe(16)}"
        chain.refresh_tokens.append(chain.newest)
        self._chain_of[chain.newest] = chain
        return chain.newest

    def _bundle(self, chain: Chain | None) -> dict[str, Any]:
        token, _ = self._issue()
        answer: dict[str, Any] = {
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": self.knobs.lifetime,
            "refresh_token": None,
        }
        if chain is not None:
            chain.access_tokens.append(token)
            answer["refresh_token"] = chain.newest if self.knobs.rotates else None
        return {name: value for name, value in (answer | self.knobs.members).items() if value is not None}

    async def _metadata(self, request: web.Request) -> web.Response:
        self.metadata_requests.append(request.path)
        if request.path != self.knobs.metadata_at:
            return web.Response(status=404)
        said = {
            "issuer": self.issuer,
            "token_endpoint": self.elsewhere if self.knobs.moved else self.url,
            **self.knobs.metadata,
        }
        said = {name: value for name, value in said.items() if value is not None}
        return web.json_response(said, status=self.knobs.metadata_status, headers=self.knobs.metadata_headers)

    def _dated(self, response: web.Response) -> web.Response:
        date = formatdate(self.clock.now() + self.knobs.date_offset, usegmt=True)
        response.headers.setdefault("Date", date)
        return response

    async def _begin(self, _: web.Request) -> web.Response:
        return web.json_response({"refresh_token": self.grant()})

    # The API

    async def _api(self, request: web.Request) -> web.Response:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        is_let_in = scheme.lower() == "bearer" and self.is_valid(token)
        self.api_counts[200 if is_let_in else 401] += 1
        if is_let_in:
            return web.json_response({"path": request.path, "received": len(await request.read())})
        challenge = 'Bearer realm="api", error="invalid_token"'
        return web.json_response({"error": "invalid_token"}, status=401, headers={"WWW-Authenticate": challenge})


def _client(request: Request, form: Mapping[str, str]) -> tuple[str, str, str]:
    """Return the client's id and secret, and how it sent them."""
    scheme, _, pair = request.headers.get("Authorization", "").partition(" ")
    if scheme == "Basic":
        client, _, secret = b64decode(pair).decode("ascii").partition(":")
        return unquote_plus(client), unquote_plus(secret), "basic"
    if "client_assertion" in form:
        return "", "", "assertion"
    secret = form.get("client_secret", "")
    return form.get("client_id", ""), secret, "post" if secret else "none"


if __name__ == "__main__":
    main(AuthorizationServer)
