"""The ear that hears what the fleet says through Redis, and never stops listening.

Theory. The ear has a connection of its own. When that ends, it opens another one, after a pause that grows and has
jitter; whenever it hears again it says MISSED, for nobody knows what was said meanwhile. That a connection is open does
not mean that it hears: its server may hang, may be cut off, or may be master no more. So the ear publishes an echo for
itself, by the way that every message takes, and when it does not hear that for `SILENCE`, it begins anew.
"""

import asyncio
import secrets
from contextlib import suppress
from random import Random
from typing import Final

from proxy.net.runtime import Runtime
from proxy.stores.base import Change, Listener, News, StoreError
from proxy.stores.redis_faults import GoneError, RefusedError
from proxy.stores.redis_keys import Keys
from proxy.stores.redis_link import Link
from proxy.stores.redis_news import read
from proxy.stores.redis_patience import patience
from proxy.stores.redis_wire import Wire

ECHO_EVERY: Final = 1.0
"""Seconds between two echoes."""
SILENCE: Final = 3.0
"""Seconds without an echo after which a connection is deaf."""
FIRST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 2.0
"""Seconds before the next try; each pause is twice the one before, and then between half of that and all of it."""


class Ear:
    """Listens from its making until it is closed, and tells its listeners, on the event loop."""

    def __init__(self, runtime: Runtime, link: Link, keys: Keys) -> None:
        self._runtime = runtime
        self._clock = runtime.clock
        self._link = link
        self._news = keys.news
        self._echo = keys.echo(secrets.token_hex(8))
        self._listeners: list[Listener] = []
        self._random = Random()  # noqa: S311 - it spreads the fleet, it keeps no secret
        self._pause = FIRST_PAUSE
        self._opening = asyncio.Lock()
        self._task = runtime.spawn(self._listen(), name="listen to Redis")

    def add(self, listener: Listener) -> None:
        """Tell this listener too, from now on."""
        self._listeners.append(listener)

    async def close(self) -> None:
        """Stop listening; a connection that is being made is not left half made, and that is bounded."""
        async with self._opening:
            self._task.cancel()
        await asyncio.wait([self._task])

    async def _listen(self) -> None:
        while True:
            with suppress(StoreError, GoneError, RefusedError, TimeoutError):
                await self._hear()
            await self._clock.sleep(self._pause * self._random.uniform(0.5, 1.0))
            self._pause = min(2 * self._pause, LONGEST_PAUSE)

    async def _hear(self) -> None:
        async with self._opening:
            wire = await self._link.hear(self._news, self._echo)
        echoing = self._runtime.spawn(self._call(), name="try whether Redis is heard")
        try:
            self._tell(News(Change.MISSED))
            await self._until_deaf(wire)
        finally:
            echoing.cancel()
            await asyncio.wait([echoing])
            await wire.drop()

    async def _until_deaf(self, wire: Wire) -> None:
        """Pass on what is heard.

        Raises:
            TimeoutError: our own echo was not heard for too long.
            GoneError: the connection ended.
        """
        echo = self._echo.encode()
        async with patience(SILENCE) as given:
            while True:
                channel, message = await wire.hear()
                if channel == echo:
                    given.renew()
                    self._pause = FIRST_PAUSE
                elif (news := read(message)) is not None:
                    self._tell(news)

    async def _call(self) -> None:
        while True:
            self._runtime.spawn(self._publish(), name="let an echo of ours go through Redis")
            await self._clock.sleep(ECHO_EVERY)

    async def _publish(self) -> None:
        """Publish one echo. A task of its own, for it is bounded, and a connection is not left half made."""
        with suppress(StoreError):
            await self._link.ask(self._echo, ("PUBLISH", self._echo, ""))

    def _tell(self, news: News) -> None:
        loop = asyncio.get_running_loop()
        for listener in self._listeners:
            loop.call_soon(listener, news)  # whatever a listener does, the ear goes on
