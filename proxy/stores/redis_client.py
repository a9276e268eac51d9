"""The client (redis-py's) of one server, or of the master that sentinels name (of a cluster: `redis_cluster`).

Theory. Nothing here is cancelled, and nothing tries twice: whoever asks says when to stop waiting, and what to do when
a connection ends. `leave` closes the connections to whom did not help, those in use too, so that a call that nobody
waits for any more comes to its end; and it looks anew who is to be asked. For each call to have a timer of its own as
well would cost as much time as the call.
"""

import ssl
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from redis.asyncio import BlockingConnectionPool, Connection, Redis, SSLConnection
from redis.asyncio import UnixDomainSocketConnection as SocketConnection
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import (
    MasterNotFoundError,
    Sentinel,
    SentinelManagedConnection,
    SentinelManagedSSLConnection,
)
from redis.backoff import NoBackoff
from redis.maint_notifications import MaintNotificationsConfig

from proxy.core.secret import Secret
from proxy.stores.redis_faults import TROUBLE, UNREADABLE, GoneError, RefusedError, understood
from proxy.stores.redis_scripts import Command
from proxy.stores.redis_tls import RedisTlsSettings
from proxy.stores.redis_url import Address, Place

if TYPE_CHECKING:
    from proxy.stores.redis import RedisSettings

SHARE: Final = 4
"""A sentinel, or a member that the URL names, may take this part of a question's time to say who is where."""
BACKSTOP: Final = 3
"""So many times a question's time passes until a call gives itself up that nobody waits for: longer than anybody waits,
for redis-py takes its own silence for the server's when the process is held up."""


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


def logins(settings: "RedisSettings", place: Place) -> tuple[Login, Login]:
    """Return how to be let in to the servers, and to the sentinels."""
    both = Login(settings.timeout, settings.connections, settings.protocol, settings.tls if place.tls else None)
    username, password = place.username or settings.username, place.password or settings.password
    return (
        replace(both, username=username, password=password),
        replace(both, username=settings.sentinel_username, password=settings.sentinel_password),
    )


class Pool:
    """A client that is thrown away when it did not help.

    What goes wrong is a GoneError, RefusedError or TimeoutError, see `redis_faults.understood`.
    """

    def __init__(self, place: Place, login: Login, sentinels: Login) -> None:
        self._place = place
        self._login = login
        self._sentinel = _sentinel(place, sentinels) if place.topology == "sentinel" else None
        self._client = self._made(None)

    async def of(self, name: str) -> Redis:
        """Return the client."""
        return self._client

    async def ask(self, where: Redis, commands: Sequence[Command]) -> list[Any]:
        """Send the commands at once on one connection; a command that was refused answers a RefusedError."""
        try:
            if len(commands) == 1:  # the common case, and the faster way
                return [await where.execute_command(*commands[0])]  # type: ignore[no-untyped-call]
            pipeline = where.pipeline(transaction=False)
            for command in commands:
                pipeline.execute_command(*command)
            answers = await pipeline.execute(raise_on_error=False)
        except MasterNotFoundError:
            raise await self._why_no_master() from None
        except TROUBLE as error:
            raise understood(error) from None
        return [understood(answer) if isinstance(answer, Exception) else answer for answer in answers]

    async def leave(self, where: Redis) -> None:
        """Learn that it did not help."""
        if where is self._client:
            self._client = self._made(None)
        with suppress(*TROUBLE):
            await where.aclose()

    def has_left(self, where: Redis) -> bool:
        """Return whether that client is asked no more."""
        return where is not self._client

    def names(self, name: Callable[[int], str]) -> Sequence[str]:
        """Return such a name for each server that keeps something, as far as they are known by now."""
        return (name(0),)

    def address(self, name: str) -> str:
        """Return where what has that name was found."""
        found = getattr(self._client.connection_pool, "master_address", None)
        return str(Address(*found) if found else self._place.addresses[0])

    def listener(self) -> Redis:
        """Return a client of one's own."""
        return self._made(self._login.timeout * BACKSTOP)

    def _made(self, socket_timeout: float | None) -> Redis:
        first = self._place.addresses[0]
        options = self._login.options() | {
            "db": self._place.database,
            "max_connections": self._login.connections,
            "socket_timeout": socket_timeout,
        }
        if self._sentinel is not None:
            kind = self._login.kind(SentinelManagedConnection, SentinelManagedSSLConnection)
            master: Redis = self._sentinel.master_for(self._place.service, connection_class=kind, **options)
            return master
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


def _sentinel(place: Place, login: Login) -> Sentinel:
    addresses = [(address.host, address.port) for address in place.addresses]
    sentinel = Sentinel(addresses, sentinel_kwargs=login.options(1 / SHARE))  # type: ignore[no-untyped-call]
    for client in sentinel.sentinels:
        client.connection_pool.connection_class = login.kind(Connection, SSLConnection)
    return sentinel


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
