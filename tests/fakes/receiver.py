"""Somebody who is told by webhook: a real HTTP server that remembers what arrives and answers as a test wants.

In a test: `async with Receiver() as receiver: ... receiver.statuses.append(503)`.
"""

import asyncio
import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from tests.fakes.served import Served


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


class Receiver(Served):
    """Listens on a loopback port while its block runs."""

    notices_who_leaves = True

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

    @property
    def url(self) -> str:
        """Return the address to send to."""
        return f"http://127.0.0.1:{self.port}/hook?key=s3cret-path"

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

    def app(self) -> web.Application:
        """Return what takes every delivery."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._receive)
        return app

    async def _receive(self, request: web.Request) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        delivery = Delivery(request.method, request.path_qs, headers, await request.read())
        self.deliveries.append(delivery)
        status = self.statuses.popleft() if self.statuses else self.status
        await self._open.wait()
        if self.refuses(delivery):
            status = 500
        return web.Response(status=status, headers=self.headers, body=self.body or None)
