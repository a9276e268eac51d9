"""A stand-in for Xero: refresh tokens that are good for one use, and requests that say whose books they are about."""

from collections.abc import Iterable

from aiohttp import web

from tests.fakes.vendors.vendor import Vendor, answer, basic_of, bearer_of, form_of

CLIENT = "A-CLIENT-OF-XERO"
SECRET = "a-secret-of-xero"
TENANT = "45e4708e-d862-4111-ab3a-dd8cd03913e1"


class Xero(Vendor):
    """One app that somebody has consented to."""

    lifetime = 1800.0

    def __init__(self) -> None:
        super().__init__()
        self.refresh_tokens = ["refresh-token-0-of-xero"]
        """Every refresh token, in order; the last one is good."""

    def routes(self) -> Iterable[web.RouteDef]:
        return [web.post("/connect/token", self._token), web.put("/api.xro/2.0/Invoices", self._invoices)]

    async def _token(self, request: web.Request) -> web.Response:
        if basic_of(request, decode=True) != (CLIENT, SECRET):
            return answer({"error": "invalid_client"}, 400)
        form = await form_of(request)
        if form.get("grant_type") != "refresh_token" or form.get("refresh_token") != self.refresh_tokens[-1]:
            return answer({"error": "invalid_grant"}, 400)
        self.refresh_tokens.append(f"refresh-token-{len(self.refresh_tokens)}-of-xero")
        told = {"access_token": self.issue(), "refresh_token": self.refresh_tokens[-1]}
        return answer(
            {**told, "expires_in": 1800, "token_type": "Bearer", "scope": "accounting.transactions offline_access"}
        )

    async def _invoices(self, request: web.Request) -> web.Response:
        if not self.is_valid(bearer_of(request)):
            return answer({"Title": "Unauthorized", "Status": 401, "Detail": "TokenExpired: token expired"}, 401)
        if request.headers.getall("Xero-Tenant-Id", []) != [TENANT]:
            return answer({"Title": "Forbidden", "Status": 403, "Detail": "AuthenticationUnsuccessful"}, 403)
        return answer({"Invoices": (await request.json())["Invoices"]})
