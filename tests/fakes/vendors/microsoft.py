"""A stand-in for Microsoft: the token endpoint of one tenant, with an application of it, and a little of Graph."""

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Mapping
from typing import Any, Final

import jwt
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tests.fakes import keys
from tests.fakes.vendors.asserted import NotBelievedError, claims_of
from tests.fakes.vendors.vendor import Vendor, answer, bearer_of, form_of

TENANT: Final = "11111111-2222-3333-4444-555555555555"
CLIENT: Final = "66666666-7777-8888-9999-000000000000"
SECRET: Final = "a~secret.of-an/application+="
SCOPE: Final = "https://graph.microsoft.com/.default"
KEY: Final = ("rsa", 14)
LONGEST: Final = 600.0
_ASSERTION: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def thumbprint() -> str:
    """Return `x5t#S256` of the certificate that the application has uploaded."""
    certificate = x509.load_pem_x509_certificate(keys.certificate(*KEY).encode())
    return urlsafe_b64encode(hashlib.sha256(certificate.public_bytes(Encoding.DER)).digest()).decode().rstrip("=")


class Microsoft(Vendor):
    """Takes the application's secret or what its certificate's key has signed, and the scope `.default` alone."""

    def __init__(self) -> None:
        super().__init__()
        self.busy = False
        """Every request to Graph is one too many."""

    def routes(self) -> Iterable[web.RouteDef]:
        return [web.post(f"/{TENANT}/oauth2/v2.0/token", self._token), web.get("/v1.0/users", self._users)]

    async def _token(self, request: web.Request) -> web.Response:
        form = await form_of(request)
        if form.get("grant_type") != "client_credentials":
            return _refused(400, "unsupported_grant_type", 70003)
        if form.get("client_id") != CLIENT:
            return _refused(400, "unauthorized_client", 700016)
        if not form.get("scope", "").endswith("/.default"):
            return _refused(400, "invalid_scope", 1002012)
        if form.get("client_assertion_type") == _ASSERTION:
            if not self._is_signed(form):
                return _refused(401, "invalid_client", 700027)
        elif form.get("client_secret") != SECRET:
            return _refused(401, "invalid_client", 7000215)
        told = {"token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599}
        return answer({**told, "access_token": self.issue("eyJ0.")})

    def _is_signed(self, form: Mapping[str, str]) -> bool:
        assertion = form.get("client_assertion", "")
        try:
            header: Mapping[str, Any] = jwt.get_unverified_header(assertion)
            claims = claims_of(assertion, keys.key(*KEY).public_key(), "PS256", longest=LONGEST)
        except (jwt.InvalidTokenError, NotBelievedError):
            return False
        is_for_us = claims.get("aud") == f"{self.url}/{TENANT}/oauth2/v2.0/token"
        is_client = claims.get("iss") == claims.get("sub") == CLIENT
        return header.get("x5t#S256") == thumbprint() and is_for_us and is_client and bool(claims.get("jti"))

    async def _users(self, request: web.Request) -> web.Response:
        if not self.is_valid(bearer_of(request)):
            error = {
                "code": "InvalidAuthenticationToken",
                "message": "Lifetime validation failed, the token is expired.",
            }
            return answer({"error": error}, 401, WWW_Authenticate='Bearer realm=""')
        if self.busy:
            return answer({"error": {"code": "TooManyRequests", "message": "Too many"}}, 429, Retry_After="17")
        return answer({"@odata.context": "https://graph.microsoft.com/v1.0/$metadata#users", "value": []})


def _refused(status: int, error: str, code: int) -> web.Response:
    told = {"error": error, "error_description": f"AADSTS{code}: The request was refused.", "error_codes": [code]}
    return answer({**told, "timestamp": "2026-11-21 10:00:00Z", "trace_id": "t", "correlation_id": "c"}, status)
