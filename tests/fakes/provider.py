"""An issuer and its API that remember for which credential each token was asked, and which token each request showed.

In a test: `async with Provider() as provider: ... provider.token_requests("billing")`. A credential says its name in
the form parameter `credential` of its token requests, and its route leads below `provider.api_of("billing")`.
"""

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from aiohttp import web

from tests.fakes.authorization_server import AuthorizationServer, Visit
from tests.fakes.token_server import Request
from tests.fakes.world import eventually


@dataclass(frozen=True)
class ApiVisit:
    """A request that the API answered."""

    credential: str
    token: str
    status: int


class Provider(AuthorizationServer):
    """Listens on a loopback port while its block runs."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.api_visits: list[ApiVisit] = []
        """In the order in which they were answered."""
        self._asked: Counter[str] = Counter()
        self._tokens: defaultdict[str, list[str]] = defaultdict(list)

    def api_of(self, credential: str) -> str:
        """Return the address of the API that the credential is for."""
        return f"{self.api}/{credential}"

    def token_requests(self, credential: str) -> int:
        """Return how many requests for a token of that credential have arrived, whatever became of them."""
        return self._asked[credential]

    def outcomes(self, credential: str) -> list[str]:
        """Return what became of them, in the order in which they were decided."""
        return [visit.outcome for visit in self._of(credential)]

    def api_statuses(self, credential: str) -> Counter[int]:
        """Return how often the API answered with each status."""
        return Counter(visit.status for visit in self.api_visits if visit.credential == credential)

    def tokens_of(self, credential: str) -> list[str]:
        """Return the tokens that were issued for the credential, in order."""
        return self._tokens[credential]

    async def asked(self, credential: str, count: int) -> None:
        """Return once that many token requests of the credential have arrived."""
        await eventually(lambda: self.token_requests(credential) >= count, deadline=30.0)

    async def expired(self, credential: str) -> None:
        """Return once no token of the credential is valid any more."""
        await eventually(lambda: not any(map(self.is_valid, self.tokens_of(credential))), deadline=60.0)

    def _of(self, credential: str) -> list[Visit]:
        return [visit for visit in self.visits if visit.form.get("credential") == credential]

    async def _receive(self, request: web.Request) -> Request:
        form = parse_qs((await request.read()).decode())
        self._asked.update(form.get("credential", ()))
        return await super()._receive(request)

    def _decide(self, request: Request) -> tuple[int, dict[str, Any]]:
        status, answer = super()._decide(request)
        if "access_token" in answer:
            self._tokens[self.visits[-1].form.get("credential", "")].append(answer["access_token"])
        return status, answer

    async def _api(self, request: web.Request) -> web.Response:
        answer = await super()._api(request)
        credential, _, _ = request.match_info["rest"].partition("/")
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        self.api_visits.append(ApiVisit(credential, token, answer.status))
        return answer
