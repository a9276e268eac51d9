"""Remembers that a fetch failed, and for how long it is not worth asking again.

A transient failure is remembered for a second, doubling with each one in a row up to half a minute; a permanent one for
ten minutes, for only a person can help, and then the configuration changes and the memory begins anew. The fleet shares
what its members learn, so that a dead grant is not asked for once by each of them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from proxy.core.errors import FetchError, Reason
from proxy.core.secret import scrub

FIRST_WAIT: Final = 1.0
LONGEST_WAIT: Final = 30.0
PERMANENT_WAIT: Final = 600.0
"""Seconds; also the longest that a provider's Retry-After is believed."""
JITTER: Final = 0.25
"""Share of a wait that chance may take off, so that replicas do not ask in step."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there is no token, as waiters, the admin API and the log are told."""

    reason: Reason
    detail: str
    """For people; holds no secret."""
    permanent: bool
    until: float
    """Seconds on the monotonic clock: nobody is asked again before."""
    in_a_row: int = 1
    """How many fetches have failed since the last that did not."""
    asked: bool = True
    """False: the token endpoint was not asked, for a reason of ours that will pass."""


class FailureMemory:
    """What one credential's last fetches came to. `random` returns from 0 up to 1."""

    __slots__ = ("_random", "last")

    def __init__(self, random: Callable[[], float]) -> None:
        self._random = random
        self.last: Failure | None = None
        """The failure that no success has followed yet, whether its wait is over or not."""

    def remembered(self, now: float) -> Failure | None:
        """Return the failure that still stands, or None: it is worth asking."""
        return self.last if self.last is not None and now < self.last.until else None

    def remember(self, error: FetchError, now: float) -> Failure:
        """Remember that a fetch failed now."""
        before = 0 if self.last is None else self.last.in_a_row
        wait = max(self._wait(error, before), min(error.retry_after or 0.0, PERMANENT_WAIT))
        self.last = Failure(error.reason, scrub(str(error)), error.permanent, now + wait, before + 1, error.asked)
        return self.last

    def hear(self, failure: Failure) -> None:
        """Remember what another replica met with."""
        self.last = failure

    def forget(self) -> None:
        """A fetch succeeded: start afresh."""
        self.last = None

    def _wait(self, error: FetchError, before: int) -> float:
        if error.permanent:
            return PERMANENT_WAIT
        if not error.asked:  # nobody is spared by waiting longer each time
            return FIRST_WAIT
        # The exponent is bounded, for a float is not: 2.0 ** 1024 raises.
        wait = min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(before, 16))
        return wait * (1.0 - JITTER * self._random())
