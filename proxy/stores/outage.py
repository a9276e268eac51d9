"""When a store counts as down, and when it is asked again.

UP   ── a timeout, or failures one after another ──▶ DOWN
DOWN ── a probe succeeded ─────────────────────────▶ UP

Theory. A store that does not answer costs whoever asks it the whole timeout, so one timeout is enough. Other failures
cost nothing and may pass, so there have to be `FAILURES` of them, and a success takes back only failures of the same
operation: a full store still loads. Whoever asks the store holds a permit, the number of the state it was asked in; a
result that comes in another state says nothing. The first probe comes soon, so that a false alarm is soon over; the
wait between probes grows with each that fails. It starts anew only if the store had stayed up for `STEADY` seconds: one
that fails again after each probe is asked ever less often, and no sign of life makes that more often. Nothing here
waits or looks at a clock: `now` is handed in, monotonic seconds.
"""

from typing import Final

FAILURES: Final = 3
FIRST_WAIT: Final = 0.2
"""Seconds until the first probe."""
SECOND_WAIT: Final = 1.0
"""Seconds until the second."""
LONGEST_WAIT: Final = 10.0
"""Seconds; each wait is twice the one before, up to this."""
JITTER: Final = 0.25
"""The part by which a wait is longer or shorter, so that the processes of a fleet do not ask together."""
STEADY: Final = 30.0
"""Seconds up, after which what was before is forgotten."""


class Outage:
    """One store's state, UP at first."""

    __slots__ = ("_failures", "_permit", "_up_since", "_wait", "is_up", "was_steady")

    def __init__(self) -> None:
        self.is_up = True
        self._permit = 0
        self._failures: dict[str, int] = {}
        self._wait = FIRST_WAIT
        self._up_since: float | None = None
        self.was_steady = True
        """While it is down: a sign of life is a reason to ask before the wait is over."""

    def __repr__(self) -> str:
        return f"<Outage, {'up' if self.is_up else f'down, wait {self._wait:g} s'}>"

    def permit(self) -> int:
        """Return what says in which state the store is being asked; hand it in with the result."""
        return self._permit

    def succeeded(self, permit: int, operation: str) -> None:
        """Take back the failures of that operation."""
        if permit == self._permit and self._failures:
            self._failures.pop(operation, None)

    def failed(self, permit: int, operation: str, now: float, *, is_certain: bool) -> bool:
        """Count a failure; True: the store is down from now on. `is_certain`: this one is enough."""
        if permit != self._permit or not self.is_up:
            return False
        self._failures[operation] = self._failures.get(operation, 0) + 1
        if not is_certain and sum(self._failures.values()) < FAILURES:
            return False
        self.was_steady = self._up_since is None or now - self._up_since >= STEADY
        self._wait = FIRST_WAIT if self.was_steady else self._longer()
        self._enter(is_up=False)
        return True

    def wait(self, chance: float) -> float:
        """Return the seconds until the next probe; `chance` is from 0 up to 1."""
        return self._wait * (1.0 - JITTER + 2.0 * JITTER * chance)

    def probe_failed(self) -> None:
        """Have the next one wait longer."""
        self._wait = self._longer()

    def probe_succeeded(self, now: float) -> None:
        """Be up again."""
        self._up_since = now
        self._enter(is_up=True)

    def _longer(self) -> float:
        return min(LONGEST_WAIT, max(SECOND_WAIT, 2.0 * self._wait))

    def _enter(self, *, is_up: bool) -> None:
        self.is_up = is_up
        self._permit += 1
        self._failures.clear()
