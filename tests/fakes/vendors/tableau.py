"""A stand-in for Tableau: one session for each personal access token, which ends when it is idle, and errors in XML."""

import time
from collections.abc import Iterable

from aiohttp import web

from tests.fakes.vendors.vendor import Vendor, answer

NAME = "a-token-of-tableau"
SECRET = "a-secret-of-tableau"
SITE = "2f4c0e5a-0000-4000-8000-2f4c0e5a0000"


class Tableau(Vendor):
    """One site, and one personal access token."""

    lifetime = 7200.0
    """Seconds for which a session may be idle."""

    def routes(self) -> Iterable[web.RouteDef]:
        return [
            web.post("/api/3.22/auth/signin", self._sign_in),
            web.get("/api/3.22/sites/{site}/workbooks", self._workbooks),
            web.put("/api/3.22/sites/{site}/workbooks", self._workbooks),
        ]

    async def _sign_in(self, request: web.Request) -> web.Response:
        given = (await request.json())["credentials"]
        names = (given.get("personalAccessTokenName"), given.get("personalAccessTokenSecret"))
        if names != (NAME, SECRET) or given["site"] != {"contentUrl": ""}:
            return _error(401, "401001", "Signin Error", "Error signing in to Tableau Server")
        self.revoke_all()  # a token has one session at a time
        token = self.issue()
        if "json" not in request.headers.get("Accept", ""):
            return _xml(f'<credentials token="{token}"><site id="{SITE}" contentUrl=""/></credentials>', 200)
        told = {"site": {"id": SITE, "contentUrl": ""}, "user": {"id": "9f9e9d9c"}, "token": token}
        return answer({"credentials": {**told, "estimatedTimeToExpiration": "177:05:38"}})

    async def _workbooks(self, request: web.Request) -> web.Response:
        [token] = request.headers.getall("X-Tableau-Auth", []) or [""]
        if not token:
            return _error(401, "401000", "Unauthorized Access", "No authentication credentials were provided")
        if not self.is_valid(token):
            return _error(401, "401002", "Unauthorized Access", "Invalid authentication credentials were provided.")
        self._ends[token] = time.time() + self.lifetime
        return answer({"workbooks": {"workbook": []}, "sent": len(await request.read())})


def _error(status: int, code: str, summary: str, detail: str) -> web.Response:
    return _xml(f'<error code="{code}"><summary>{summary}</summary><detail>{detail}</detail></error>', status)


def _xml(content: str, status: int) -> web.Response:
    text = f"<?xml version='1.0' encoding='UTF-8'?><tsResponse xmlns=\"http://tableau.com/api\">{content}</tsResponse>"
    return web.Response(status=status, text=text, content_type="application/xml")
