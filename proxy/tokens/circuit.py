"""The circuit of a credential's token endpoint: what counts for it, and what is told when it opens and closes.

Theory. A credential with one token has one gate, and whatever that meets with at the endpoint counts. Where each user
has a token of their own, the gates of all of them SHARE a circuit, so that one learns from the others that the endpoint
is down. Then only that counts which the endpoint does wrong whoever asks: it cannot be reached, it fails, it has too
much to do. A refusal or an odd reply may be one user's own: of that nothing is learnt, as if nobody had asked. One for
whom the endpoint always fails opens nothing either, for a user counts once in a window; a probe always counts.
"""

import random as chance
from collections.abc import Callable
from typing import Final

from proxy.core.breaker import Breaker, BreakerOpen, BreakerSettings, BreakerState
from proxy.core.clock import Clock
from proxy.core.errors import FetchError, Reason
from proxy.telemetry.counts import CredentialMetrics
from proxy.telemetry.events import EventLog, EventName

SPREAD: Final = 0.25
"""Share of the wait by which users come back later than they could: not all of them at the same instant."""


class Circuit:
    """One credential's, in this process. `is_shared`: by the gates of all its users."""

    def __init__(
        self,
        credential: str,
        metrics: CredentialMetrics,
        *,
        clock: Clock,
        events: EventLog,
        is_shared: bool = False,
        random: Callable[[], float] = chance.random,
    ) -> None:
        self.breaker = Breaker(BreakerSettings())  # it opens as a route's does by default
        self._credential = credential
        self._metrics = metrics
        self._clock = clock
        self._events = events
        self._is_shared = is_shared
        self._random = random
        self._said_open = False

    def __repr__(self) -> str:
        return f"<Circuit {self._credential}, {self.state.name.lower()}{', shared' if self._is_shared else ''}>"

    @property
    def state(self) -> BreakerState:
        """What a fetch would meet now."""
        return self.breaker.state(self._clock.monotonic())

    def watch(self) -> None:
        """Let a scrape read the state under the credential's name, which has no token that all share."""
        self._metrics.watch_circuit(lambda: self.state.value)

    def admit(self) -> int:
        """Return a permit, to be given back by `record` or `release`.

        Raises:
            BreakerOpen: with the seconds until it is worth asking again.
        """
        try:
            return self.breaker.admit(self._clock.monotonic())
        except BreakerOpen as error:
            if not self._is_shared:
                raise
            raise BreakerOpen(error.retry_after * (1.0 + SPREAD * self._random())) from None

    def blames(self, error: FetchError, counted_at: float) -> bool:
        """Return whether that failure counts; `counted_at`: when one of the same gate did last, monotonic seconds."""
        if not error.asked or not self._is_shared:
            return error.asked
        if not _is_everybodys(error):
            return False
        has_counted = self._clock.monotonic() < counted_at + self.breaker.settings.window
        return not has_counted or self.state is not BreakerState.CLOSED

    def record(self, permit: int, *, ok: bool) -> None:
        """Give a permit back with its outcome, and tell when that moved the circuit."""
        self.breaker.record(permit, ok, self._clock.monotonic())
        state = self.state
        if state is BreakerState.OPEN and not self._said_open:
            self._said_open = True
            self._metrics.breaker_opened += 1
            self._events.record("error", EventName.BREAKER_OPENED, credential=self._credential)
        elif state is BreakerState.CLOSED and self._said_open:
            self._said_open = False
            self._events.record("info", EventName.BREAKER_CLOSED, credential=self._credential)

    def release(self, permit: int) -> None:
        """Give a permit back unused: nothing was learnt of the endpoint."""
        self.breaker.release(permit, self._clock.monotonic())


def _is_everybodys(error: FetchError) -> bool:
    """Return True when the endpoint would have failed anybody: whoever asks, and with whatever."""
    if error.reason is Reason.PROVIDER_4XX:
        return not error.permanent  # 429 and its like: later
    return error.reason in {Reason.NETWORK, Reason.PROVIDER_5XX}
