"""An OpenID provider at which a person signs in by one call: codes with PKCE, ID tokens, keys, revocation.

In a test: `async with SignInServer(clock) as server: url = server.consent(address)`, where `address` is that of an
authorization request; what comes back is where the person's browser is sent. The knobs of `AuthorizationServer` hold.
"""

import asyncio
import hashlib
import json
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
from aiohttp import web

from tests.fakes import keys
from tests.fakes.authorization_server import AuthorizationServer, Visit
from tests.fakes.token_server import Request

PERSON: Final = "person-1"
KEY_ID: Final = "the-key"


@dataclass
class Consent:
    """What a person has agreed to."""

    client: str
    redirect_uri: str
    challenge: str
    nonce: str | None
    scope: str
    is_used: bool = False


class SignInServer(AuthorizationServer):
    """Listens on a loopback port while its block runs."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.consents: dict[str, Consent] = {}
        """By code."""
        self.asked: list[dict[str, str]] = []
        """Authorization requests, in order."""
        self.claims: dict[str, Any] = {}
        """Put into ID tokens; None takes a claim out."""
        self.sign = sign
        """Makes an ID token of claims."""
        self.revocations: list[dict[str, str]] = []
        """What `/revoke` was sent."""
        self.revocation_status = 200
        self.refuses_to_revoke: set[str] = set()
        """Tokens of these types `/revoke` does not take back."""
        self.revoking = asyncio.Event()
        """`/revoke` answers while this is set."""
        self.revoking.set()

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        self.knobs.metadata = {
            "authorization_endpoint": f"{self.base}/authorize",
            "revocation_endpoint": f"{self.base}/revoke",
            "jwks_uri": f"{self.base}/jwks",
            "authorization_response_iss_parameter_supported": True,
        }
        return self

    def consent(self, address: str, **changed: str | None) -> str:
        """Return where a person is sent who agrees to that request; `changed` are parameters of the answer."""
        said = {name: values[0] for name, values in parse_qs(urlsplit(address).query, strict_parsing=True).items()}
        self.asked.append(said)
        assert (said["response_type"], said["code_challenge_method"]) == ("code", "S256")
        code = secrets.token_urlsafe(16)
        self.consents[code] = Consent(
            said["client_id"], said["redirect_uri"], said["code_challenge"], said.get("nonce"), said.get("scope", "")
        )
        answer = {"code": code, "state": said["state"], "iss": self.issuer, **changed}
        return (
            f"{said['redirect_uri']}?{urlencode({name: value for name, value in answer.items() if value is not None})}"
        )

    def _serve(self, router: web.UrlDispatcher) -> None:
        super()._serve(router)
        router.add_get("/jwks", self._jwks)
        router.add_post("/revoke", self._take_back)

    def _decide(self, request: Request) -> tuple[int, dict[str, Any]]:
        form = {name: values[0] for name, values in parse_qs(request.body.decode(), strict_parsing=True).items()}
        if form.get("grant_type") != "authorization_code":
            return super()._decide(request)
        if self._is_failing():
            return self.knobs.status, {"error": self.knobs.error or "unavailable"}
        proof, is_proven = self._prove(request, form)
        outcome, status, answer = (
            self._redeem(form) if is_proven else ("invalid_client", 401, {"error": "invalid_client"})
        )
        self.visits.append(Visit("authorization_code", outcome, form, proof))
        return status, answer

    def _redeem(self, form: Mapping[str, str]) -> tuple[str, int, dict[str, Any]]:
        consent = self.consents.get(form.get("code", ""))
        challenge = urlsafe_b64encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest()).rstrip(b"=")
        if consent is None or consent.is_used or consent.redirect_uri != form.get("redirect_uri"):
            return "unknown", 400, {"error": "invalid_grant"}
        if consent.challenge != challenge.decode():
            return "unknown", 400, {"error": "invalid_grant"}
        consent.is_used = True
        self.grant()
        answer = self._bundle(self.chains[-1])
        if "openid" in consent.scope.split():
            answer["id_token"] = self.sign(self._claims(consent))
        return "issued", 200, answer

    def _claims(self, consent: Consent) -> dict[str, Any]:
        now = self.clock.now()
        usual = {"iss": self.issuer, "aud": consent.client, "sub": PERSON, "nonce": consent.nonce}
        claims = usual | {"iat": int(now), "exp": int(now) + 300} | self.claims
        return {name: value for name, value in claims.items() if value is not None}

    async def _jwks(self, _: web.Request) -> web.Response:
        public = json.loads(keys.jwk("rsa", kid=KEY_ID, use="sig", alg="RS256"))
        known = {name: public[name] for name in ("kty", "n", "e", "kid", "use", "alg")}
        return web.json_response({"keys": [known]})

    async def _take_back(self, request: web.Request) -> web.Response:
        self.revocations.append({name: str(value) for name, value in (await request.post()).items()})
        await self.revoking.wait()
        refused = self.revocations[-1]["token_type_hint"] in self.refuses_to_revoke
        return web.Response(status=400 if refused else self.revocation_status)


def sign(claims: Mapping[str, Any]) -> str:
    """Return an ID token that is signed as it should be."""
    return jwt.encode(dict(claims), keys.pem("rsa"), "RS256", {"kid": KEY_ID})
