"""A store that is being watched: who needs it is told at once that it is down, and one task finds out when it is back.

Theory. `Outage` rules. While the store is up, each operation passes through and its result is counted. From the moment
that it is down, every operation is refused without asking the store, so that an outage costs nobody any time, and one
task asks it (`ping`) at growing intervals, or as soon as it gives a sign of life. When it answers, whoever listens is
told MISSED once: then is the time to write back what could not be saved, and to look at what others did. What was under
way when the store went down ends by itself; a caller that leaves says nothing about the store, nor does a question that
it was not asked. That each operation ends in time is the store's own duty.
"""

import asyncio
import random as chance
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from math import inf

from proxy.net.runtime import Runtime
from proxy.stores.base import (
    Change,
    Lease,
    Listener,
    News,
    Record,
    Store,
    StoreBusyError,
    StoreError,
    StoreSettings,
    StoreTimeoutError,
)
from proxy.stores.outage import Outage
from proxy.telemetry.events import EventLog, EventName
from proxy.telemetry.metrics import Metrics
from proxy.telemetry.redaction import tell


class WatchedStore(Store):
    """Does what the store inside does, as long as that one does it. Not a kind: every kind is put into one.

    `random` returns from 0 up to 1.
    """

    Settings = StoreSettings

    def __init__(
        self,
        store: Store,
        metrics: Metrics,
        events: EventLog,
        runtime: Runtime,
        *,
        random: Callable[[], float] = chance.random,
    ) -> None:
        self.Settings = store.Settings  # type: ignore[misc]  # what a kind says of itself, this one says of the inner
        self.holds_secrets = store.holds_secrets  # type: ignore[misc]  # the same
        self._store = store
        self._metrics = metrics
        self._events = events
        self._runtime = runtime
        self._now = runtime.clock.monotonic
        self._random = random
        self._outage = Outage()
        self._failure = ""
        self._risks: tuple[str, ...] = ()
        self._listeners: list[Listener] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._pause: asyncio.Task[None] | None = None
        self._is_closed = False
        self._back_since = -inf

    def __repr__(self) -> str:
        return f"<WatchedStore, {'up' if self._outage.is_up else 'down'}, {self._store!r}>"

    def start(self) -> None:
        """Have a task find out whether the store is there, and how it is run. Nobody waits for it."""
        self._spawn(self._look(), "look for the store")

    async def load(self, key: str) -> Record | None:
        """Return the record under that key, with its age, or None."""
        with self._asking("load"):
            return await self._store.load(key)

    async def save(self, key: str, record: Record) -> Record:
        """Put the record there if its order is higher than what stands; return what stands afterwards, with its age."""
        with self._asking("save"):
            return await self._store.save(key, record)

    async def drop(self, key: str, order: int) -> None:
        """Forget the record unless its order is higher than that."""
        with self._asking("drop"):
            await self._store.drop(key, order)

    async def swap(self, key: str, old: bytes, new: bytes) -> bool:
        """Put other data into the record if its data is still `old`."""
        with self._asking("swap"):
            return await self._store.swap(key, old, new)

    async def keys(self) -> AsyncIterator[str]:
        """Yield every key that has a record."""
        with self._asking("keys"):
            async for key in self._store.keys():
                yield key

    async def acquire(self, key: str) -> Lease | None:
        """Take the key's lock if it is free."""
        with self._asking("acquire"):
            lease = await self._store.acquire(key)
        return None if lease is None else _WatchedLease(self, lease)

    async def release(self, lease: Lease) -> None:
        """Let go of the inner store's lease. While the store is down a task tries it once: it renews itself no more."""
        if not self._outage.is_up:
            self._spawn(self._try_to_release(lease), "release a lease")
            raise self._refusal()
        with self._watching("release"):
            await lease.release()

    def listen(self, listener: Listener) -> None:
        """Tell this listener of every change from now on, and MISSED when the store is back after it was down."""
        if not self._listeners:
            self._store.listen(self._hear)
        self._listeners.append(listener)

    async def ping(self) -> None:
        """Find out whether the store can be reached and written to; if not, it is down."""
        with self._asking("ping"):
            await self._store.ping()

    async def uptime(self) -> float:
        """Return for how many seconds the store has served what it holds, and was not down for us either."""
        with self._asking("uptime"):
            return min(await self._store.uptime(), self._now() - self._back_since)

    async def risks(self) -> tuple[str, ...]:
        """Return what about the way the store is run may lose records."""
        if not self._outage.is_up:
            raise self._refusal()
        return await self._store.risks()

    def abandon(self, key: str) -> None:
        """Learn that nobody in this process needs that key any more."""
        self._store.abandon(key)

    async def close(self) -> None:
        """Ask no more, and let go of what the store holds open."""
        self._is_closed = True
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._store.close()

    @contextmanager
    def _asking(self, operation: str) -> Iterator[None]:
        """Refuse while the store is down; else watch the block."""
        if not self._outage.is_up:
            raise self._refusal()
        with self._watching(operation):
            yield

    @contextmanager
    def _watching(self, operation: str) -> Iterator[None]:
        """Count how the block ends, in which the store is asked to do that."""
        permit = self._outage.permit()
        try:
            yield
        except StoreBusyError:
            self._metrics.store_errors(operation)
            raise
        except StoreError as error:
            self._metrics.store_errors(operation)
            is_certain = operation == "ping" or isinstance(error, StoreTimeoutError)
            if self._outage.failed(permit, operation, self._now(), is_certain=is_certain):
                self._go_down(str(error), operation)
            raise
        self._outage.succeeded(permit, operation)

    def _refusal(self) -> StoreError:
        return StoreError(f"the store is down; the last time it was asked: {self._failure}")

    def _go_down(self, failure: str, operation: str) -> None:
        self._failure = failure
        self._metrics.store_up = False
        self._events.record("error", EventName.STORE_FAILED, detail=failure, operation=operation)
        if not self._is_closed:
            self._spawn(self._probe(), "probe the store")

    async def _probe(self) -> None:
        """Ask the store now and then until it answers."""
        while not self._outage.is_up:
            wait = self._outage.wait(self._random())
            self._pause = self._spawn(self._runtime.clock.sleep(wait), "wait for the next probe")
            await asyncio.wait([self._pause])
            try:
                with self._watching("ping"):
                    await self._store.ping()
            except Exception as error:  # noqa: BLE001 - whatever it is, giving up would be an outage without end
                self._failure = str(error) if isinstance(error, StoreError) else tell(error)
                self._outage.probe_failed()
            else:
                self._come_up()

    def _come_up(self) -> None:
        self._outage.probe_succeeded(self._now())
        self._metrics.store_up = True
        self._events.record("info", EventName.STORE_RECOVERED)
        self._spawn(self._look_for_risks(), "look for the store's risks")
        self._back_since = self._now()
        self._tell(News(Change.MISSED))

    async def _look(self) -> None:
        with suppress(StoreError):
            await self.ping()
            await self._look_for_risks()

    async def _look_for_risks(self) -> None:
        """Say what may lose records; what was said last time is not said again."""
        with suppress(StoreError):
            said, self._risks = self._risks, await self.risks()
            for risk in self._risks:
                if risk not in said:
                    self._events.record("warning", EventName.STORE_AT_RISK, detail=risk)

    async def _try_to_release(self, lease: Lease) -> None:
        with suppress(StoreError), self._watching("release"):
            await lease.release()

    def _hear(self, news: News) -> None:
        """Pass on what the store tells. That it hears again is told when it answers: now is the time to ask it."""
        if news.change is not Change.MISSED or self._outage.is_up:
            self._tell(news)
        elif self._pause is not None and self._outage.was_steady:
            self._pause.cancel()

    def _tell(self, news: News) -> None:
        for listener in self._listeners:
            listener(news)

    def _spawn(self, work: Coroutine[None, None, None], name: str) -> asyncio.Task[None]:
        task = self._runtime.spawn(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


class _WatchedLease(Lease):
    """The inner store's lease; letting go of it is watched."""

    def __init__(self, store: WatchedStore, lease: Lease) -> None:
        self._store = store
        self._lease = lease
        self._released = False

    def __repr__(self) -> str:
        return f"<WatchedLease, {'held' if self.is_held else 'over'}>"

    @property
    def is_held(self) -> bool:
        """True while nobody else can hold it. That the store is down takes it from nobody."""
        return not self._released and self._lease.is_held

    async def release(self) -> None:
        """Let go."""
        if not self._released:
            self._released = True
            await self._store.release(self._lease)
