"""A stand-in for Zoom: the grant `account_credentials`, and a little of its API."""

from collections.abc import Iterable

from aiohttp import web

from tests.fakes.vendors.vendor import Vendor, answer, basic_of, bearer_of, form_of

ACCOUNT = "an-account-of-zoom"
CLIENT = "a-client-of-zoom"
SECRET = "a-secret-of-zoom"


class Zoom(Vendor):
    """Knows one app of one account."""

    def routes(self) -> Iterable[web.RouteDef]:
        return [web.post("/oauth/token", self._token), web.get("/v2/users/me", self._me)]

    async def _token(self, request: web.Request) -> web.Response:
        if basic_of(request) != (CLIENT, SECRET):
            return answer({"reason": "Invalid client_id or client_secret", "error": "invalid_client"}, 400)
        form = await form_of(request)
        if form.get("grant_type") != "account_credentials":
            return answer({"reason": "unsupported grant type", "error": "unsupported_grant_type"}, 400)
        if form.get("account_id") != ACCOUNT:
            return answer({"reason": "Bad Request", "error": "invalid_request"}, 400)
        told = {"access_token": self.issue(), "token_type": "bearer", "expires_in": 3600, "scope": "user:read:user"}
        return answer({**told, "api_url": "https://api.zoom.us"})

    async def _me(self, request: web.Request) -> web.Response:
        if not self.is_valid(bearer_of(request)):
            return answer({"code": 124, "message": "Invalid access token."}, 401)
        return answer({"id": "z8yAAAAA8bbbQ", "account_id": ACCOUNT})
