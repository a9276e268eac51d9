"""Somebody who is told by webhook: a real HTTP server that remembers what arrives and answers as a test wants.

In a test: `async with Receiver() as receiver: ... receiver.statuses.append(503)`.
"""

import asyncio
import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from aiohttp import web


@dataclass(frozen=True)
class Delivery:
    """One request that arrived."""

    method: str
    path_qs: str
    headers: dict[str, str]
    """By lower-case name."""
    body: bytes

    @property
    def said(self) -> dict[str, Any]:
        """Return the body's JSON object."""
        said = json.loads(self.body)
        assert isinstance(said, dict)
        return said


class Receiver:
    """Listens on a loopback port while its block runs."""

    def __init__(self) -> None:
        self.deliveries: list[Delivery] = []
        """Everything that arrived, in order."""
        self.statuses: deque[int] = deque()
        """What the next requests are answered; then `status`."""
        self.status = 204
        self.headers: dict[str, str] = {}
        """Added to every answer."""
        self.body = b""
        self.refuses: Callable[[Delivery], bool] = lambda _: False
        """Which deliveries are answered 500, whatever the other settings say."""
        self._open = asyncio.Event()
        self._open.set()
        self._runner: web.AppRunner | None = None
        self._port = 0

    @property
    def url(self) -> str:
        """Return the address to send to."""
        return f"http://127.0.0.1:{self._port}/hook?key=s3cret-path"

    @property
    def port(self) -> int:
        """Return the port alone."""
        return self._port

    @property
    def types(self) -> list[str]:
        """Return what each delivery tells of, in order."""
        return [delivery.said["type"] for delivery in self.deliveries]

    def hold(self) -> None:
        """Let deliveries arrive and wait, until `release`."""
        self._open.clear()

    def release(self) -> None:
        """Answer those that wait, and all later ones."""
        self._open.set()

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._receive)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._runner is not None:
            self.release()
            await self._runner.cleanup()

    async def _receive(self, request: web.Request) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        delivery = Delivery(request.method, request.path_qs, headers, await request.read())
        self.deliveries.append(delivery)
        status = self.statuses.popleft() if self.statuses else self.status
        await self._open.wait()
        if self.refuses(delivery):
            status = 500
        return web.Response(status=status, headers=self.headers, body=self.body or None)
