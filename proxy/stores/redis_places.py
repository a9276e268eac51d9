"""Which server is asked about a key: the only one, or the master that the sentinels name (a cluster: `redis_cluster`).

Theory. What was learned of the places (the master's address, the cluster's map) is used until a call finds it wrong;
then it is forgotten and learned anew, by one call while the others wait for it. Sentinels and members are asked one
after the other, each for a part of a call's time, and whoever did not help is asked last the next time, so that one
that hangs or is behind the times does not stand in the way for long.
"""

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final

from proxy.stores.redis_faults import SENTINEL_LOGIN, GoneError, RefusedError
from proxy.stores.redis_scripts import Command
from proxy.stores.redis_server import Server
from proxy.stores.redis_url import Address, Place
from proxy.stores.redis_wire import Dialing

SHARE: Final = 4
"""A sentinel or member that is asked about places may take this part of a call's time."""


class Places(ABC):
    """Where to ask."""

    def __init__(self, place: Place, timeout: float, dialing: Dialing, probe: Callable[[int], str]) -> None:
        self._servers: dict[Address, Server] = {}
        self._first = deque(place.addresses)
        self._place = place
        self._share = timeout / SHARE
        self._dialing = dialing
        self._probe = probe
        self._learning = asyncio.Lock()

    def at(self, address: Address) -> Server:
        """Return the server there."""
        if address not in self._servers:
            self._servers[address] = Server(address, self._dialing)
        return self._servers[address]

    @abstractmethod
    async def of(self, name: str) -> Server:
        """Return the server that keeps what has that name in Redis.

        Raises:
            GoneError: nobody could say.
            RefusedError: nobody would say.
        """

    async def masters(self) -> Mapping[Server, str]:
        """Return every server that keeps something, each with a name that falls to it."""
        return {await self.of(self._probe(0)): self._probe(0)}

    async def forget(self, server: Server | None) -> None:
        """Learn that the server did not help; None: that it is not known which."""
        for one in tuple(self._servers.values()) if server is None else (server,):
            await one.drop()

    def moved(self, refused: RefusedError, asked: Server) -> None:
        """Learn from what a server said that the keys in question are elsewhere.

        Raises:
            RefusedError: they cannot be.
            GoneError: it does not say where.
        """
        del asked  # only a cluster knows another place
        raise refused

    async def close(self) -> None:
        """Close every connection that nobody uses."""
        for server in self._servers.values():
            await server.drop()


class OneServer(Places):
    """The one that the URL names; its name is resolved for each connection."""

    async def of(self, name: str) -> Server:
        """Return the server."""
        return self.at(self._first[0])


class Sentinel(Places):
    """The master of a service, as the sentinels know it."""

    def __init__(
        self, place: Place, timeout: float, dialing: Dialing, probe: Callable[[int], str], sentinels: Dialing
    ) -> None:
        super().__init__(place, timeout, dialing, probe)
        self._sentinels = {address: Server(address, sentinels) for address in place.addresses}
        self._master: Server | None = None

    async def of(self, name: str) -> Server:
        """Return the master."""
        async with self._learning:
            if self._master is None:
                self._master = self.at(await self._ask())
            return self._master

    async def forget(self, server: Server | None) -> None:
        """Ask another sentinel the next time."""
        await super().forget(server)
        if self._master is not None and server in {None, self._master}:
            self._master = None
            self._first.rotate(-1)

    async def close(self) -> None:
        """Close every connection that nobody uses."""
        await super().close()
        for sentinel in self._sentinels.values():
            await sentinel.drop()

    async def _ask(self) -> Address:
        def read(answer: Any, asked: Address) -> Address | None:
            del asked
            return Address(answer[0].decode(), int(answer[1])) if answer else None

        command: Command = ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._place.service)
        try:
            found: Address | None = await first_answer(
                self._first, self._sentinels.__getitem__, command, self._share, read
            )
        except RefusedError as error:
            raise (GoneError(SENTINEL_LOGIN) if error.code == "AUTH" else error) from None
        if found is None:
            raise GoneError(f"is not known to the sentinels as {self._place.service!r}; correct store.url")
        return found


async def first_answer(
    known: deque[Address],
    at: Callable[[Address], Server],
    command: Command,
    share: float,
    read: Callable[[Any, Address], Any],
) -> Any:
    """Ask one after the other until one answers something that can be read; None: nobody knows.

    Raises:
        GoneError, RefusedError: what the last one said, when none answered.
    """
    trouble: GoneError | RefusedError | None = None
    answered = False
    for address in tuple(known):
        try:
            async with asyncio.timeout(share):
                answer = (await at(address).ask(command))[0]
            if isinstance(answer, RefusedError):
                raise answer
            answered = True
            if (found := read(answer, address)) is not None:
                return found
        except TimeoutError:
            await at(address).drop()
            trouble = GoneError(f"is not known: {address}, which would know, does not answer")
        except (GoneError, RefusedError) as error:
            trouble = error
        except (TypeError, ValueError, IndexError, AttributeError):
            trouble = GoneError(f"is not known: {address} answers what cannot be read")
    if trouble is not None and not answered:
        raise trouble
    return None
