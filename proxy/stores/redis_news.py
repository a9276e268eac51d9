"""The ear that never stops listening to what the fleet tells each other through Redis.

Theory. The ear has a client of its own. When its connection ends, it opens another one, after a pause that grows and
has jitter; whenever it hears again it says MISSED, for nobody knows what was said meanwhile. That a connection is open
does not mean that it hears: its server may hang, may be cut off, or may be master no more. So the ear publishes an echo
for itself, by the way that every message takes, and when it does not hear that for `SILENCE`, it begins anew. So it
does when the process itself was held up for that long: news tell no age, and would be taken for what happened just now.
"""

import asyncio
import secrets
from contextlib import suppress
from random import Random
from typing import Final

from redis.asyncio.client import PubSub

from proxy.net.runtime import Runtime
from proxy.stores.base import Change, Listener, News, StoreError
from proxy.stores.redis_faults import TROUBLE
from proxy.stores.redis_link import STEPS, Link
from proxy.stores.redis_message import read
from proxy.stores.redis_scripts import Keys

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
        self._task = runtime.spawn(self._listen(), name="listen to Redis")

    def add(self, listener: Listener) -> None:
        """Tell this listener too, from now on."""
        self._listeners.append(listener)

    async def close(self) -> None:
        """Stop listening."""
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _listen(self) -> None:
        while True:
            with suppress(*TROUBLE):
                async with self._link.listener() as client, client.pubsub() as hearing:
                    await hearing.subscribe(self._news, self._echo)
                    await self._hear(hearing)
            await self._clock.sleep(self._pause * self._random.uniform(0.5, 1.0))
            self._pause = min(2 * self._pause, LONGEST_PAUSE)

    async def _hear(self, hearing: PubSub) -> None:
        """Pass on what is heard; return when our echo was not heard for too long, or nobody listened for as long."""
        echoing = self._runtime.spawn(self._call(), name="try whether Redis is heard")
        echo, quiet = self._echo.encode(), 0
        try:
            while quiet < STEPS:
                began = self._clock.monotonic()
                message = await hearing.get_message(timeout=SILENCE / STEPS)
                if self._clock.monotonic() - began > SILENCE:
                    return
                match message:
                    case None:
                        quiet += 1
                    case {"type": "subscribe", "channel": channel} if channel == echo:
                        self._tell(News(Change.MISSED))
                    case {"type": "message", "channel": channel} if channel == echo:
                        quiet, self._pause = 0, FIRST_PAUSE
                    case {"type": "message", "data": bytes() as message} if (news := read(message)) is not None:
                        self._tell(news)
        finally:
            echoing.cancel()

    async def _call(self) -> None:
        while True:
            with suppress(StoreError):
                await self._link.ask(self._echo, ("PUBLISH", self._echo, ""))
            await self._clock.sleep(ECHO_EVERY)

    def _tell(self, news: News) -> None:
        loop = asyncio.get_running_loop()
        for listener in self._listeners:
            loop.call_soon(listener, news)  # whatever a listener does, the ear goes on
