"""The connections to one upstream: an unused one is handed out at once, a missing one is opened, a tired one is closed.

Theory. A pool belongs to one route. Idle connections are handed out last in, first out, so that the surplus grows old
and is closed. One sweeper per pool looks at the deadlines of all connections ten times a second: a timer per request
would cost more than the request's headers. Each connection knows the TLS context that it was made with: when the files
behind it change, connections made with a former one finish what they are at, and are not used again.
"""

import asyncio
import contextlib
import errno
import os
import socket
import ssl
from collections import deque
from typing import Final

from proxy.core.errors import OverloadedError, ProxyError, UpstreamTimeoutError, UpstreamUnreachableError
from proxy.core.origin import Origin
from proxy.net.alert import is_alert
from proxy.net.exchange import Connection, refused_by_alert
from proxy.net.runtime import Runtime
from proxy.net.tls import TlsFiles

SWEEP: Final = 0.1
"""Seconds between two looks at the deadlines: how exact a timeout is."""
_LACKS: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
"""What an error says when this machine, and not the upstream, has no room for a connection."""


class Upstream:
    """The pool of connections to one origin."""

    def __init__(
        self,
        origin: Origin,
        runtime: Runtime,
        *,
        tls: TlsFiles | None,
        connect: float,
        idle: float,
        keepalive: float,
    ) -> None:
        self.origin = origin
        self._runtime = runtime
        self.tls = tls
        """What is believed and shown; None: the connection is not encrypted."""
        self._connect_timeout = connect
        self._idle_timeout = idle
        self._keepalive = keepalive
        self._idle: deque[Connection] = deque()
        self._all: set[Connection] = set()
        self._sweeper: asyncio.Task[None] | None = None
        self._closed = False
        self.now = runtime.clock.monotonic

    def __repr__(self) -> str:
        return f"<Upstream {self.origin.authority}: {len(self._all)} connections, {len(self._idle)} idle>"

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._all)

    def idle(self) -> Connection | None:
        """Hand out an unused connection that stands, or None."""
        while self._idle:
            connection = self._idle.pop()
            if not self._is_outdated(connection):
                return connection
            connection.close()
        return None

    async def connect(self) -> Connection:
        """Open a connection.

        Raises:
            UpstreamUnreachableError: refused, no route, no such name, or one does not believe the other's certificate.
            UpstreamTimeoutError: it took longer than the connect timeout.
            OverloadedError: this process has no file descriptor left, or the machine no memory.
        """
        loop = asyncio.get_running_loop()
        connection = Connection(self, loop, self._idle_timeout)
        name = None
        if self.tls is not None:
            connection.tls = self.tls.context
            name = self.tls.server_name or self.origin.host
        try:
            async with asyncio.timeout(self._connect_timeout):
                await loop.create_connection(
                    lambda: connection,
                    self.origin.host,
                    self.origin.port,
                    ssl=connection.tls,
                    server_hostname=name,
                )
        except TimeoutError:
            raise UpstreamTimeoutError("connecting took too long", proxy_error="connection_timeout") from None
        except ssl.SSLCertVerificationError as error:
            raise UpstreamUnreachableError(
                f"the upstream's certificate is not believed: {error.verify_message}",
                proxy_error="tls_certificate_error",
            ) from None
        except ssl.SSLError as error:
            if is_alert(error):
                raise refused_by_alert(error) from None
            raise UpstreamUnreachableError("no TLS connection came about", proxy_error="tls_protocol_error") from None
        except OSError as error:
            raise _unreachable(error) from None
        if connection.is_closed:
            raise connection.error or UpstreamUnreachableError(
                "the upstream ended the connection", proxy_error="connection_terminated"
            )
        self._all.add(connection)
        self._watch()
        return connection

    def take_back(self, connection: Connection) -> None:
        """Receive a connection that is idle again."""
        if self._closed:
            connection.close()
            return
        connection.idle_since = self.now()
        self._idle.append(connection)

    def forget(self, connection: Connection) -> None:
        """Hear that a connection is closed."""
        self._all.discard(connection)
        with contextlib.suppress(ValueError):
            self._idle.remove(connection)

    def _is_outdated(self, connection: Connection) -> bool:
        return self.tls is not None and connection.tls is not self.tls.context

    def close(self) -> None:
        """Close what is idle now, and everything else as soon as it is released."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()

    def _watch(self) -> None:
        if self._sweeper is None or self._sweeper.done():
            self._sweeper = self._runtime.spawn(self._sweep(), name=f"sweep {self.origin.authority}")

    async def _sweep(self) -> None:
        while self._all:
            await self._runtime.clock.sleep(SWEEP)
            now = self.now()
            while self._idle and now - self._idle[0].idle_since > self._keepalive:
                self._idle[0].close()
            for connection in [outdated for outdated in self._idle if self._is_outdated(outdated)]:
                connection.close()
            for connection in [late for late in self._all if late.deadline < now]:
                connection.expire()


def _unreachable(error: OSError) -> ProxyError:
    lack: OSError | None = error
    if isinstance(error, socket.gaierror):
        lack = _lack_of_descriptors()
    if lack is not None and lack.errno in _LACKS:
        return OverloadedError("this process cannot open more connections", retry_after=1.0)
    if isinstance(error, socket.gaierror):
        return UpstreamUnreachableError("the upstream's name is not known", proxy_error="dns_error")
    return UpstreamUnreachableError("the upstream does not accept connections")


def _lack_of_descriptors() -> OSError | None:
    """Return what keeps files from being opened: without one no name is looked up, and that error does not say so."""
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        return error
    return None
