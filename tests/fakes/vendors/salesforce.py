"""A stand-in for Salesforce: an org with its My Domain, an app with a secret and a certificate, and a little REST.

It says nothing of how long a token lives, and ends sessions when it likes: `revoke_all`.
"""

from collections.abc import Iterable
from typing import Any, Final

from aiohttp import web

from tests.fakes import keys
from tests.fakes.vendors.asserted import NotBelievedError, claims_of, is_for
from tests.fakes.vendors.vendor import Vendor, answer, basic_of, bearer_of, form_of

CLIENT: Final = "3MVG9-a-consumer-key-of-salesforce"
SECRET: Final = "a-secret-of-salesforce"
USER: Final = "integration@acme.example"
KEY: Final = ("rsa", 11)
LONGEST: Final = 180.0
AUDIENCES: Final = {"https://login.salesforce.com", "https://test.salesforce.com"}
_JWT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"


class Salesforce(Vendor):
    """Issues tokens to one app, for its own user and for one that has approved it."""

    complains = ""
    """The code of the error that the API answers everything with; empty: it does not."""

    def routes(self) -> Iterable[web.RouteDef]:
        return [web.post("/services/oauth2/token", self._token), web.get("/services/data/{rest:.*}", self._data)]

    async def _token(self, request: web.Request) -> web.Response:
        form = await form_of(request)
        match form.get("grant_type"):
            case "client_credentials":
                refusal = self._client(request, form)
            case grant if grant == _JWT:
                refusal = self._asserted(form)
            case _:
                refusal = _refused("unsupported_grant_type", "grant type not supported")
        return refusal or answer(
            {
                "access_token": self.issue("00Dxx0000001gPL!"),
                "signature": "c2lnbmF0dXJl",
                "scope": "api",
                "instance_url": self.url,
                "id": f"{self.url}/id/00Dxx0000001gPLEAY/005xx000001SwiUAAS",
                "token_type": "Bearer",
                "issued_at": "1763719200000",
            }
        )

    def _client(self, request: web.Request, form: Any) -> web.Response | None:
        given = form.get("client_id", ""), form.get("client_secret", "")
        if (CLIENT, SECRET) in (given, basic_of(request, decode=True)):
            return None
        if given[0] not in {CLIENT, ""}:
            return _refused("invalid_client_id", "client identifier invalid")
        return _refused("invalid_client", "invalid client credentials")

    def _asserted(self, form: Any) -> web.Response | None:
        try:
            claims = claims_of(form.get("assertion", ""), keys.key(*KEY).public_key(), "RS256", longest=LONGEST)
        except NotBelievedError:
            return _refused("invalid_grant", "invalid assertion")
        if claims.get("iss") != CLIENT:
            return _refused("invalid_client_id", "client identifier invalid")
        if not is_for(claims, AUDIENCES):
            return _refused("invalid_grant", "audience is invalid")
        return None if claims.get("sub") == USER else _refused("invalid_grant", "user hasn't approved this consumer")

    async def _data(self, request: web.Request) -> web.Response:
        if self.complains or not self.is_valid(bearer_of(request)):
            code = self.complains or "INVALID_SESSION_ID"
            return answer([{"message": "Session expired or invalid", "errorCode": code}], 401)
        if request.match_info["rest"] == "v62.0/missing":
            return answer([{"errorCode": "NOT_FOUND", "message": "The requested resource does not exist"}], 404)
        return answer({"totalSize": 0, "done": True, "records": []})


def _refused(error: str, why: str) -> web.Response:
    return answer({"error": error, "error_description": why}, 400)
