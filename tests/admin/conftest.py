"""A process that operators look at: real sources and routes, and the real listener on a real socket."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from proxy import callers
from proxy.admin.api import admin_app
from proxy.admin.health import Health
from proxy.admin.listener import open_listener
from proxy.callers.api_key import ApiKeySettings, hash_key
from proxy.core.clock import Clock
from proxy.credentials.base import CredentialSettings
from proxy.credentials.http_request import HttpRequestSettings
from proxy.credentials.user_token import UserTokenSettings
from proxy.gateway.graph import Graph, build_graph
from proxy.gateway.settings import RouteSettings
from proxy.net.endpoint import Endpoint
from proxy.stores.documents import Documents
from proxy.tokens.personal import build_pool
from proxy.tokens.sources import Sources
from proxy.tokens.workshop import Workshop
from proxy.users.changes import Changes
from proxy.users.people import People
from proxy.users.push import Pushes
from proxy.users.registry import Registry
from proxy.users.settings import UsersSettings
from tests.fakes.token_room import SEAL, TokenRoom

KEY = "csk_ops_0123456789abcdef0123456789abcdef"


def billing(url: str, token: str = "$.access_token") -> CredentialSettings:
    """Return the settings of a credential that asks that token endpoint."""
    return HttpRequestSettings.model_validate(
        {
            "kind": "http_request",
            "description": "Finance team",
            "request": {"url": url, "form": {"client_secret": "MARKER-client-secret"}},
            "token": {"from": "json", "path": token},
            "expiry": {"from": "json", "path": "$.expires_in", "type": "seconds"},
            "allow_plain_http": True,
        }
    )


class Process:
    """Satisfies `Inspectable`, with knobs."""

    def __init__(self, room: TokenRoom) -> None:
        self.room = room
        self.clock: Clock = room.clock
        self.metrics = room.metrics
        self.events = room.events
        self.health = Health()
        self.health.is_configured = True
        self.started_at = room.clock.now()
        self.endpoint = Endpoint(self.clock)
        crm = UserTokenSettings(kind="user_token")
        workshop = Workshop(self.endpoint, room.vault, b"0" * 32, room.runtime, self.metrics, self.events)
        self.sources = Sources(
            {"billing": billing("http://127.0.0.1:1/token"), "crm": crm},
            {"billing": room.source},
            {"crm": build_pool("crm", crm, "identity", workshop, 10)},
        )
        documents = Documents(room.store, SEAL)
        pushes = Pushes(lambda: self.sources, self.endpoint, room.runtime, room.events)
        people = People(UsersSettings(), Registry(documents, b"key"), self.endpoint, room.runtime, pushes.doubts)
        people.let_push(pushes)
        room.store.listen(Changes(lambda: self.sources).hear)
        self.graph: Graph = build_graph(
            {
                "billing": RouteSettings.model_validate(
                    {
                        "match": {"path": "/billing/", "methods": ["GET"], "headers": {"X-Tenant": "acme"}},
                        "upstream": "https://api.example/v2",
                        "credential": "billing",
                        "callers": ["backend"],
                    }
                )
            },
            callers={
                "backend": callers.KINDS["api_key"]("backend", ApiKeySettings(kind="api_key", keys=(hash_key(KEY),)))
            },
            sources=self.sources.by_name,
            runtime=room.runtime,
            metrics=room.metrics,
            events=room.events,
            people=people,
        )
        self.store_kind = "memory"
        self.admin_keys: Mapping[str, str] = {"ops": hash_key(KEY)}
        self.admin_host = "admin.example"


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    json: Any = field(repr=False)


class Operator:
    """Asks the admin listener."""

    def __init__(self, session: aiohttp.ClientSession, base: str) -> None:
        self._session = session
        self.base = base

    async def ask(
        self,
        method: str,
        path: str,
        *,
        key: str | None = KEY,
        headers: Mapping[str, str] | None = None,
        body: Any = None,
    ) -> Answer:
        """Send one request; `key` None: without one."""
        given = {"Authorization": f"Bearer {key}"} if key is not None else {}
        data = body if isinstance(body, bytes) else None
        async with self._session.request(
            method,
            self.base + path,
            headers={**given, **(headers or {})},
            data=data,
            json=None if data is not None or body is None else body,
        ) as response:
            raw = await response.read()
            is_json = "json" in response.content_type
            return Answer(
                response.status, response.headers, raw, await response.json(content_type=None) if is_json else None
            )

    async def get(self, path: str, **options: Any) -> Answer:
        """Ask."""
        return await self.ask("GET", path, **options)

    async def post(self, path: str, body: Any = None, **options: Any) -> Answer:
        """Order."""
        return await self.ask("POST", path, body=body, **options)


@asynccontextmanager
async def listening(app: web.Application) -> AsyncIterator[Operator]:
    """Serve on a free port of this machine."""
    async with AsyncExitStack() as stack:
        runner = await open_listener(app, "127.0.0.1", 0)
        stack.push_async_callback(runner.cleanup)
        session = await stack.enter_async_context(aiohttp.ClientSession())
        yield Operator(session, f"http://127.0.0.1:{runner.addresses[0][1]}")


@pytest.fixture
def room() -> TokenRoom:
    return TokenRoom()


@pytest.fixture
async def process(room: TokenRoom) -> AsyncIterator[Process]:
    process = Process(room)
    yield process
    room.source.close()
    for plan in process.graph.plans.values():
        plan.upstream.close()
    await process.endpoint.close()
    await room.runtime.close()


@pytest.fixture
async def operator(process: Process) -> AsyncIterator[Operator]:
    async with listening(admin_app(process)) as operator:
        yield operator
