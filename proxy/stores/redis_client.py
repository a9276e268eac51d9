"""Which of redis-py's clients asks about a key: one with a pool for a server or a master, and a cluster's own.

Theory. Nothing here is cancelled, and nothing tries twice: whoever asks says when to stop waiting, and what to do when
a connection ends. `leave` closes the connections to whom did not help, those in use too, so that a call that nobody
waits for any more comes to its end; and it looks anew who is to be asked.
"""

import ssl
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from random import choice
from typing import Any, Final

from redis.asyncio import BlockingConnectionPool, Connection, Redis, RedisCluster, SSLConnection
from redis.asyncio import UnixDomainSocketConnection as SocketConnection
from redis.asyncio.cluster import ClusterNode, PipelineCommand
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import (
    MasterNotFoundError,
    Sentinel,
    SentinelManagedConnection,
    SentinelManagedSSLConnection,
)
from redis.backoff import NoBackoff
from redis.exceptions import AskError, MovedError
from redis.maint_notifications import MaintNotificationsConfig

from proxy.core.secret import Secret
from proxy.stores.redis_faults import TROUBLE, UNREADABLE, UNSETTLED, GoneError, RefusedError, understood
from proxy.stores.redis_scripts import Command
from proxy.stores.redis_tls import RedisTlsSettings
from proxy.stores.redis_url import Address, Place

SHARE: Final = 4
"""A sentinel, or a member that the URL names, may take this part of a question's time to say who is where."""
BACKSTOP: Final = 2
"""So many times a question's time passes until a call gives itself up that nobody waits for."""
MOST_MOVES: Final = 5
"""How often within one question a cluster may point elsewhere."""
SLOTS: Final = 16384

Where = Any
"""Whom to ask: a client of redis-py, or a cluster's node."""


@dataclass(frozen=True, slots=True)
class Login:
    """Who we are, and how we speak."""

    timeout: float
    connections: int
    protocol: int
    tls: RedisTlsSettings | None = None
    username: str | None = None
    password: Secret | None = None

    def options(self, share: float = 1.0) -> dict[str, Any]:
        """Return what every connection is made with; it may take that share of a question's time to come about."""
        return {
            "username": self.username,
            "password": self.password.reveal() if self.password is not None else None,
            "protocol": self.protocol,
            "retry": Retry(NoBackoff(), 0),
            "socket_timeout": self.timeout * (share if share < 1 else BACKSTOP),
            "socket_connect_timeout": self.timeout * share,
            "driver_info": None,
            "maint_notifications_config": MaintNotificationsConfig(enabled=False),
        }

    def kind(self, plain: type[Connection], secure: type[SSLConnection]) -> type[Connection]:
        """Return the kind of connection that believes and shows what we do."""
        return plain if self.tls is None else _believing(secure, self.tls)


class Servers(ABC):
    """Where to ask. What goes wrong is GoneError, RefusedError or TimeoutError, see `redis_faults.understood`."""

    @abstractmethod
    async def of(self, name: str) -> Where:
        """Return whoever keeps what has that name."""

    @abstractmethod
    async def ask(self, where: Where, commands: Sequence[Command]) -> list[Any]:
        """Send the commands at once on one connection; a command that was refused answers a RefusedError."""

    @abstractmethod
    async def leave(self, where: Where) -> None:
        """Learn that it did not help."""

    @abstractmethod
    def names(self, name: Callable[[int], str]) -> Sequence[str]:
        """Return such a name for each server that keeps something, as far as they are known by now."""

    @abstractmethod
    def address(self, name: str) -> str:
        """Return where what has that name was found."""

    @abstractmethod
    def listener(self) -> Redis:
        """Return a client of one's own of any server that keeps something."""

    @abstractmethod
    async def close(self) -> None:
        """Close every connection."""


