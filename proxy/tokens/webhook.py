"""Tells a receiver that a credential fails, recovers or needs a person: signed, and again until it has been heard.

Theory. `hear` puts each such event into the lane of its credential and returns; a lane is a queue with one task that
sends the first notice until it is over with it, so that a credential's notices arrive in their order and a slow
receiver holds up nobody but itself. A notice is over when it is delivered, when its last try has failed, or when it is
dropped: the oldest one when too many wait, all of them when the receiver says 410 (Gone), when the webhook is taken out
of the configuration, and when the process ends. Everything that changes the plan sets `wake`, which ends a lane's wait;
no try is broken off but by the end of the process.
"""

import asyncio
import platform
import random as chance
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from proxy.net.endpoint import Endpoint
from proxy.net.runtime import Runtime
from proxy.telemetry.events import Event, EventLog, EventName
from proxy.telemetry.metrics import Metrics
from proxy.tokens.delivery import Miss, WebhookSettings, deliver
from proxy.tokens.notice import Notice

TOLD: Final = frozenset({EventName.REFRESH_FAILED, EventName.REFRESH_RECOVERED, EventName.CREDENTIAL_NEEDS_PERSON})
"""The events that are sent."""
WAITS: Final = (1.0, 5.0, 30.0, 120.0, 600.0, 1200.0, 1800.0)
"""Seconds between one try and the next: eight tries in about an hour."""
LONGEST_WAIT: Final = 3600.0
"""Seconds; the most that a receiver's Retry-After is believed."""
JITTER: Final = 0.25
"""Share of a wait that chance may take off, so that replicas do not try in step."""
QUEUE: Final = 1000
"""Notices that may wait."""
AT_ONCE: Final = 4
"""Tries under way at the same time."""
PATIENCE: Final = 3.0
"""Seconds that the end of the process waits for what is left."""


@dataclass(slots=True, eq=False)
class _Lane:
    """One credential's notices, oldest first."""

    notices: deque[Notice] = field(default_factory=deque)
    wake: asyncio.Event = field(default_factory=asyncio.Event)


class Webhook:
    """Sends what it hears; without settings, nothing. `random` returns from 0 up to 1."""

    def __init__(
        self,
        settings: WebhookSettings | None,
        runtime: Runtime,
        endpoint: Endpoint,
        events: EventLog,
        metrics: Metrics,
        *,
        random: Callable[[], float] = chance.random,
        instance: str | None = None,
    ) -> None:
        self._settings = settings
        self._runtime = runtime
        self._endpoint = endpoint
        self._events = events
        self._count = metrics.webhook_deliveries
        self._random = random
        self._instance = platform.node() if instance is None else instance
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._lanes: dict[str, _Lane] = {}
        self._workers: dict[str, asyncio.Task[None]] = {}
        self._is_failing = False
        self._is_gone = False
        self._is_closing = False

    def __repr__(self) -> str:
        return f"<Webhook {'on' if self._settings else 'off'}, {self.waiting} waiting>"

    @property
    def waiting(self) -> int:
        """How many notices are not over yet."""
        return sum(len(lane.notices) for lane in self._lanes.values())

    def hear(self, event: Event) -> None:
        """Send this event if it is one to be told. Returns at once; to be handed to `EventLog.follow`."""
        if event.event not in TOLD or self._settings is None or self._is_closing:
            return
        if self._is_gone:
            self._count("gone")
            return
        if self.waiting >= QUEUE:
            self._drop_oldest()
        name = event.credential or ""
        if name not in self._lanes:
            self._lanes[name] = _Lane()
            self._workers[name] = self._runtime.spawn(self._work(name, self._lanes[name]), name=f"webhook of {name}")
        self._lanes[name].notices.append(Notice(event))

    def update(self, settings: WebhookSettings | None) -> None:
        """Go by these settings from now on. Notices that wait are tried at once, as if for the first time."""
        if settings == self._settings:
            return
        self._settings, self._is_gone = settings, False
        if settings is None:
            self._drop_all("dropped")
        for lane in self._lanes.values():
            for notice in lane.notices:
                notice.tries = 0
            lane.wake.set()

    async def close(self, patience: float = PATIENCE) -> None:
        """Hear nothing more, try what is left once more for at most that many seconds, and drop the rest."""
        self._is_closing = True
        for lane in self._lanes.values():
            lane.wake.set()
        workers = tuple(self._workers.values())
        if workers:
            await asyncio.wait(workers, timeout=patience)
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)

    async def _work(self, name: str, lane: _Lane) -> None:
        """Deliver a credential's notices, one after the other."""
        try:
            while lane.notices:
                async with self._slots:
                    wait = await self._try(lane)
                if wait and not self._is_closing:
                    await self._pause(name, lane, wait)
        finally:
            del self._lanes[name], self._workers[name]
            self._count("dropped", len(lane.notices))

    async def _try(self, lane: _Lane) -> float:
        """Send the first notice once. Return the seconds to wait before the next try; 0: it is over."""
        lane.wake.clear()
        settings = self._settings
        if settings is None or not lane.notices:  # dropped while waiting for a slot
            return 0.0
        notice = lane.notices[0]
        notice.tries += 1
        miss = await deliver(
            notice, settings, instance=self._instance, endpoint=self._endpoint, clock=self._runtime.clock
        )
        is_first = bool(lane.notices) and lane.notices[0] is notice
        if miss is None:
            if is_first:
                self._end(lane, "delivered")
            self._recovered()
        elif is_first and settings is self._settings:
            return self._missed(lane, miss)
        return 0.0

    def _missed(self, lane: _Lane, miss: Miss) -> float:
        """Say so if it is news, and plan the next try of the first notice: return the seconds until then, or 0."""
        if miss.reason == "gone":
            self._is_gone = True
            self._failed("gone", f"{miss.detail}: nothing more is sent until the webhook's settings change")
            self._drop_all("gone")
            return 0.0
        self._failed(miss.reason, miss.detail)
        tries = lane.notices[0].tries
        if self._is_closing:
            self._end(lane, "dropped")
        elif tries > len(WAITS):
            self._end(lane, "given_up")
        else:
            wait = WAITS[tries - 1] * (1.0 - JITTER * self._random())
            return max(wait, min(miss.retry_after, LONGEST_WAIT))
        return 0.0

    async def _pause(self, name: str, lane: _Lane, seconds: float) -> None:
        async def ring() -> None:
            await self._runtime.clock.sleep(seconds)
            lane.wake.set()

        alarm = self._runtime.spawn(ring(), name=f"webhook of {name} waits")
        try:
            await lane.wake.wait()
        finally:
            alarm.cancel()

    def _drop_oldest(self) -> None:
        self._failed("queue_full", f"{QUEUE} notices wait to be delivered; the oldest ones are dropped")
        lane = min((lane for lane in self._lanes.values() if lane.notices), key=lambda lane: lane.notices[0].event.id)
        self._end(lane, "dropped")
        lane.wake.set()

    def _drop_all(self, outcome: str) -> None:
        for lane in self._lanes.values():
            while lane.notices:
                self._end(lane, outcome)
            lane.wake.set()

    def _end(self, lane: _Lane, outcome: str) -> None:
        lane.notices.popleft()
        self._count(outcome)

    def _failed(self, reason: str, detail: str) -> None:
        if not self._is_failing or reason == "gone":
            self._is_failing = True
            self._events.record("warning", EventName.WEBHOOK_FAILED, reason=reason, detail=detail)

    def _recovered(self) -> None:
        if self._is_failing and not self._is_gone:
            self._is_failing = False
            self._events.record("info", EventName.WEBHOOK_RECOVERED)
