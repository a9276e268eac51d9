"""A stand-in for an instance of ServiceNow.

Its traps: as long as an access token is valid, the password brings that one again; a refresh token brings a new one,
and as a rule itself again; and whatever is wrong with a request for a token is a `server_error` with status 401.
"""

from collections.abc import Iterable, Mapping

from aiohttp import web

from tests.fakes.vendors.vendor import FORM, Vendor, answer, bearer_of, form_of

CLIENT = "a-client-of-servicenow"
SECRET = "a-secret-of-servicenow"
USER = "integration"
PASSWORD = "a-password-of-servicenow"


class ServiceNow(Vendor):
    """One instance, with one application and one user."""

    lifetime = 1799.0

    def __init__(self) -> None:
        super().__init__()
        self.rotates = False
        """Each refresh brings another refresh token, and ends the one before."""
        self.refresh_tokens: list[str] = []
        """Every refresh token, in order."""
        self.ended: set[str] = set()
        """Refresh tokens that are good no more."""
        self.grants: list[str] = []
        """What tokens were asked for with, in order."""

    def routes(self) -> Iterable[web.RouteDef]:
        return [
            web.post("/oauth_token.do", self._token),
            web.get("/api/now/table/incident", self._incidents),
            web.post("/api/now/table/incident", self._incidents),
        ]

    async def _token(self, request: web.Request) -> web.Response:
        if request.content_type != FORM or request.query:
            return _denied()
        form = await form_of(request)
        grant = form.get("grant_type", "")
        self.grants.append(grant)
        if (form.get("client_id"), form.get("client_secret")) != (CLIENT, SECRET):
            return _denied()
        if grant == "client_credentials":
            return self._told(self.issue())
        if grant == "password" and (form.get("username"), form.get("password")) == (USER, PASSWORD):
            current = next((token for token in reversed(self.issued) if self.is_valid(token)), None)
            return self._told(current or self.issue(), self._refresh_token())
        if grant == "refresh_token" and form.get("refresh_token") in {*self.refresh_tokens} - self.ended:
            if self.rotates:
                self.ended.add(form["refresh_token"])
            return self._told(self.issue(), self._refresh_token())
        return _denied()

    def _refresh_token(self) -> str:
        if not self.refresh_tokens or self.refresh_tokens[-1] in self.ended:
            self.refresh_tokens.append(f"refresh-token-{len(self.refresh_tokens)}-of-servicenow")
        return self.refresh_tokens[-1]

    def _told(self, token: str, refresh_token: str | None = None) -> web.Response:
        told: Mapping[str, object] = {
            "access_token": token,
            **({"refresh_token": refresh_token} if refresh_token else {}),
            "scope": "useraccount",
            "token_type": "Bearer",
            "expires_in": int(self.lifetime),
        }
        return answer(told)

    async def _incidents(self, request: web.Request) -> web.Response:
        if not self.is_valid(bearer_of(request)):
            wrong = {"message": "User Not Authenticated", "detail": "Required to provide Auth information"}
            return answer({"error": wrong, "status": "failure"}, 401)
        if request.method == "GET":
            return answer({"result": []})
        return answer({"result": await request.json()}, 201)


def _denied() -> web.Response:
    return answer({"error_description": "access_denied", "error": "server_error"}, 401)
