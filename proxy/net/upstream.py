"""The connections to one upstream: an unused one is handed out at once, a missing one is opened, a tired one is closed.

Theory. A pool belongs to one route. Idle connections are handed out last in, first out, so that the surplus grows old
and is closed. One sweeper per pool looks at the deadlines of all connections ten times a second: a timer per request
would cost more than the request's headers.
"""

import asyncio
import contextlib
import socket
import ssl
from collections import deque
from functools import lru_cache
from pathlib import Path
from typing import Final

from proxy.core.errors import UpstreamTimeoutError, UpstreamUnreachableError
from proxy.core.origin import Origin
from proxy.net.exchange import Connection
from proxy.net.runtime import Runtime

SWEEP: Final = 0.1
"""Seconds between two looks at the deadlines: how exact a timeout is."""


def trust(ca: str | None) -> ssl.SSLContext:
    """Return a verifying TLS context that believes the system's authorities, or those in the PEM file instead.

    Raises:
        OSError: the file cannot be read, or holds no certificate.
    """
    return _context(ca, Path(ca).stat().st_mtime_ns if ca else 0)


@lru_cache(maxsize=64)
def _context(ca: str | None, stamp: int) -> ssl.SSLContext:
    """Reading the system's authorities takes tens of milliseconds: routes share what they believe alike."""
    del stamp  # part of the key only: a file that was replaced is read again
    context = ssl.create_default_context(cafile=ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


class Upstream:
    """The pool of connections to one origin."""

    def __init__(
        self,
        origin: Origin,
        runtime: Runtime,
        *,
        tls: ssl.SSLContext | None,
        connect: float,
        idle: float,
        keepalive: float,
    ) -> None:
        self.origin = origin
        self._runtime = runtime
        self.tls = tls
        """What is believed; None: the connection is not encrypted."""
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
        return self._idle.pop() if self._idle else None

    async def connect(self) -> Connection:
        """Open a connection.

        Raises:
            UpstreamUnreachableError: refused, no route, no such name, or the upstream's certificate is not believed.
            UpstreamTimeoutError: it took longer than the connect timeout.
        """
        loop = asyncio.get_running_loop()
        connection = Connection(self, loop, self._idle_timeout)
        try:
            async with asyncio.timeout(self._connect_timeout):
                await loop.create_connection(
                    lambda: connection,
                    self.origin.host,
                    self.origin.port,
                    ssl=self.tls,
                    server_hostname=self.origin.host if self.tls else None,
                )
        except TimeoutError:
            raise UpstreamTimeoutError("connecting took too long", proxy_error="connection_timeout") from None
        except ssl.SSLCertVerificationError as error:
            raise UpstreamUnreachableError(
                f"the upstream's certificate is not believed: {error.verify_message}",
                proxy_error="tls_certificate_error",
            ) from None
        except ssl.SSLError:
            raise UpstreamUnreachableError("no TLS connection came about", proxy_error="tls_protocol_error") from None
        except socket.gaierror:
            raise UpstreamUnreachableError("the upstream's name is not known", proxy_error="dns_error") from None
        except OSError:
            raise UpstreamUnreachableError("the upstream does not accept connections") from None
        if connection.is_closed:
            raise UpstreamUnreachableError("the upstream ended the connection", proxy_error="connection_terminated")
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
            for connection in [late for late in self._all if late.deadline < now]:
                connection.expire()