class Pool(Servers):
    """One server, or the master that sentinels name: a client whose pool is thrown away when it did not help."""

    def __init__(self, place: Place, login: Login, sentinels: Login) -> None:
        self._place = place
        self._login = login
        self._sentinel = _sentinel(place, sentinels) if place.topology == "sentinel" else None
        self._client = self.listener()

    async def of(self, name: str) -> Where:
        """Return the client."""
        return self._client

    async def ask(self, where: Where, commands: Sequence[Command]) -> list[Any]:
        """Send the commands at once on one connection; a command that was refused answers a RefusedError."""
        pipeline = where.pipeline(transaction=False)
        for command in commands:
            pipeline.execute_command(*command)
        try:
            answers = await pipeline.execute(raise_on_error=False)
        except MasterNotFoundError:
            raise await self._why_no_master() from None
        except TROUBLE as error:
            raise understood(error) from None
        return [understood(answer) if isinstance(answer, Exception) else answer for answer in answers]

    async def leave(self, where: Where) -> None:
        """Learn that it did not help."""
        if where is self._client:
            self._client = self.listener()
        with suppress(*TROUBLE):
            await where.aclose()

    def names(self, name: Callable[[int], str]) -> Sequence[str]:
        """Return such a name for each server that keeps something, as far as they are known by now."""
        return (name(0),)

    def address(self, name: str) -> str:
        """Return where what has that name was found."""
        found = getattr(self._client.connection_pool, "master_address", None)
        return str(Address(*found) if found else self._place.addresses[0])

    def listener(self) -> Redis:
        """Return a client of one's own."""
        first = self._place.addresses[0]
        options = self._login.options() | {
            "db": self._place.database,
            "max_connections": self._login.connections,
        }
        if self._sentinel is not None:
            kind = self._login.kind(SentinelManagedConnection, SentinelManagedSSLConnection)
            return self._sentinel.master_for(self._place.service, connection_class=kind, **options)
        if first.is_socket:
            options |= {"connection_class": SocketConnection, "path": first.host}
        else:
            kind = self._login.kind(Connection, SSLConnection)
            options |= {"connection_class": kind, "host": first.host, "port": first.port}
        return Redis.from_pool(BlockingConnectionPool(timeout=self._login.timeout, **options))

    async def close(self) -> None:
        """Close every connection."""
        with suppress(*TROUBLE):
            await self._client.aclose()
        if self._sentinel is not None:
            with suppress(*TROUBLE):
                await self._sentinel.aclose()

    async def _why_no_master(self) -> GoneError | RefusedError | TimeoutError:
        """Ask the sentinels ourselves, for redis-py does not tell what they failed with."""
        trouble: GoneError | RefusedError | TimeoutError | None = None
        for sentinel in self._sentinel.sentinels if self._sentinel is not None else ():
            try:
                await sentinel.ping()
            except TROUBLE as error:
                trouble = understood(error)
            else:
                return GoneError(
                    f"is not known to the sentinels as {self._place.service!r}; correct store.url, unless they are "
                    "about to replace it"
                )
        if isinstance(trouble, RefusedError) and trouble.code == "AUTH":
            return GoneError(
                "is not known: the sentinels do not accept the user name or password; correct store.sentinel_username "
                "and store.sentinel_password"
            )
        return trouble or GoneError("has no sentinels")


