"""One credential, its issuer, and the real processes that need its token one after the other, on a store they share.

In a test: `async with Scene(provider, "billing", kind="refresh_token", store=at(server)) as scene: one = await
scene.process(); await scene.ask(one)`. Scenes with names of their own can be played at the same time.
"""

import asyncio
import json
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self

from tests.fakes.authorization_server import CLIENT, SECRET
from tests.fakes.fleet import CONFIG, KINDS, ROUTE, Replica, new_key, request
from tests.fakes.pointed_provider import PointedProvider
from tests.fakes.process import Proxy
from tests.fakes.raw_client import Answer, RawClient

PATIENCE: Final = 70.0
"""Seconds that one answer may take: longer than a proxy waits for the one that fetches."""
PAUSE: Final = 0.5
"""Seconds after which a caller comes again, whatever it was told."""
TRIES: Final = 3
"""Where many processes come and go, a port that was free may be taken by the time that it is listened on."""


@dataclass(frozen=True)
class Told:
    """What a caller was told at last."""

    status: int
    reason: str
    """Of a token that cannot be had."""
    after: float
    """Seconds since its first try."""


class Scene:
    """Plays while its block runs. `settings`: one more line of what the configuration says of the credential."""

    def __init__(self, provider: PointedProvider, name: str, *, kind: str, store: str, settings: str = "") -> None:
        self.provider = provider
        self.name = name
        self.points = provider.points[name]
        self.grant = provider.grant() if kind == "refresh_token" else ""
        self._store = store
        self._stack = AsyncExitStack()
        credential = KINDS[kind].format(
            patience="10s", name=name, token_url=provider.url, client=CLIENT, secret=SECRET, grant=self.grant
        )
        if settings:
            credential += f"\n    {settings}"
        route = ROUTE.format(name=name, api=provider.api_of(name))
        self._config = CONFIG.format(keys=new_key(), credentials=credential, routes=route)

    async def process(
        self,
        *,
        store: str = "",
        expected_errors: tuple[str, ...] = (),
        starting: asyncio.Semaphore | None = None,
    ) -> Proxy:
        """Start one more process, and return it when it is ready; `store`: its own way to the one they share."""
        async with starting or asyncio.Semaphore():
            for _ in range(TRIES):
                process = Replica(self._config, store=store or self._store, expected_errors=expected_errors)
                try:
                    return await self._stack.enter_async_context(process)
                except AssertionError as error:
                    if "cannot be listened on" not in str(error):
                        raise
        raise AssertionError("others took its ports each time")

    async def ask(self, process: Proxy) -> Answer:
        """Let a caller ask on a connection of its own."""
        async with RawClient(process.port) as caller:
            await caller.send(request(self.name))
            return await caller.answer(deadline=PATIENCE)

    async def asked_in_vain(self, process: Proxy) -> None:
        """Do the same, of a process that will not live to answer."""
        with suppress(OSError, AssertionError):
            await self.ask(process)

    async def served(self, process: Proxy, *, within: float) -> Told:
        """Let a caller come again and again, until it is served or this takes a person.

        Raises:
            TimeoutError: that many seconds were not enough.
        """
        now = asyncio.get_running_loop().time
        began, told = now(), Told(0, "", 0.0)
        async with asyncio.timeout(within):
            while True:
                answer = await self.ask(process)
                told = Told(answer.status, _reason(answer), now() - began)
                if told.status == 200 or told.reason not in {"", "internal", "network"}:
                    return told
                await asyncio.sleep(PAUSE)

    async def view(self, process: Proxy) -> dict[str, Any]:
        """Return what an operator sees of the credential."""
        view: dict[str, Any] = await process.admin("GET", f"/api/v1/credentials/{self.name}")
        return view

    def reject(self) -> None:
        """Make the API refuse every token that it was shown so far."""
        for token in self.provider.tokens_of(self.name):
            self.provider.revoke(token)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.__aexit__(kind, error, trace)


def _reason(answer: Answer) -> str:
    return "" if answer.status == 200 else str(json.loads(answer.body).get("reason", ""))
