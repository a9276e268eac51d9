"""One connection to one Redis server: the only place that knows the `redis` package, and only its connections.

Its pools and clients are not used: they give a connection back behind an `await`, so that a call which is cancelled in
that moment takes a place of the pool with it for good. Nothing here waits for itself, either: whoever asks says for how
long, by cancelling. A connection whose answer was not read to its end is dropped, so that no late answer is ever taken
for that of the next question.
"""

import socket
from asyncio import StreamWriter
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from redis import exceptions
from redis.asyncio import Connection, SSLConnection, UnixDomainSocketConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from proxy.core.secret import Secret
from proxy.stores.redis_faults import NOT_REDIS, UNREADABLE, GoneError, RefusedError, breakage
from proxy.stores.redis_scripts import Command
from proxy.stores.redis_tls import RedisTlsSettings
from proxy.stores.redis_url import Address

_KEEPALIVE: Final = {"TCP_KEEPIDLE": 15, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3}
"""Seconds, seconds, times: an idle connection whose other end is gone is noticed by the kernel within half a minute."""


@dataclass(frozen=True, slots=True)
class Dialing:
    """How to reach a server, whichever."""

    protocol: int
    tls: RedisTlsSettings | None = None
    database: int = 0
    username: str | None = None
    password: Secret | None = None


class Wire:
    """One connection. Whoever uses it is alone with it."""

    def __init__(self, address: Address, dialing: Dialing) -> None:
        self.address = address
        self._connection = _connection(address, dialing)
        self._tls = dialing.tls
        self._writer: StreamWriter | None = None

    def __repr__(self) -> str:
        return f"<Wire to {self.address}>"

    async def open(self) -> None:
        """Connect and log in, unless that was done.

        Raises:
            GoneError: the server cannot be had.
            RefusedError: it does not let us in.
        """
        if self._connection.is_connected:
            if not await self._connection.can_read():
                return
            await self.drop()  # it has ended, or says what nobody asked: the next answer would be another question's
        if self._tls is not None:
            try:
                self._connection.ssl_context.context = self._tls.context()
            except OSError:
                raise GoneError(UNREADABLE) from None
        try:
            await self._connection.connect()
            self._writer = self._connection._writer
        except (exceptions.RedisError, OSError, ValueError) as error:
            raise _understood(error) from None

    async def ask(self, *commands: Command) -> list[Any]:
        """Send the commands at once and return their answers; a command that was refused answers a RefusedError.

        Raises:
            GoneError: the connection ended; which commands were carried out is not known.
        """
        try:
            packed = [piece for command in commands for piece in self._connection.pack_command(*command)]
            await self._connection.send_packed_command(packed, check_health=False)
            return [await self._answer() for _ in commands]
        except (exceptions.RedisError, OSError, ValueError) as error:
            raise _understood(error) from None

    async def subscribe(self, *channels: str) -> None:
        """Hear what is published on these channels from now on.

        Raises:
            GoneError: the connection ended.
            RefusedError: this user may not.
        """
        try:
            await self._connection.send_command("SUBSCRIBE", *channels, check_health=False)
            for _ in channels:
                await self._connection.read_response(push_request=True)
        except (exceptions.RedisError, OSError, ValueError) as error:
            raise _understood(error) from None

    async def hear(self) -> tuple[bytes, bytes]:
        """Return the next message's channel and content.

        Raises:
            GoneError: the connection ended.
        """
        while True:
            try:
                said = await self._connection.read_response(push_request=True)
            except (exceptions.RedisError, OSError, ValueError) as error:
                raise _understood(error) from None
            match said:
                case [b"message", bytes() as channel, bytes() as content]:
                    return channel, content

    async def drop(self) -> None:
        """Close it without asking the other end, which may not be there, and return when it is closed."""
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.transport.abort()
        await self._connection.disconnect(nowait=True)
        if writer is not None:
            with suppress(OSError):
                await writer.wait_closed()

    async def _answer(self) -> Any:
        try:
            return await self._connection.read_response()
        except exceptions.ResponseError as error:
            return _understood(error)


def _connection(address: Address, dialing: Dialing) -> Any:
    options: dict[str, Any] = {
        "db": dialing.database,
        "username": dialing.username,
        "password": dialing.password.reveal() if dialing.password is not None else None,
        "protocol": dialing.protocol,
        "retry": Retry(NoBackoff(), 0),
        "socket_timeout": None,
        "socket_connect_timeout": None,
        "driver_info": None,
    }
    if address.is_socket:
        return UnixDomainSocketConnection(path=address.host, **options)
    options |= {"host": address.host, "port": address.port, "socket_keepalive": True}
    options["socket_keepalive_options"] = {
        getattr(socket, name): value for name, value in _KEEPALIVE.items() if hasattr(socket, name)
    }
    return Connection(**options) if dialing.tls is None else SSLConnection(**options)


def _understood(error: Exception) -> GoneError | RefusedError:
    """Return what happened, in our own words."""
    if isinstance(error, exceptions.AuthenticationError):
        return RefusedError("AUTH", str(error))
    code = getattr(error, "status_code", None)  # the error's first word, where the package took it off the text
    if code or isinstance(error, exceptions.ResponseError):
        return RefusedError(code or str(error).partition(" ")[0], str(error))
    if isinstance(error, exceptions.InvalidResponse | ValueError):
        return GoneError(NOT_REDIS)
    return GoneError(breakage(error))
