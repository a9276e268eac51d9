"""A stand-in for GitHub: an app that is known by its client id, one installation of it, and a little REST."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from aiohttp import web

from tests.fakes import keys
from tests.fakes.vendors.asserted import NotBelievedError, claims_of
from tests.fakes.vendors.vendor import Vendor, answer, bearer_of

CLIENT: Final = "Iv23liTheClientOfAnApp"
INSTALLATION: Final = "47110815"
KEY: Final = ("rsa", 12)
LONGEST: Final = 600.0
PERMISSIONS: Final = {"contents": "read", "issues": "write", "metadata": "read"}
"""Of the installation."""
_DOCS: Final = "https://docs.github.com/rest"
_REASONS: Final = {
    "exp": "'Expiration time' claim ('exp') is too far in the future",
    "iat": "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued",
}


class Github(Vendor):
    """Gives installation tokens to whoever signs as the app."""

    def __init__(self) -> None:
        super().__init__()
        self.asserted: list[dict[str, Any]] = []
        """The claims that were believed."""

    def routes(self) -> Iterable[web.RouteDef]:
        return [
            web.post("/app/installations/{id}/access_tokens", self._token),
            web.get("/repos/{owner}/{name}", self._repository),
        ]

    async def _token(self, request: web.Request) -> web.Response:
        if "User-Agent" not in request.headers:
            return web.Response(status=403, text="Request forbidden by administrative rules.")
        try:
            claims = claims_of(bearer_of(request), keys.key(*KEY).public_key(), "RS256", longest=LONGEST)
        except NotBelievedError as error:
            return _refused(401, _REASONS.get(str(error), "A JSON web token could not be decoded"))
        if claims.get("iss") != CLIENT:  # a number there is one thing that is not it
            return _refused(401, "'Issuer' claim ('iss') must be an Integer" if "iss" not in claims else "Bad issuer")
        if request.match_info["id"] != INSTALLATION:
            return _refused(404, "Not Found")
        body = await request.read()
        permissions = json.loads(body)["permissions"] if body else PERMISSIONS
        if not permissions.items() <= PERMISSIONS.items():
            return _refused(422, "The permissions requested are not granted to this installation.")
        self.asserted.append(claims)
        ends = datetime.now(UTC) + timedelta(seconds=self.lifetime)
        told = {
            "token": self.issue("ghs_"),
            "expires_at": ends.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "permissions": permissions,
            "repository_selection": "all",
        }
        return answer(told, 201)

    async def _repository(self, request: web.Request) -> web.Response:
        if not self.is_valid(bearer_of(request)):
            return _refused(401, "Bad credentials")
        return answer({"full_name": "{owner}/{name}".format(**request.match_info), "private": True})


def _refused(status: int, why: str) -> web.Response:
    return answer({"message": why, "documentation_url": _DOCS, "status": str(status)}, status)
