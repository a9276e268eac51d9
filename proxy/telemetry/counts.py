"""The numbers that requests and fetches bump: plain ints and floats, bound once when the configuration is loaded.

Theory. The event loop's thread alone writes here, without locks. The scrape reads from another thread and copies
each table in one step, so it may miss the request of this very moment, and never sees a torn one.
"""

from bisect import bisect_left
from collections.abc import Callable
from typing import Final, Literal

from proxy.core.errors import ProxyError, Reason

Source = Literal["upstream", "proxy"]

BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds in seconds; a last bucket without bound follows them."""
RESULTS: Final = ("hit", "stale", "wait", "negative")
"""What came of asking for a token."""
REPLAY_OUTCOMES: Final = ("succeeded", "rejected_again", "too_large", "too_late")
FETCH_REASONS: Final = ("first", "stale", "expired", "rejected", "forced")
FETCH_SUCCEEDED: Final = "succeeded"
FETCH_OUTCOMES: Final = (FETCH_SUCCEEDED, *(reason.value for reason in Reason))
"""How a fetch ended: well, or why not (the values of `core.errors.Reason`)."""

_EXPECTED_ANSWERS: Final[tuple[tuple[int, Source], ...]] = (
    *((status, "upstream") for status in (200, 401, 429, 500, 503)),
    *((status, "proxy") for status in sorted({error.status for error in ProxyError.__subclasses__()})),
)
"""Stand at zero from the start, so that a first failure is an increase and not a new series."""


class Histogram:
    """How many durations fell into each bucket, and their sum."""

    __slots__ = ("counts", "sum")

    def __init__(self) -> None:
        self.counts = [0] * (len(BUCKETS) + 1)
        self.sum = 0.0

    def observe(self, seconds: float) -> None:
        """Count one duration."""
        self.counts[bisect_left(BUCKETS, seconds)] += 1
        self.sum += seconds


class RouteMetrics:
    """What is counted for one route."""

    __slots__ = ("answers", "breaker_opened", "breaker_state", "durations", "in_flight", "replays", "upstream")

    def __init__(self) -> None:
        self.answers: dict[tuple[int, Source], int] = dict.fromkeys(_EXPECTED_ANSWERS, 0)
        self.durations = Histogram()
        self.upstream = Histogram()
        self.in_flight = 0
        self.replays = dict.fromkeys(REPLAY_OUTCOMES, 0)
        self.breaker_state: Callable[[], int] | None = None
        self.breaker_opened: Callable[[], int] = int

    def observe(self, status: int, source: Source, seconds: float, upstream_seconds: float | None) -> None:
        """Count one answered request: who answered what, and how long all of it and the upstream's part took."""
        try:
            self.answers[status, source] += 1
        except KeyError:
            self._first(status, source)
        durations = self.durations
        durations.counts[bisect_left(BUCKETS, seconds)] += 1
        durations.sum += seconds
        if upstream_seconds is not None:
            upstream = self.upstream
            upstream.counts[bisect_left(BUCKETS, upstream_seconds)] += 1
            upstream.sum += upstream_seconds

    def _first(self, status: int, source: Source) -> None:
        # RFC 9110 §15: a code outside 100-599 is treated as a 5xx. It must not become a label of its own.
        key = (status if 100 <= status <= 599 else 599, source)
        self.answers[key] = self.answers.get(key, 0) + 1

    def replay(self, outcome: str) -> None:
        """Count how a replay ended: one of `REPLAY_OUTCOMES`."""
        self.replays[outcome] += 1

    def watch_breaker(self, breaker_state: Callable[[], int], opened_total: Callable[[], int]) -> None:
        """Ask these at every scrape. A reload that brings a new breaker calls again; what was counted is kept."""
        before = self.breaker_opened()
        self.breaker_state = breaker_state
        self.breaker_opened = lambda: before + opened_total()


class CredentialMetrics:
    """What is counted for one credential. The four results of asking for its token are bumped in place."""

    __slots__ = (
        "breaker_opened",
        "breaker_state",
        "durations",
        "expires_at",
        "fetches",
        "generation",
        "hit",
        "lock_waits",
        "negative",
        "stale",
        "wait",
    )

    def __init__(self, lock_waits: Histogram) -> None:
        self.hit = 0
        """A fresh token was held."""
        self.stale = 0
        """A held token served while its replacement was fetched."""
        self.wait = 0
        """The request waited for a fetch."""
        self.negative = 0
        """A remembered failure answered."""
        self.fetches = {(reason, outcome): 0 for reason in FETCH_REASONS for outcome in FETCH_OUTCOMES}
        self.durations = Histogram()
        self.lock_waits = lock_waits
        self.expires_at: Callable[[], float | None] | None = None
        self.generation: Callable[[], int] | None = None
        self.breaker_state: Callable[[], int] | None = None
        self.breaker_opened = 0
        """How often the circuit of its token endpoint opened."""

    def results(self) -> dict[str, int]:
        """Return how often its tokens were asked for, by result, those of all users together."""
        return {result: getattr(self, result) for result in RESULTS}

    def fetched(self, reason: str, outcome: str, seconds: float) -> None:
        """Count one fetch: why (`FETCH_REASONS`), how it ended (`FETCH_OUTCOMES`), and its seconds."""
        self.fetches[reason, outcome] += 1
        self.durations.observe(seconds)

    def lock_wait(self, seconds: float) -> None:
        """Count one wait for the fleet's lock."""
        self.lock_waits.observe(seconds)

    def watch(
        self,
        expires_at: Callable[[], float | None],
        generation: Callable[[], int],
        breaker_state: Callable[[], int],
    ) -> None:
        """Ask these at every scrape. `expires_at`: Unix seconds, inf when never, None while there is no token."""
        self.expires_at = expires_at
        self.generation = generation
        self.breaker_state = breaker_state

    def watch_circuit(self, breaker_state: Callable[[], int]) -> None:
        """Ask this alone at every scrape: each user has a token of their own."""
        self.expires_at = self.generation = None
        self.breaker_state = breaker_state
