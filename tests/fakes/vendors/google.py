"""A stand-in for Google: the token endpoint for one service account, and the storage API that its tokens open."""

from collections.abc import Iterable
from typing import Any, Final

import jwt
from aiohttp import web

from tests.fakes import keys
from tests.fakes.vendors.asserted import NotBelievedError, claims_of
from tests.fakes.vendors.vendor import Vendor, answer, bearer_of, form_of

ACCOUNT: Final = "robot@a-project.iam.gserviceaccount.com"
SCOPE: Final = "https://www.googleapis.com/auth/devstorage.read_only"
KEY: Final = ("rsa", 13)
KEY_ID: Final = "0f1e2d3c4b5a69788796a5b4c3d2e1f000112233"
HOUR: Final = 3600.0
_JWT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"


class Google(Vendor):
    """Believes what the account's key has signed for it, for an hour at most."""

    def __init__(self) -> None:
        super().__init__()
        self.asserted: list[dict[str, Any]] = []
        """The claims that were believed."""

    def routes(self) -> Iterable[web.RouteDef]:
        return [web.post("/token", self._token), web.get("/storage/v1/b/{bucket}", self._bucket)]

    async def _token(self, request: web.Request) -> web.Response:
        form = await form_of(request)
        if form.get("grant_type") != _JWT:
            return _refused("unsupported_grant_type", "Invalid grant_type")
        try:
            if jwt.get_unverified_header(form["assertion"]).get("kid") != KEY_ID:
                return _refused("invalid_grant", "Invalid JWT Signature.")
            claims = claims_of(form["assertion"], keys.key(*KEY).public_key(), "RS256", longest=HOUR)
        except jwt.InvalidTokenError:
            return _refused("invalid_request", "Bad Request")
        except NotBelievedError as error:
            told = "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe."
            return _refused("invalid_grant", told if str(error) in {"exp", "iat"} else "Invalid JWT Signature.")
        if claims.get("iss") != ACCOUNT or "sub" in claims:
            return _refused("invalid_grant", "Invalid email or User ID")
        if claims.get("aud") != f"{self.url}/token":
            return _refused("invalid_grant", "Invalid JWT: Failed audience check.")
        if claims.get("scope") != SCOPE:  # of those in the form, it takes no notice
            return _refused("invalid_scope", "Invalid OAuth scope or ID token audience provided.")
        self.asserted.append(claims)
        return answer({"access_token": self.issue("ya29.c."), "expires_in": 3599, "token_type": "Bearer"})

    async def _bucket(self, request: web.Request) -> web.Response:
        if not self.is_valid(bearer_of(request)):
            told = "Request had invalid authentication credentials. Expected OAuth 2 access token."
            error = {"error": {"code": 401, "message": told, "status": "UNAUTHENTICATED"}}
            return answer(error, 401, WWW_Authenticate='Bearer realm="https://accounts.google.com/"')
        return answer({"kind": "storage#bucket", "name": request.match_info["bucket"]})


def _refused(error: str, why: str) -> web.Response:
    return answer({"error": error, "error_description": why}, 400)