class Cluster(Servers):
    """The member that has the key's slot. Of redis-py's client its map and its nodes; what they do not do is here.

    Its `execute_command` first reads the description of all commands, which holds a process up, and sends ASKING on
    another connection than the question; it closes all connections, and sleeps, when the cluster is down.
    """

    def __init__(self, place: Place, login: Login) -> None:
        self._login = login
        nodes = [ClusterNode(address.host, address.port) for address in place.addresses]
        options = login.options() | {"max_connections": 2 * login.connections}  # one that is being closed counts too
        self._cluster = RedisCluster(
            startup_nodes=nodes, require_full_coverage=False, ssl=login.tls is not None, **options
        )
        self._map = self._cluster.nodes_manager
        self._map.connection_kwargs["connection_class"] = login.kind(Connection, SSLConnection)
        for node in self._map.startup_nodes.values():
            node.connection_class = self._map.connection_kwargs["connection_class"]
            node.connection_kwargs |= login.options(1 / SHARE)

    async def of(self, name: str) -> Where:
        """Return the member that has the slot of that name."""
        try:
            if not self._map.slots_cache:
                await self._map.initialize()
            return self._cluster.get_node_from_key(name)
        except TROUBLE as error:
            raise understood(error) from None

    async def ask(self, where: Where, commands: Sequence[Command]) -> list[Any]:
        """Send the commands at once on one connection; a command that was refused answers a RefusedError."""
        try:
            for _ in range(MOST_MOVES):
                answers = await _at_once(where, commands)
                match answers[0]:
                    case MovedError() as moved:
                        moved.host = moved.host or where.host
                        await self._map.move_slot(moved)
                        where = self._map.get_node(moved.host, moved.port)
                    case AskError() as elsewhere:
                        asked = self._map.get_node(elsewhere.host or where.host, elsewhere.port)
                        if asked is None:
                            break
                        answers = (await _at_once(asked, (("ASKING",), *commands)))[1:]
                        return [understood(one) if isinstance(one, Exception) else one for one in answers]
                    case _:
                        return [understood(one) if isinstance(one, Exception) else one for one in answers]
        except TROUBLE as error:
            raise understood(error) from None
        raise GoneError(UNSETTLED)

    async def leave(self, where: Where) -> None:
        """Learn that it did not help; it is asked last for the map."""
        with suppress(*TROUBLE):
            await where.disconnect()
        with suppress(*TROUBLE):
            await self._map.initialize(last_failed_node_name=where.name)

    def names(self, name: Callable[[int], str]) -> Sequence[str]:
        """Return such a name for each server that keeps something, as far as they are known by now."""
        wanted = {nodes[0].name for nodes in self._map.slots_cache.values()}
        found: dict[str, str] = {}
        for number in range(SLOTS):
            if len(found) == len(wanted):
                break
            with suppress(*TROUBLE):  # nobody has that slot
                found.setdefault(self._cluster.get_node_from_key(name(number)).name, name(number))
        return tuple(found.values())

    def address(self, name: str) -> str:
        """Return where what has that name was found."""
        return str(self._cluster.get_node_from_key(name).name)

    def listener(self) -> Redis:
        """Return a client of one's own of any member: what is published anywhere is heard everywhere."""
        known = [nodes[0] for nodes in self._map.slots_cache.values()] or list(self._map.startup_nodes.values())
        node = choice(known)  # noqa: S311 - a load is spread, no secret kept
        kind = self._login.kind(Connection, SSLConnection)
        pool = BlockingConnectionPool(
            connection_class=kind, host=node.host, port=node.port, timeout=self._login.timeout, **self._login.options()
        )
        return Redis.from_pool(pool)

    async def close(self) -> None:
        """Close every connection."""
        for nodes in ("nodes_cache", "startup_nodes"):
            with suppress(*TROUBLE):
                await self._map.aclose(nodes)


def servers(place: Place, login: Login, sentinels: Login) -> Servers:
    """Return those of that place."""
    return Cluster(place, login) if place.topology == "cluster" else Pool(place, login, sentinels)


def _sentinel(place: Place, login: Login) -> Sentinel:
    addresses = [(address.host, address.port) for address in place.addresses]
    sentinel = Sentinel(addresses, sentinel_kwargs=login.options(1 / SHARE))
    for client in sentinel.sentinels:
        client.connection_pool.connection_class = login.kind(Connection, SSLConnection)
    return sentinel


async def _at_once(node: ClusterNode, commands: Sequence[Command]) -> list[Any]:
    calls = [PipelineCommand(number, *command) for number, command in enumerate(commands)]
    await node.execute_pipeline(calls)
    answers = [call.result for call in calls]
    for answer in answers:
        if isinstance(answer, Exception) and not isinstance(understood(answer), RefusedError):
            raise answer
    return answers


def _believing(secure: type[SSLConnection], tls: RedisTlsSettings) -> type[SSLConnection]:
    """Return the same kind with our context, for redis-py's own believes the system's authorities in any case."""

    class Believing(secure):  # type: ignore[misc, valid-type]  # the class is chosen at run time
        async def connect_check_health(self, *arguments: Any, **options: Any) -> None:
            if not self.is_connected:
                try:
                    self.ssl_context.context = tls.context()
                except (OSError, ssl.SSLError):
                    raise GoneError(UNREADABLE) from None
            await super().connect_check_health(*arguments, **options)

    return Believing
