"""Puts the parts together and keeps them running: load, listen, reload, drain, stop.

Theory. One `App` per process. It owns what outlives a reload (clock, runtime, metrics, events, store, and the sources
whose settings did not change) and the current graph, which a reload replaces in one assignment: a configuration that
cannot be used changes nothing. Draining goes one way: readiness says no, after the delay the sockets close, requests
that are under way finish, and what is left at the deadline is cut.
"""

import asyncio
import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from proxy import callers, stores
from proxy.admin.api import admin_app
from proxy.admin.health import Health, health_app
from proxy.admin.listener import open_listener
from proxy.callers.base import Caller
from proxy.config.address import Address
from proxy.config.load import Loaded, load
from proxy.config.outward import renew
from proxy.config.schema import Config
from proxy.config.watch import changes
from proxy.core.clock import Clock, SystemClock
from proxy.core.problems import ConfigError
from proxy.core.seal import Seal
from proxy.gateway.graph import NO_GRAPH, Graph, build_graph, retire
from proxy.gateway.listener import Listener
from proxy.gateway.pipeline import Pipeline
from proxy.gateway.record import Recorder
from proxy.net.endpoint import Endpoint
from proxy.net.runtime import Runtime
from proxy.stores.documents import Documents
from proxy.stores.watched import WatchedStore
from proxy.telemetry.events import EventLog, EventName
from proxy.telemetry.logs import Logs
from proxy.telemetry.metrics import UNMATCHED, Metrics
from proxy.tokens.source import Source
from proxy.tokens.sources import NO_SOURCES, Sources, build_sources
from proxy.tokens.vault import Vault
from proxy.tokens.webhook import Webhook
from proxy.tokens.workshop import Workshop
from proxy.users.changes import Changes
from proxy.users.people import People
from proxy.users.push import Pushes
from proxy.users.registry import Registry
from proxy.users.sign_ins import sign_ins
from proxy.users.verification import Verifications

LANDING: Final = 125.0
"""Seconds that fetches get when the process ends, if what they bring cannot be had again: as long as a token request
may be configured to take, and what it takes to save its reply."""
BACKLOG: Final = 4096
"""Connections the kernel holds for us while the loop is busy."""


class CannotListenError(Exception):
    """An address of the configuration cannot be listened on; says which and why."""


