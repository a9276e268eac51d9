"""A stand-in for SAP Gateway: a CSRF token for whoever changes something, good with the cookies that came with it.

A request that carries no session begins one. Its cookies have odd values, as the vendor's have, and a client that sends
back some of them alone is refused like one that sends none.
"""

import secrets
from collections.abc import Iterable

from aiohttp import web

from tests.fakes.vendors.vendor import Vendor, answer, basic_of, bearer_of, form_of

USER = "INTEGRATION"
PASSWORD = "a-password: of SAP"
CLIENT = "sb-a-client!b1|of-sap"
SECRET = "a-secret-of-sap="
CONTEXT = "sap-usercontext=sap-client=100"
SESSION = "SAP_SESSIONID_NPL_001"
XSRF = "sap-XSRF_NPL_001"
SERVICE = "/sap/opu/odata/sap/API_BUSINESS_PARTNER"


class Sap(Vendor):
    """One system, with one user and one client of OAuth."""

    def __init__(self) -> None:
        super().__init__()
        self.may_write = True
        """The user has the right to change something."""
        self._sessions: dict[str, tuple[str, str]] = {}
        """The XSRF cookie and the CSRF token of each session."""

    def routes(self) -> Iterable[web.RouteDef]:
        return [
            web.post("/oauth/token", self._token),
            web.get(f"{SERVICE}/", self._read),
            web.get(f"{SERVICE}/A_BusinessPartner", self._read),
            web.post(f"{SERVICE}/A_BusinessPartner", self._write),
        ]

    def end_sessions(self) -> None:
        """End all sessions, as time does."""
        self._sessions.clear()

    async def _token(self, request: web.Request) -> web.Response:
        if basic_of(request) != (CLIENT, SECRET):
            return answer({"error": "unauthorized", "error_description": "Bad credentials"}, 401)
        if (await form_of(request)).get("grant_type") != "client_credentials":
            return answer({"error": "unsupported_grant_type"}, 400)
        return answer(
            {"access_token": self.issue(), "token_type": "bearer", "expires_in": 43199, "scope": "uaa.resource"}
        )

    async def _read(self, request: web.Request) -> web.Response:
        if refused := self._refusal(request):
            return refused
        told = answer({"d": {"EntitySets": ["A_BusinessPartner"]}})
        if request.headers.get("X-CSRF-Token", "").lower() == "fetch":
            session = _cookies(request).get(SESSION, "")
            if session not in self._sessions:
                session = secrets.token_urlsafe(18) + "%3d"
                self._sessions[session] = secrets.token_hex(8) + "==", secrets.token_urlsafe(16) + "=="
                self.issued.append(session)
            xsrf, token = self._sessions[session]
            told.headers["X-CSRF-Token"] = token
            for cookie in (
                f"{CONTEXT}; path=/",
                f"{SESSION}={session}; path=/; HttpOnly",
                f"{XSRF}={xsrf}; path=/; secure",
            ):
                told.headers.add("Set-Cookie", cookie)
        return told

    async def _write(self, request: web.Request) -> web.Response:
        if refused := self._refusal(request):
            return refused
        cookies = _cookies(request)
        xsrf, token = self._sessions.get(cookies.get(SESSION, ""), ("", ""))
        has_all = cookies.get(XSRF) == xsrf and "sap-client=100" in cookies.get("sap-usercontext", "")
        if not token or not has_all or request.headers.getall("X-CSRF-Token", []) != [token]:
            told = "CSRF token validation failed"
            return web.Response(status=403, text=told, headers={"X-CSRF-Token": "Required"})
        if not self.may_write:
            return answer({"error": {"code": "/IWFND/CM_MGW/007", "message": {"value": "No authorization"}}}, 403)
        return answer({"d": await request.json()}, 201)

    def _refusal(self, request: web.Request) -> web.Response | None:
        scheme = request.headers.get("Authorization", "").partition(" ")[0]
        known = basic_of(request) == (USER, PASSWORD) if scheme == "Basic" else self.is_valid(bearer_of(request))
        if known:
            return None
        page = "<html><head><title>Logon Error Message</title></head></html>"
        asked = {"WWW-Authenticate": 'Basic realm="SAP NetWeaver Application Server"'}
        return web.Response(status=401, text=page, content_type="text/html", headers=asked)


def _cookies(request: web.Request) -> dict[str, str]:
    pairs = (pair.strip().partition("=") for pair in request.headers.get("Cookie", "").split(";"))
    return {name: value for name, _, value in pairs}
