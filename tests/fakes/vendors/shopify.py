"""A stand-in for Shopify: client credentials with the secret in the body, and a token in a header of its own.

What it says of a wrong secret is what RFC 6749 has for that; the page for an app that is not installed is the vendor's.
"""

from collections.abc import Iterable

from aiohttp import web

from tests.fakes.vendors.vendor import Vendor, answer, form_of

CLIENT = "a-client-of-shopify"
SECRET = "a-secret-of-shopify"
ADMIN_TOKEN = "shpat_an-old-static-token"


class Shopify(Vendor):
    """One shop."""

    lifetime = 86_399.0

    def __init__(self) -> None:
        super().__init__()
        self.is_installed = True
        """The app is installed on the shop."""

    def routes(self) -> Iterable[web.RouteDef]:
        return [
            web.post("/admin/oauth/access_token", self._token),
            web.get("/admin/api/{version}/shop.json", self._shop),
            web.post("/admin/api/{version}/graphql.json", self._graphql),
        ]

    async def _token(self, request: web.Request) -> web.Response:
        form = await form_of(request)
        if (form.get("client_id"), form.get("client_secret")) != (CLIENT, SECRET):
            return answer({"error": "invalid_client"}, 400)
        if form.get("grant_type") != "client_credentials":
            return answer({"error": "invalid_request"}, 400)
        if not self.is_installed:
            page = "<h1>Oauth error app_not_installed: The application is not installed on this shop.</h1>"
            return web.Response(status=400, text=page, content_type="text/html")
        told = {"access_token": self.issue("shpat_"), "scope": "read_products,write_products"}
        return answer({**told, "expires_in": int(self.lifetime)})

    async def _shop(self, request: web.Request) -> web.Response:
        return self._refusal(request) or answer({"shop": {"id": 548380009, "name": "A shop"}})

    async def _graphql(self, request: web.Request) -> web.Response:
        if refused := self._refusal(request):
            return refused
        return answer({"data": {"asked": (await request.json())["query"]}})

    def _refusal(self, request: web.Request) -> web.Response | None:
        given = request.headers.getall("X-Shopify-Access-Token", [])
        if len(given) == 1 and (given[0] == ADMIN_TOKEN or self.is_valid(given[0])):
            return None
        told = "[API] Invalid API key or access token (unrecognized login or wrong password)"
        return answer({"errors": told}, 401, WWW_Authenticate='Basic Realm="Shopify API Authentication"')
