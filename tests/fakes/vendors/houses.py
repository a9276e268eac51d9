"""Stand-ins for what no vendor in particular does: a session in a cookie, a key in the query, a name and a password."""

from collections.abc import Iterable
from datetime import UTC, datetime

from aiohttp import web

from tests.fakes.vendors.vendor import Vendor, answer, basic_of, bearer_of, form_of

USER = "integration"
PASSWORD = "a-password: of the house"
KEY = "a-key&of=the/house"
PARTNER_KEY = "a-key-of-the-partner"
SECRET = "a-secret-of-the-house"


class Legacy(Vendor):
    """A login with a form, and a page of 200 for whoever has no session."""

    def routes(self) -> Iterable[web.RouteDef]:
        return [web.post("/login", self._login), web.post("/orders", self._orders)]

    async def _login(self, request: web.Request) -> web.Response:
        if await form_of(request) != {"user": USER, "password": PASSWORD}:
            return answer({"message": "unknown user or password"}, 403)
        session = self.issue()
        ends = datetime.fromtimestamp(self._ends[session], UTC).isoformat()
        return answer({"session": {"value": session, "expires": ends}})

    async def _orders(self, request: web.Request) -> web.Response:
        if self.is_valid(request.cookies.get("JSESSIONID", "")):
            return answer({"sent": (await request.read()).decode(), "language": request.cookies.get("language")})
        page = "<html><body><form action=/login></form></body></html>"
        return web.Response(text=page, content_type="text/html", headers={"X-Login-Required": "true"})


class Maps(Vendor):
    """A key in the query, and refusals that are answers of 200."""

    is_exhausted = False
    """There were too many requests."""

    def routes(self) -> Iterable[web.RouteDef]:
        return [web.get("/api/geocode", self._geocode)]

    async def _geocode(self, request: web.Request) -> web.Response:
        known = request.query.getall("key", []) == [KEY]
        status = "REQUEST_DENIED" if not known else "OVER_QUERY_LIMIT" if self.is_exhausted else "OK"
        return answer({"status": status, "asked": request.query.get("address")})


class Reports(Vendor):
    """A user name and a password."""

    def routes(self) -> Iterable[web.RouteDef]:
        return [web.get("/api/v3/sales", self._sales)]

    async def _sales(self, request: web.Request) -> web.Response:
        if basic_of(request) == (USER, PASSWORD):
            return answer({"sales": 7})
        return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="reports"'})


class Billing(Vendor):
    """A grant of its own, and a session that ends with an answer of 200."""

    def routes(self) -> Iterable[web.RouteDef]:
        return [web.post("/session", self._session), web.post("/v2/invoices", self._invoices)]

    async def _session(self, request: web.Request) -> web.Response:
        wanted = {"client_id": "my-client", "client_secret": SECRET, "grant_type": "custom_grant"}
        if await form_of(request) != wanted or request.query.get("tenant") != "acme":
            return answer({"error": "invalid_client"}, 401)
        return answer({"access_token": self.issue(), "expires_in": 3600})

    async def _invoices(self, request: web.Request) -> web.Response:
        if request.headers.getall("X-Partner-Key", []) != [PARTNER_KEY]:
            return answer({"error": {"code": "NO_PARTNER"}}, 403)
        if not self.is_valid(bearer_of(request)):
            return answer({"error": {"code": "SESSION_EXPIRED"}})
        return answer({"sent": (await request.read()).decode(), "error": None})
