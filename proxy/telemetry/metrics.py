"""Every metric there is, in one list, and how a scrape reads it off the plain numbers that are counted."""

import platform
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import Final, Literal

from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from proxy import __version__
from proxy.telemetry.counts import BUCKETS, CredentialMetrics, Histogram, RouteMetrics
from proxy.telemetry.samples import Samples, by_label, read_credentials, read_routes

OPENMETRICS: Final = "application/openmetrics-text"
UNMATCHED: Final = "_none"
"""The route label of requests that match no route."""
STORE_OPERATIONS: Final = ("load", "save", "drop", "swap", "keys", "acquire", "release", "ping")
RELOAD_OUTCOMES: Final = ("succeeded", "refused")
WEBHOOK_OUTCOMES: Final = ("delivered", "given_up", "gone", "dropped")
VERIFICATION_OUTCOMES: Final = ("sent", "failed", "withheld", "verified", "refused", "limited")

_BOUNDS: Final = (*map(repr, BUCKETS), "+Inf")


@dataclass(frozen=True, slots=True)
class MetricSpec:
    """One line of the catalogue: what a metric is called, how it counts, and what it says."""

    name: str
    type: Literal["counter", "gauge", "histogram"]
    labels: tuple[str, ...]
    help: str


CATALOGUE: Final = (
    MetricSpec(
        "countersign_requests_total",
        "counter",
        ("route", "code", "source"),
        "Requests answered, by status code and by who answered: the upstream or the proxy itself.",
    ),
    MetricSpec(
        "countersign_request_duration_seconds",
        "histogram",
        ("route",),
        "From the request's head read to the last byte of the answer handed over.",
    ),
    MetricSpec(
        "countersign_upstream_duration_seconds",
        "histogram",
        ("route",),
        "The upstream's part of a request, until the head of its answer; of a replayed one, the second try.",
    ),
    MetricSpec("countersign_requests_in_flight", "gauge", ("route",), "Requests being worked on now."),
    MetricSpec(
        "countersign_token_fetches_total",
        "counter",
        ("credential", "reason", "outcome"),
        "Fetches of a token: why it was fetched, and whether it succeeded or why not.",
    ),
    MetricSpec(
        "countersign_token_fetch_duration_seconds", "histogram", ("credential",), "How long fetching a token took."
    ),
    MetricSpec("countersign_token_lock_wait_seconds", "histogram", (), "Waiting for the lock on a shared token."),
    MetricSpec(
        "countersign_token_expires_at_seconds",
        "gauge",
        ("credential",),
        "When the held token expires, as Unix time; +Inf when never; absent while there is none.",
    ),
    MetricSpec(
        "countersign_token_generation",
        "gauge",
        ("credential",),
        "Generation of the held token; grows by one with each new value.",
    ),
    MetricSpec(
        "countersign_token_cache_total",
        "counter",
        ("credential", "result"),
        "Requests for a token: a fresh one was held (hit), a stale one served, the request had to wait, "
        "or a remembered failure answered (negative).",
    ),
    MetricSpec(
        "countersign_replays_total",
        "counter",
        ("route", "outcome"),
        "Requests whose token was rejected, by what became of their replay.",
    ),
    MetricSpec("countersign_breaker_state", "gauge", ("route",), "A route's circuit: 0 closed, 1 half-open, 2 open."),
    MetricSpec(
        "countersign_token_breaker_state",
        "gauge",
        ("credential",),
        "A token endpoint's circuit: 0 closed, 1 half-open, 2 open.",
    ),
    MetricSpec(
        "countersign_breaker_opened_total", "counter", (), "Times the circuit of any route or token endpoint opened."
    ),
    MetricSpec(
        "countersign_store_up",
        "gauge",
        (),
        "Whether the token store is used: 0 from its failure until a probe succeeds.",
    ),
    MetricSpec(
        "countersign_store_errors_total",
        "counter",
        ("operation",),
        "Operations that the token store failed. While it is down it is asked for nothing but probes (ping), so that "
        "what is refused then does not count.",
    ),
    MetricSpec(
        "countersign_webhook_deliveries_total",
        "counter",
        ("outcome",),
        "Events for the webhook: delivered, given up after the last try, refused for good by the receiver (gone), "
        "or dropped, for too many waited, the process ended, or the webhook was taken away.",
    ),
    MetricSpec(
        "countersign_verifications_total",
        "counter",
        ("outcome",),
        "One-time codes: taken by the mail server (sent), not taken (failed), not to be sent to anybody (withheld), "
        "right (verified), wrong or too late (refused), or not looked at, for there were too many (limited).",
    ),
    MetricSpec(
        "countersign_config_reloads_total",
        "counter",
        ("outcome",),
        "Configurations loaded while running: succeeded, or refused for their errors.",
    ),
    MetricSpec(
        "countersign_config_last_reload_timestamp_seconds",
        "gauge",
        (),
        "When the configuration in use was loaded, as Unix time.",
    ),
    MetricSpec(
        "countersign_log_dropped_total", "counter", (), "Log lines dropped because nobody read the log fast enough."
    ),
    MetricSpec("countersign_build_info", "gauge", ("version", "python"), "Always 1; its labels say what is running."),
)


