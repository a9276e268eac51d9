"""What is known of a request while it is under way, and where it is written down at its end, however it ends."""

from typing import Final, Literal

from proxy.core.clock import Clock
from proxy.core.person import Person
from proxy.gateway.plan import RoutePlan
from proxy.gateway.signing import Signature
from proxy.telemetry.counts import RouteMetrics
from proxy.telemetry.request_log import RequestLog

CALLER_LEFT: Final = 499
"""The status that stands in logs and metrics for a caller who left before the answer; nginx made it customary."""


class Trace:
    """One request, as far as it has come."""

    # Class attributes are the beginning: most of them are still true at most requests' end.
    identifier = ""
    plan: RoutePlan | None = None
    caller: str | None = None
    user: str | None = None
    """The pseudonym of the user on whose behalf it is."""
    person: Person | None = None
    signature: Signature = ()
    replayed = False
    sent: float | None = None
    """Monotonic seconds at which the request went upstream."""
    upstream_seconds: float | None = None
    status = CALLER_LEFT
    source: Literal["upstream", "proxy"] = "proxy"
    reason: str | None = None
    """Why it was refused, replayed or not: a code of ours, or the place of the rule that decided."""

    def __init__(self, started: float) -> None:
        self.started = started
        """Monotonic seconds."""

    def answered(self, status: int, now: float) -> None:
        """Note that the head of the upstream's answer is here."""
        self.status = status
        self.source = "upstream"
        if self.sent is not None:
            self.upstream_seconds = now - self.sent

    def refused(self, status: int) -> None:
        """Note that the caller is answered by us."""
        self.status = status
        self.source = "proxy"


class Recorder:
    """Writes the metrics and the log line of each request."""

    def __init__(self, clock: Clock, unmatched: RouteMetrics, log: RequestLog) -> None:
        self._now = clock.monotonic
        self._unmatched = unmatched
        self._log = log

    def record(self, trace: Trace) -> None:
        """Write one request down."""
        seconds = self._now() - trace.started
        plan = trace.plan
        metrics = self._unmatched if plan is None else plan.metrics
        metrics.observe(trace.status, trace.source, seconds, trace.upstream_seconds)
        signature = trace.signature
        self._log.write(
            request_id=trace.identifier,
            route=None if plan is None else plan.name,
            caller=trace.caller,
            user=trace.user,
            status=trace.status,
            duration=seconds,
            upstream=trace.upstream_seconds,
            credential=None if plan is None else plan.credentials,
            generation=signature[0].generation if signature else None,
            reason=trace.reason,
            replayed=trace.replayed,
        )
