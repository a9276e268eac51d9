"""What every web server of the tests shares: a port of this machine that it is given, and an end that waits for nobody.

In a test: `async with One() as one: ... one.url`. A server says in `app` what it serves.
"""

import ssl
from types import TracebackType
from typing import Self

from aiohttp import web

BACKLOG = 4096
"""Connections that wait while we are busy; whom the kernel turns away tries again only seconds later."""


class Served:
    """Listens on a loopback port while its block runs, and on the same one when it is begun again."""

    port: int = 0
    """Where it listens; 0: not decided before it begins."""
    tls: ssl.SSLContext | None = None
    notices_who_leaves: bool = False
    """True: work for somebody who has hung up is broken off."""
    _runner: web.AppRunner | None = None

    def app(self) -> web.Application:
        """Return what is served."""
        raise NotImplementedError

    def release(self) -> None:
        """Answer whoever still waits, before the end."""

    @property
    def base(self) -> str:
        """Return the server's address without a path."""
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """Return the address that it is asked at."""
        return self.base

    async def __aenter__(self) -> Self:
        self._runner = web.AppRunner(
            self.app(), access_log=None, shutdown_timeout=0.1, handler_cancellation=self.notices_who_leaves
        )
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port, ssl_context=self.tls, backlog=BACKLOG).start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._runner is not None:
            self.release()
            await self._runner.cleanup()
