"""A provider at whose token endpoint a test may intervene: before a grant is spent, after it, after the reply was sent.

In a test: `provider.points["billing"] = points; points.at(SPENT, proxy.kill, is_the_end=True)`.
"""

from collections import defaultdict
from typing import Any, Final
from urllib.parse import parse_qs

from aiohttp import web

from tests.fakes.authorization_server import Chain
from tests.fakes.points import GoneError, Points
from tests.fakes.provider import Provider

ASKED: Final = "before the grant is spent"
SPENT: Final = "after the grant was spent"
REPLIED: Final = "after the reply was sent"
MOMENTS: Final = (ASKED, SPENT, REPLIED)
"""Of one token request, in this order. Of another kind than `refresh_token` it is the request that is heeded."""


class PointedProvider(Provider):
    """Listens on a loopback port while its block runs."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.points: defaultdict[str, Points] = defaultdict(Points)
        """Of the processes that ask for tokens, by credential."""

    def chain(self, grant: str) -> Chain:
        """Return what came of the grant that began with that refresh token."""
        return next(chain for chain in self.chains if chain.refresh_tokens[0] == grant)

    def spent_by(self, credential: str) -> list[str]:
        """Return the refresh tokens that were sent for that credential, in the order in which they were judged."""
        return [visit.form["refresh_token"] for visit in self._of(credential)]

    async def _token(self, request: web.Request) -> web.StreamResponse:
        received = await self._receive(request)
        (credential,) = parse_qs(received.body.decode())["credential"]
        points = self.points[credential]
        try:
            await points.reach(ASKED)
            status, answer = self._decide(received)
            await points.reach(SPENT)
            response = self._dated(self._respond(status, answer))
            await response.prepare(request)
            await response.write_eof()
            await points.reach(REPLIED)
        except GoneError:
            return self._hang_up(request)
        return response
