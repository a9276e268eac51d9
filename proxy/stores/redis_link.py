"""One question to Redis, answered within its time: the second try, the way to the right server, and the places.

Theory. A question may wait for its turn and then take `timeout`; both together never take longer than `timeout` and
`PATIENCE`. A connection that turns out dead is replaced once, at once; so is a server that turns out to be no master.
That is safe because every script of ours may run twice. A server that does not answer is not asked again: that would
take longer.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from random import choice
from typing import Any, Final

from proxy.core.settings import spell_duration
from proxy.stores.base import StoreError, StoreTimeoutError
from proxy.stores.redis_cluster import Cluster, slot_and_address
from proxy.stores.redis_faults import UNSETTLED, GoneError, RefusedError, refusal
from proxy.stores.redis_keys import Keys
from proxy.stores.redis_patience import patience
from proxy.stores.redis_places import OneServer, Places, Sentinel
from proxy.stores.redis_scripts import SCRIPTS, Command
from proxy.stores.redis_server import Server
from proxy.stores.redis_url import Place
from proxy.stores.redis_wire import Dialing, Wire

PATIENCE: Final = 0.1
"""Seconds that a question may wait for its turn on top of its own time."""
MOST_TURNS: Final = 5
"""Within one question: a dead connection, a move, a script that is not known there, and once more."""
_ELSEWHERE: Final = frozenset({"READONLY", "MASTERDOWN", "CLUSTERDOWN"})
"""Refusals after which another server may be the right one by now."""


class Link:
    """Asks the servers of one place. A refusal of the first command of a question is raised, of the others returned."""

    def __init__(
        self,
        place: Place,
        keys: Keys,
        *,
        dialing: Dialing,
        sentinels: Dialing,
        timeout: float,
        connections: int,
    ) -> None:
        self._timeout = timeout
        self._turns = asyncio.Semaphore(connections)
        self._connections = connections
        self._places = _places(place, timeout, dialing, sentinels, keys)
        self._subject = str(place)
        self._hint = ", and whether it speaks TLS there" if place.tls else ""
        self._closed = False

    def __repr__(self) -> str:
        return f"<Link, {self._subject}>"

    async def ask(self, name: str, *commands: Command) -> list[Any]:
        """Return the answers to commands about what has that name.

        Raises:
            StoreError: see there.
        """
        async with self._in_time():
            return await self._ask(name, commands)

    async def masters(self) -> Mapping[Server, str]:
        """Return every server that keeps something, each with a name that falls to it.

        Raises:
            StoreError: see there.
        """
        async with self._in_time():
            return await self._places.masters()

    async def ask_server(self, server: Server, *commands: Command) -> list[Any]:
        """Return the answers of that server.

        Raises:
            StoreError: see there.
        """
        async with self._in_time():
            answers = await self._twice(server, commands)
            if isinstance(answers[0], RefusedError):
                raise answers[0]
            return answers

    async def hear(self, *channels: str) -> Wire:
        """Return a connection of one's own on which one hears these channels, to any server that keeps something.

        Raises:
            StoreError: see there.
        """
        async with self._in_time():
            server = choice(tuple(await self._places.masters()))  # noqa: S311 - a load is spread, no secret kept
            try:
                wire = await server.call()
            except (GoneError, RefusedError):
                await self._places.forget(server)
                raise
            try:
                await wire.subscribe(*channels)
            except BaseException:
                await wire.drop()
                raise
            return wire

    async def close(self) -> None:
        """Answer nothing more; what is under way is answered, and that is bounded."""
        if self._closed:
            return
        self._closed = True
        for _ in range(self._connections):
            await self._turns.acquire()
        await self._places.close()

    async def _ask(self, name: str, commands: tuple[Command, ...]) -> list[Any]:
        server = None
        asked_again = False
        for _ in range(MOST_TURNS):
            try:
                server = await self._places.of(name)
                answers = await server.ask(*commands)
            except GoneError:
                await self._places.forget(server)
                if asked_again:
                    raise
                asked_again = True
                continue
            refused = answers[0]
            if not isinstance(refused, RefusedError):
                return answers
            if refused.code == "NOSCRIPT":
                commands = (SCRIPTS[str(commands[0][1])].whole(commands[0]), *commands[1:])
            elif refused.code == "MOVED":
                self._places.moved(refused, server)
            elif refused.code == "ASK":
                _, address = slot_and_address(refused, server)
                return await self._there(self._places.at(address), commands)
            elif refused.code in _ELSEWHERE and not asked_again:
                await self._places.forget(server)
                asked_again = True
            else:
                raise refused
        raise GoneError(UNSETTLED)

    async def _there(self, server: Server, commands: tuple[Command, ...]) -> list[Any]:
        """Ask the server to which a slot is being moved."""
        for _ in range(2):
            answers = (await server.ask(("ASKING",), *commands))[1:]
            if not isinstance(answers[0], RefusedError):
                return answers
            if answers[0].code != "NOSCRIPT":
                break
            commands = (SCRIPTS[str(commands[0][1])].whole(commands[0]), *commands[1:])
        raise answers[0]

    async def _twice(self, server: Server, commands: tuple[Command, ...]) -> list[Any]:
        try:
            return await server.ask(*commands)
        except GoneError:
            await self._places.forget(server)
            return await server.ask(*commands)

    @asynccontextmanager
    async def _in_time(self) -> AsyncIterator[None]:
        """Let the block take its turn, and turn what goes wrong into a sentence."""
        if self._closed:
            raise StoreError("the connections to Redis are closed, for the process takes its leave")
        own = None
        try:
            async with patience(self._timeout + PATIENCE), self._turns, patience(self._timeout) as own:
                yield
        except TimeoutError:
            if own is None or not own.expired():
                raise StoreError(
                    f"{self._subject} has been asked {self._connections} questions and not answered them yet; find out "
                    "what holds it up, or raise store.connections"
                ) from None
            await self._places.forget(None)
            raise StoreTimeoutError(
                f"{self._subject} does not answer within {spell_duration(self._timeout)} (store.timeout); find out "
                f"what holds it up{self._hint}"
            ) from None
        except GoneError as error:
            raise StoreError(f"{self._subject} {error}") from None
        except RefusedError as error:
            raise StoreError(f"{self._subject} {refusal(error)}") from None


def _places(place: Place, timeout: float, dialing: Dialing, sentinels: Dialing, keys: Keys) -> Places:
    match place.topology:
        case "sentinel":
            return Sentinel(place, timeout, dialing, keys.probe, sentinels)
        case "cluster":
            return Cluster(place, timeout, dialing, keys.probe)
        case _:
            return OneServer(place, timeout, dialing, keys.probe)
