"""A gateway with one route and everything that it needs, real but for the clock and the credential.

`async with gateway((request(), send(OK))) as (room, api):` listens on a loopback socket; callers go to `room.port`.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Final, Self, cast

from proxy.callers.anonymous import Anonymous, AnonymousSettings
from proxy.callers.base import Caller
from proxy.core.rejection import DEFAULT_RULES, Rejection, RejectionSettings
from proxy.credentials.base import BEARER
from proxy.gateway.graph import NO_GRAPH, Graph, build_graph, retire
from proxy.gateway.listener import Listener
from proxy.gateway.pipeline import Pipeline
from proxy.gateway.plan import RoutePlan
from proxy.gateway.record import Recorder
from proxy.gateway.settings import RouteSettings
from proxy.injectors import make_injector
from proxy.injectors.base import InjectorSettings
from proxy.net.runtime import Runtime
from proxy.stores.memory import Memory, MemorySettings
from proxy.telemetry.events import EventLog
from proxy.telemetry.metrics import UNMATCHED, Metrics
from proxy.telemetry.request_log import RequestLog
from proxy.telemetry.sink import LogSink
from proxy.tokens.source import Source
from proxy.tokens.vault import Vault
from tests.fakes.clock import FakeClock
from tests.fakes.credential import ScriptedCredential, StaticCredential
from tests.fakes.raw_server import RawServer, Step, answer_each
from tests.fakes.token_room import NO_CHANCE, SEAL

ROUTE: Final = "billing"
CREDENTIAL: Final = "session"
NO_OTHERS: Final[Mapping[str, Any]] = {}


class Lines:
    """Keeps the lines of the log."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []

    def write(self, line: bytes) -> None:
        """Take a line."""
        self.seen.append(json.loads(line))


class GatewayRoom:
    """A gateway whose one route leads to `upstream`; `route` are more of its settings."""

    def __init__(
        self,
        upstream: str,
        *,
        rules: tuple[RejectionSettings, ...] = DEFAULT_RULES,
        inject: tuple[InjectorSettings, ...] = (BEARER,),
        static: bool = False,
        others: Mapping[str, tuple[tuple[RejectionSettings, ...], tuple[InjectorSettings, ...]]] = NO_OTHERS,
        **route: Any,
    ) -> None:
        """`static`: the token is part of the configuration; `others`: more credentials, their rules and injectors."""
        parts = {CREDENTIAL: (rules, inject), **others}
        self.clock = FakeClock()
        self.reported: list[tuple[str, BaseException]] = []
        self.runtime = Runtime(self.clock, lambda name, error: self.reported.append((name, error)))
        self.metrics = Metrics()
        self.events = EventLog(self.clock)
        self.vault = Vault(Memory(MemorySettings(), self.runtime), SEAL, self.runtime, self.events)
        self.lines = Lines()
        self.callers: dict[str, Caller] = {"anyone": Anonymous("anyone", AnonymousSettings(kind="anonymous"))}
        self.credentials = {name: (StaticCredential if static else ScriptedCredential)(self.clock) for name in parts}
        self.sources = {name: self._source(name, *part) for name, part in parts.items()}
        self.settings = {"upstream": upstream, "callers": ["anyone"], "credentials": list(parts), **route}
        self.graph = NO_GRAPH
        self.recorder = Recorder(
            self.clock, self.metrics.route(UNMATCHED), RequestLog(cast("LogSink", self.lines), self.clock)
        )
        self.pipeline = Pipeline(self.graph, self.runtime, self.recorder, self.events)
        self.listener = Listener(self.pipeline.handle, self.pipeline.refuse_unread, self.clock)
        self.load(**{ROUTE: self.settings})

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self.listener, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for connection in self.listener.connections:
            connection.force_close()
        self.load()
        await self.runtime.close()
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    def load(self, **routes: dict[str, Any]) -> Graph:
        """Put a graph with these routes in the place of the current one."""
        old = self.graph
        self.graph = build_graph(
            {name: RouteSettings.model_validate(settings) for name, settings in routes.items()},
            callers=self.callers,
            sources=self.sources,
            runtime=self.runtime,
            metrics=self.metrics,
            events=self.events,
            previous=old,
        )
        self.pipeline.graph = self.graph
        retire(old, self.graph)
        return self.graph

    @property
    def credential(self) -> ScriptedCredential:
        """The route's first credential."""
        return self.credentials[CREDENTIAL]

    @property
    def source(self) -> Source:
        """That credential's source."""
        return self.sources[CREDENTIAL]

    @property
    def plan(self) -> RoutePlan:
        """The route."""
        return self.graph.plans[ROUTE]

    @property
    def replays(self) -> dict[str, int]:
        """What became of replays, by outcome."""
        return {outcome: count for outcome, count in self.plan.metrics.replays.items() if count}

    @property
    def answers(self) -> dict[tuple[int, str], int]:
        """How many answers were counted for the route, by status and source."""
        return {(code, source): count for (code, source), count in self.plan.metrics.answers.items() if count}

    def event_names(self) -> list[str]:
        """Return what happened, oldest first."""
        return [event.event.value for event in reversed(self.events.query(limit=1000).events)]

    def _source(self, name: str, rules: tuple[RejectionSettings, ...], inject: tuple[InjectorSettings, ...]) -> Source:
        return Source(
            name,
            self.credentials[name],
            injectors=tuple(map(make_injector, inject)),
            vault=self.vault,
            key=f"token/{name}/0",
            runtime=self.runtime,
            metrics=self.metrics.credential(name),
            events=self.events,
            identity="0123456789abcdef",
            rejection=Rejection(rules),
            random=lambda: NO_CHANCE,
        )


@asynccontextmanager
async def gateway(*scripts: Sequence[Step], **settings: Any) -> AsyncIterator[tuple[GatewayRoom, RawServer]]:
    """Run a gateway before an API whose connections go through these scripts; without any it answers each request."""
    async with RawServer(scripts=scripts or ((answer_each,),)) as api, GatewayRoom(api.url, **settings) as room:
        yield room, api
