"""The switch in front of something that may keep failing: it opens, waits, lets one probe through, and closes again.

CLOSED     ── enough failures in the window ────────────▶ OPEN
OPEN       ── cool-down over, somebody asks: the probe ─▶ HALF_OPEN
HALF_OPEN  ── the probe succeeded ──────────────────────▶ CLOSED
           ── the probe failed ─────────────────────────▶ OPEN
           ── the probe was returned unused, or has not
              ended after a cool-down; somebody asks ───▶ HALF_OPEN, the next probe

Theory. Whoever is admitted holds a permit, the generation of the breaker at that moment, and gives it back at most
once: as a success, as a failure, or unused. Every arrow above begins a new generation, and so does every new probe.
A permit of an older generation changes nothing: what was sent before the circuit opened says nothing about the
upstream after it, and a probe that was given up cannot close a circuit behind its successor's back. `_until` is the
one instant that OPEN and HALF_OPEN wait for; whoever asks from then on is the next probe. Nothing here waits or looks
at a clock: `now` is handed in, monotonic seconds.

An operator's `force` holds the switch in one position, where results move nothing, until `force(None)` lets go.
"""

from enum import IntEnum
from typing import Annotated, Final

from pydantic import Field

from proxy.core.settings import Duration, Settings
from proxy.core.window import Window


class BreakerSettings(Settings):
    """When to stop asking something that keeps failing, and for how long."""

    failures: Annotated[int, Field(ge=1)] = 5
    """Opens at so many failures within the window, if they are also the `ratio` of it."""
    ratio: Annotated[float, Field(ge=0, le=1)] = 0.5
    """The part of the window's requests that must have failed: 0.5 is half of them."""
    window: Annotated[Duration, Field(gt=0)] = 30.0
    """How far back results count."""
    cooldown: Annotated[Duration, Field(gt=0)] = 30.0
    """How long an open circuit lets nobody through before one request probes; how long that probe may take."""


class BreakerState(IntEnum):
    """What a request meets."""

    CLOSED = 0
    """It passes."""
    HALF_OPEN = 1
    """One passes, as a probe."""
    OPEN = 2
    """It is refused."""


class BreakerOpen(Exception):  # noqa: N818 - says the state it met; nothing has gone wrong here
    """The circuit is open, and this request is not the probe."""

    def __init__(self, retry_after: float) -> None:
        super().__init__(f"the circuit is open for {retry_after:.1f} s")
        self.retry_after = retry_after
        """Seconds until the next probe; while an operator holds the circuit open, the cool-down."""


_CLOSED: Final = BreakerState.CLOSED


class Breaker:
    """One switch. A success on a closed circuit costs two comparisons and an addition."""

    __slots__ = ("_forced", "_generation", "_state", "_until", "_window", "opened_total", "settings")

    def __init__(self, settings: BreakerSettings) -> None:
        self.settings = settings
        self.opened_total = 0
        """How often it opened by itself after it had been closed; a failed probe only keeps it open."""
        self._window = Window(settings.window)
        self._state = _CLOSED
        self._generation = 0
        self._until = 0.0
        self._forced: bool | None = None

    def admit(self, now: float) -> int:
        """Return a permit, to be given back by `record` or `release`.

        Raises:
            BreakerOpen: with the seconds until it is worth asking again.
        """
        if self._state is _CLOSED:
            return self._generation
        if self._forced:
            raise BreakerOpen(self.settings.cooldown)
        if now < self._until:
            raise BreakerOpen(self._until - now)
        self._enter(BreakerState.HALF_OPEN, until=now + self.settings.cooldown)
        return self._generation

    def record(self, permit: int, ok: bool, now: float) -> None:
        """Give a permit back with its outcome."""
        if permit != self._generation or self._forced is not None:
            return
        if self._state is not _CLOSED:
            self._judge_probe(now, ok=ok)
            return
        self._window.add(now, ok=ok)
        if not ok:
            self._open_if_it_keeps_failing(now)

    def release(self, permit: int, now: float) -> None:
        """Give a permit back unused: nothing was learnt. A probe's place is free at once."""
        if permit == self._generation:
            self._until = now  # a closed circuit waits for nothing, so this is the probe's

    def state(self, now: float) -> BreakerState:
        """Return what a request would meet now: an open circuit is half-open once its cool-down is over."""
        if self._state is BreakerState.OPEN and not self._forced and now >= self._until:
            return BreakerState.HALF_OPEN
        return self._state

    @property
    def forced(self) -> bool | None:
        """True: held open by an operator; False: held closed; None: it decides by itself."""
        return self._forced

    def force(self, open: bool | None, now: float) -> None:  # noqa: A002 - the operator's word
        """Hold the circuit open (True) or closed (False); None lets it decide again, from a closed fresh start."""
        if open is None and self._forced is None:
            return
        self._forced = open
        self._enter(BreakerState.OPEN if open else _CLOSED, until=now)

    def _judge_probe(self, now: float, *, ok: bool) -> None:
        if ok:
            self._enter(_CLOSED, until=now)
        else:
            self._enter(BreakerState.OPEN, until=now + self.settings.cooldown)

    def _open_if_it_keeps_failing(self, now: float) -> None:
        failed, total = self._window.counts(now)
        if failed >= self.settings.failures and failed >= self.settings.ratio * total:
            self.opened_total += 1
            self._enter(BreakerState.OPEN, until=now + self.settings.cooldown)

    def _enter(self, state: BreakerState, *, until: float) -> None:
        self._state = state
        self._until = until
        self._generation += 1
        self._window.clear()

    def __repr__(self) -> str:
        held = "" if self._forced is None else ", forced"
        return f"<Breaker {self._state.name.lower()}{held}, generation {self._generation}, opened {self.opened_total}>"