class App:
    """The running process."""

    def __init__(self, path: Path, loaded: Loaded, logs: Logs) -> None:
        self.path = path
        self.loaded = loaded
        self.files = loaded.files
        """What is in use and what was refused last, as it was read: a change to any of it asks for a reload."""
        self.clock: Clock = SystemClock()
        self.runtime = Runtime(self.clock, self._task_failed)
        self.metrics = Metrics()
        self.metrics.watch_log(logs.dropped)
        self.events = EventLog(self.clock)
        self.health = Health()
        store = stores.KINDS[self.config.store.kind](self.config.store, self.runtime)
        self.store = WatchedStore(store, self.metrics, self.events, self.runtime)
        self.seal = Seal(self.config.seal.keys) if self.config.seal.keys else Seal.of_this_process()
        self.vault = Vault(self.store, self.seal, self.runtime, self.events)
        documents = Documents(self.store, self.seal)
        self.registry = Registry(documents, self.seal.derive("users"))
        self.verifications = Verifications(documents, self.registry, self.seal, self.clock, self.store.listen)
        self.endpoint = Endpoint(self.clock)
        self.store.listen(Changes(lambda: self.sources).hear)
        self.pushes = Pushes(lambda: self.sources, self.endpoint, self.runtime, self.events)
        self.workshop = Workshop(
            self.endpoint,
            self.vault,
            self.seal.derive("identity"),
            self.runtime,
            self.metrics,
            self.events,
        )
        self.sign_ins = sign_ins(lambda: self.sources, self.registry, documents, self.seal, self.workshop)
        self.webhook = Webhook(self.config.events.webhook, self.runtime, self.endpoint, self.events, self.metrics)
        self.events.follow(self.webhook.hear)
        self.recorder = Recorder(self.clock, self.metrics.route(UNMATCHED), logs.requests)
        self.stopping = asyncio.Event()
        self.started_at = self.clock.now()
        self.sources = NO_SOURCES
        self.former: set[Source] = set()
        """Sources of configurations before, whose fetches may still be under way."""
        self.graph = NO_GRAPH
        self._reloading = asyncio.Lock()

    @property
    def config(self) -> Config:
        """The configuration that is in use."""
        return self.loaded.config

    @property
    def store_kind(self) -> str:
        """The kind of the token store."""
        return self.config.store.kind

    @property
    def admin_keys(self) -> Mapping[str, str]:
        """Hashes of the admin keys, by the name of who holds them."""
        return self.config.admin.keys

    @property
    def admin_host(self) -> str:
        """The name or address that the admin listener is configured with."""
        return self.config.listen.admin.host

    async def start(self) -> None:
        """Build the first graph and open the listeners."""
        self.store.start()
        await renew(self.config)  # each has its context before its files can change
        self.sources = await self._sources(self.config)
        self._let_count(self.sources)
        self.graph = self._graph(self.config, self.sources)
        self.pipeline = Pipeline(self.graph, self.runtime, self.recorder, self.events)
        self.listener = Listener(
            self.pipeline.handle,
            self.pipeline.refuse_unread,
            self.clock,
            max_connections=self.config.listen.max_connections,
        )
        self.runtime.spawn(self.vault.watch(), name="look after what cannot be had again")
        self.runtime.spawn(self.listener.watch_heads(), name="watch request heads")
        listen = self.config.listen
        with _opening(listen.proxy):
            self.server = await asyncio.get_running_loop().create_server(
                self.listener, listen.proxy.host, listen.proxy.port, backlog=BACKLOG
            )
        with _opening(listen.metrics):
            health = health_app(self.health, self.metrics)
            self.sites = [await open_listener(health, listen.metrics.host, listen.metrics.port)]
        with _opening(listen.admin):
            self.sites.append(await open_listener(admin_app(self), listen.admin.host, listen.admin.port))
        self.metrics.config_loaded(self.clock.now())
        self.health.is_configured = True
        self.events.record("info", EventName.STARTED, detail=f"serving {len(self.graph.plans)} routes")

    async def _sources(self, config: Config) -> Sources:
        remembered = config.users.remembered if config.users is not None else 0
        return await build_sources(config.credentials, self.workshop, self.sources, remembered=remembered)

    def _graph(self, config: Config, sources: Sources) -> Graph:
        return build_graph(
            config.routes,
            callers=_callers(config, self.config, self.graph),
            sources=sources.parts,
            people=self._people(config),
            runtime=self.runtime,
            metrics=self.metrics,
            events=self.events,
            previous=self.graph,
        )

    def _people(self, config: Config) -> People | None:
        """Return who users are; the keys of issuers that did not change need not be fetched again."""
        if config.users is None or (self.graph.people is not None and self.graph.people.settings == config.users):
            return None if config.users is None else self.graph.people
        people = People(config.users, self.registry, self.endpoint, self.runtime, self.pushes.doubts)
        people.let_push(self.pushes)
        people.let_sign_in(self.sign_ins)
        if config.users.mail is not None:
            people.let_verify(self.verifications, config.users.mail, self.runtime, self.events, self.metrics)
        return people

    async def reload(self) -> None:
        """Read the configuration again and use it, or say why not and change nothing."""
        async with self._reloading:
            sources = self.sources
            try:
                loaded = load(self.path, os.environ)
                self._watch_too(loaded.files)
                sources = await self._sources(loaded.config)
                self._take(loaded, sources, self._graph(loaded.config, sources))
            except (ConfigError, OSError) as error:
                if isinstance(error, ConfigError):
                    self._watch_too(error.files)
                self._refuse(sources)
                self.events.record("error", EventName.CONFIG_REFUSED, detail=str(error))
            except Exception as error:  # noqa: BLE001 - whatever our mistake is, what is in use goes on
                self._refuse(sources)
                self._task_failed("reload", error)
            for places in await renew(self.config):
                self.events.record("info", EventName.TLS_RENEWED, detail=places)

    def _watch_too(self, files: Mapping[Path, str]) -> None:
        """Try again when one of these changes, or appears: it may be the cure."""
        self.files = {**self.loaded.files, **files}

    def _refuse(self, sources: Sources) -> None:
        """Undo what was made for a configuration that will not be used."""
        for name, part in sources.parts.items():
            if self.sources.parts.get(name) is not part:
                part.close()
        for source in self.sources.by_name.values():
            source.watch()
        self.metrics.keep(self.graph.plans.keys(), self.graph.sources.keys())
        self.metrics.config_reloaded("refused", self.clock.now())

    def _let_count(self, sources: Sources) -> None:
        sources.connect(self.workshop)
        self.registry.remembered = sources.remembered

    def _take(self, loaded: Loaded, sources: Sources, graph: Graph) -> None:
        """Put the new graph in the old one's place, in one step."""
        old_graph, old_config, old_sources = self.graph, self.config, self.sources
        self.loaded, self.files, self.sources, self.graph = loaded, loaded.files, sources, graph
        self._let_count(sources)
        self.pipeline.graph = graph
        self.webhook.update(loaded.config.events.webhook)
        former = {*self.former, *old_sources.everyones()} - {*sources.everyones()}
        self.former = {source for source in former if source.is_fetching}
        retire(old_graph, graph)
        self.metrics.keep(graph.plans.keys(), graph.sources.keys())
        self.metrics.config_reloaded("succeeded", self.clock.now())
        self.events.record("info", EventName.CONFIG_RELOADED, detail=f"serving {len(graph.plans)} routes")
        if _fixed(old_config) != _fixed(loaded.config):
            why = "listen, store and seal change at a restart only"
            self.events.record("warning", EventName.CONFIG_RELOADED, detail=why)

    async def watch(self) -> None:
        """Reload, for ever, whenever a file of the configuration changes."""
        async for _ in changes(lambda: self.files):
            await self.reload()

    async def drain(self) -> None:
        """Take leave: say so, wait, close the sockets, let requests finish, cut what is left."""
        drain = self.config.drain
        self.health.is_draining = True
        self.pipeline.draining = True
        self.events.record("info", EventName.DRAINING)
        await self.clock.sleep(drain.delay)
        self.server.close()
        self.pipeline.refusing = True
        await self.listener.finish(drain.timeout)
        self.events.record("info", EventName.STOPPED)

    async def close(self) -> None:
        """Let go of everything."""
        for site in self.sites:
            await site.cleanup()
        for plan in self.graph.plans.values():
            plan.upstream.close()
        for source in self.graph.sources.values():
            source.close()
        await self._land_fetches()
        await self.webhook.close()
        await self.runtime.close()
        await self.endpoint.close()
        await self.store.close()

    async def _land_fetches(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LANDING):
                await asyncio.gather(*(source.finish() for source in {*self.sources.everyones(), *self.former}))

    def _task_failed(self, name: str, error: BaseException) -> None:
        self.events.record("error", EventName.TASK_FAILED, detail=f"{name}: {error!r}")


def _fixed(config: Config) -> tuple[object, ...]:
    """Return what a reload does not change."""
    return config.listen, config.store, config.seal


def _callers(config: Config, current: Config, previous: Graph) -> Mapping[str, Caller]:
    """Return a caller for every one that is configured; those whose settings did not change go on."""
    return {
        name: previous.callers[name]
        if name in previous.callers and current.callers[name] == settings
        else callers.KINDS[settings.kind](name, settings)
        for name, settings in config.callers.items()
    }


@contextlib.contextmanager
def _opening(address: Address) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        why = str(error.strerror or error).rpartition(": ")[2]  # what comes before repeats the address
        raise CannotListenError(f"{address} cannot be listened on: {why}") from error
