"""A route as the pipeline sees it: everything that could be prepared when the configuration was loaded."""

from proxy.callers.base import Caller
from proxy.core.breaker import Breaker, BreakerState
from proxy.core.errors import OverloadedError
from proxy.core.origin import Origin, parse_upstream
from proxy.gateway.audit import Audit
from proxy.gateway.forward import Forwarder
from proxy.gateway.prepare import Preparer
from proxy.gateway.require import Requirement
from proxy.gateway.settings import RouteSettings
from proxy.gateway.signing import Part, Signer, Signers
from proxy.net.runtime import Runtime
from proxy.net.upstream import Upstream
from proxy.telemetry.counts import RouteMetrics
from proxy.telemetry.events import EventLog, EventName
from proxy.tokens.source import Source


class RoutePlan:
    """One route, ready to carry requests. Lives as long as the graph it belongs to."""

    def __init__(
        self,
        name: str,
        settings: RouteSettings,
        *,
        sources: tuple[Part, ...],
        callers: tuple[Caller, ...],
        runtime: Runtime,
        metrics: RouteMetrics,
        events: EventLog,
    ) -> None:
        self.name = name
        self.settings = settings
        self.callers = callers
        self.parts = sources
        shared = tuple(source for source in sources if isinstance(source, Source))
        self.signer = Signer(shared) if len(shared) == len(sources) else None
        """Everybody's; None: each user has one of their own."""
        self.signers = Signers(sources)
        own = tuple(source.name for source in sources if not isinstance(source, Source))
        self.audit = Audit(name, own, events, runtime.clock)
        self.requirements = tuple(Requirement(one, name) for one in settings.require)
        self.breaker = Breaker(settings.breaker)
        self._now = runtime.clock.monotonic
        self._events = events
        self._opened = 0
        self._is_open = False
        self.metrics = metrics
        self.origin, base = parse_upstream(settings.upstream)
        self.preparer = Preparer(self.origin, base, settings.match.path, strip_prefix=settings.strip_prefix)
        self.upstream = _upstream(self.origin, settings, runtime)
        self.forwarder = Forwarder(self.upstream, settings.timeouts, runtime)
        self.credentials = "+".join(settings.credential_names) or None
        self.is_personal = self.signer is None or bool(self.requirements)
        """Whether an answer is for the user of its request alone."""
        self.drops_cookies = settings.cookies == "drop" and self.signer is not None
        self.refuses_dot_segments = settings.dot_segments == "refuse"

    def is_same_as(self, other: "RoutePlan") -> bool:
        """Whether the two differ in nothing, so that one can go on in the other's place."""
        return self.settings == other.settings and self.parts == other.parts and self.callers == other.callers

    def watch(self) -> None:
        """Let a scrape read the breaker's state."""
        self.metrics.watch_breaker(lambda: self.breaker.state(self._now()).value, lambda: self.breaker.opened_total)

    def record(self, permit: int, *, ok: bool) -> None:
        """Give a permit of the breaker back as a success or a failure, and tell when that moved the breaker."""
        breaker = self.breaker
        breaker.record(permit, ok, self._now())
        if breaker.opened_total != self._opened:
            self._opened = breaker.opened_total
            if not self._is_open:
                self._is_open = True
                self._events.record("error", EventName.BREAKER_OPENED, route=self.name)
        elif self._is_open and breaker.state(self._now()) is BreakerState.CLOSED:
            self._is_open = False
            self._events.record("info", EventName.BREAKER_CLOSED, route=self.name)

    def admit(self) -> None:
        """Count a request in, if the route still takes one.

        Raises:
            OverloadedError: as many as the route allows are under way.
        """
        if self.metrics.in_flight >= self.settings.limits.in_flight:
            raise OverloadedError(
                f"route {self.name!r} has {self.settings.limits.in_flight} requests under way", retry_after=1.0
            )
        self.metrics.in_flight += 1

    def __repr__(self) -> str:
        return f"<RoutePlan {self.name} -> {self.origin.authority}>"


def _upstream(origin: Origin, settings: RouteSettings, runtime: Runtime) -> Upstream:
    timeouts = settings.timeouts
    return Upstream(
        origin,
        runtime,
        tls=settings.tls.files if origin.is_tls else None,
        connect=timeouts.connect,
        idle=timeouts.idle,
        keepalive=timeouts.keepalive,
    )