class Metrics:
    """All that one process counts. Outlives reloads: the same name gets the same numbers back."""

    def __init__(self) -> None:
        self.store_up = True
        """Whether the token store is used; False: it failed, and has not answered a probe yet."""
        self._routes: dict[str, RouteMetrics] = {}
        self._credentials: dict[str, CredentialMetrics] = {}
        self._lock_waits = Histogram()
        self._opened_by_removed = 0
        self._store_errors = dict.fromkeys(STORE_OPERATIONS, 0)
        self._reloads = dict.fromkeys(RELOAD_OUTCOMES, 0)
        self._reloaded_at = 0.0
        self._webhook_deliveries = dict.fromkeys(WEBHOOK_OUTCOMES, 0)
        self._verifications = dict.fromkeys(VERIFICATION_OUTCOMES, 0)
        self.log_dropped: Callable[[], int] = int
        self.route(UNMATCHED)
        self._registry = CollectorRegistry()
        self._registry.register(_Scrape(self._families))
        ProcessCollector(registry=self._registry)
        GCCollector(registry=self._registry)

    def route(self, name: str) -> RouteMetrics:
        """Return the numbers of that route; all of them stand at zero from now on."""
        return self._routes.setdefault(name, RouteMetrics())

    def credential(self, name: str) -> CredentialMetrics:
        """Return the numbers of that credential; all of them stand at zero from now on."""
        return self._credentials.setdefault(name, CredentialMetrics(self._lock_waits))

    def keep(self, routes: Collection[str], credentials: Collection[str]) -> None:
        """Forget every route and credential but these: a reload has removed the others."""
        for name in self._routes.keys() - {UNMATCHED, *routes}:
            self._opened_by_removed += self._routes.pop(name).breaker_opened()
        for name in self._credentials.keys() - {*credentials}:
            self._opened_by_removed += self._credentials.pop(name).breaker_opened

    def store_errors(self, operation: str) -> None:
        """Count a failed operation of the store: one of `STORE_OPERATIONS`."""
        self._store_errors[operation] += 1

    def config_reloaded(self, outcome: str, timestamp: float) -> None:
        """Count a reload that `succeeded` or was `refused`; only the former moves the timestamp (Unix seconds)."""
        self._reloads[outcome] += 1
        if outcome == "succeeded":
            self._reloaded_at = timestamp

    def config_loaded(self, timestamp: float) -> None:
        """Note when the first configuration was loaded (Unix seconds): a start is no reload."""
        self._reloaded_at = timestamp

    def webhook_deliveries(self, outcome: str, count: int = 1) -> None:
        """Count events for the webhook that came to such an end: one of `WEBHOOK_OUTCOMES`."""
        self._webhook_deliveries[outcome] += count

    def verifications(self, outcome: str) -> None:
        """Count what became of a one-time code: one of `VERIFICATION_OUTCOMES`."""
        self._verifications[outcome] += 1

    def watch_log(self, dropped: Callable[[], int]) -> None:
        """Ask this at every scrape how many log lines were dropped."""
        self.log_dropped = dropped

    def render(self, accept: str) -> tuple[bytes, str]:
        """Return the page of a scrape and its content type, in the format that `accept` asks for.

        Takes milliseconds with many routes: call it from a thread.
        """
        # The library fails on a malformed version or escaping, so it never sees what the client wrote.
        encode, content_type = choose_encoder(OPENMETRICS if OPENMETRICS in accept.lower() else "")
        return encode(self._registry), content_type

    def _families(self) -> Iterator[Metric]:
        routes = list(self._routes.items())
        credentials = list(self._credentials.items())
        opened = sum(route.breaker_opened() for _, route in routes) + sum(one.breaker_opened for _, one in credentials)
        read = {**read_routes(routes), **read_credentials(credentials), **self._read_process(opened)}
        for spec in CATALOGUE:
            yield _family(spec, read[spec.name])

    def _read_process(self, opened: int) -> dict[str, Samples]:
        return {
            "countersign_token_lock_wait_seconds": [((), self._lock_waits)],
            "countersign_breaker_opened_total": [((), self._opened_by_removed + opened)],
            "countersign_store_up": [((), int(self.store_up))],
            "countersign_store_errors_total": by_label(self._store_errors),
            "countersign_webhook_deliveries_total": by_label(self._webhook_deliveries),
            "countersign_verifications_total": by_label(self._verifications),
            "countersign_config_reloads_total": by_label(self._reloads),
            "countersign_config_last_reload_timestamp_seconds": [((), self._reloaded_at)],
            "countersign_log_dropped_total": [((), self.log_dropped())],
            "countersign_build_info": [((__version__, platform.python_version()), 1)],
        }


class _Scrape(Collector):
    """What the registry asks at a scrape."""

    def __init__(self, families: Callable[[], Iterable[Metric]]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families()


def _family(spec: MetricSpec, samples: Samples) -> Metric:
    family = Metric(spec.name.removesuffix("_total"), spec.help, spec.type)
    for values, number in samples:
        labels = dict(zip(spec.labels, values, strict=True))
        if isinstance(number, Histogram):
            buckets = tuple(accumulate(number.counts))
            for bound, count in zip(_BOUNDS, buckets, strict=True):
                family.add_sample(f"{spec.name}_bucket", {**labels, "le": bound}, count)
            family.add_sample(f"{spec.name}_count", labels, buckets[-1])
            family.add_sample(f"{spec.name}_sum", labels, number.sum)
        else:
            family.add_sample(spec.name, labels, number)
    return family
