"""What the admin API shows: records made from the running parts, with fingerprints where values would stand."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

from proxy import __version__
from proxy.admin.inspectable import Inspectable
from proxy.gateway.plan import RoutePlan
from proxy.telemetry.events import Event, EventPage
from proxy.telemetry.line import Level, rfc3339
from proxy.telemetry.redaction import Value, clean

Moment = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
"""RFC 3339, UTC."""
BREAKERS: Final = ("closed", "half_open", "open")
STATES: Final = ("fresh", "stale", "expired", "none")
BreakerName = Annotated[str, Field(json_schema_extra={"enum": list(BREAKERS)})]
StateName = Annotated[str, Field(json_schema_extra={"enum": list(STATES)})]


class View(BaseModel):
    """Base of everything that is shown. The docstrings below become the API's documentation."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class StoreView(View):
    """The token store."""

    kind: str
    up: bool
    """Whether it did what was last asked of it."""


class StatusView(View):
    """How the process is."""

    version: str
    started_at: Moment
    uptime_seconds: float
    ready: bool
    """Whether it wants requests."""
    reasons: tuple[str, ...]
    """Why it wants none."""
    draining: bool
    store: StoreView
    requests_in_flight: int
    log_lines_dropped: int
    routes: Mapping[str, int]
    """How many routes there are, by the state of their circuit."""
    credentials: Mapping[str, int]
    """How many credentials there are, by the state of their token."""
    failing: tuple[str, ...]
    """The credentials whose last fetch failed."""


class FailureView(View):
    """Why the last fetch failed; shown until one succeeds."""

    reason: str
    detail: str
    permanent: bool
    """True: asking again cannot help until somebody changes something."""
    retry_after_seconds: float
    """Until it is worth asking again; 0: now."""


class CredentialView(View):
    """A credential, and the token it yields now."""

    name: str
    kind: str
    description: str
    routes: tuple[str, ...]
    """Which routes it signs."""
    state: StateName
    """The token's age; none: nothing has been fetched, or what was fetched is forgotten."""
    generation: int
    """Grows by one with each new value; 0: none yet."""
    fingerprint: str | None
    """Tells two values apart while this process runs, and says nothing of either."""
    issued_at: Moment | None
    refresh_at: Moment | None
    """When it is replaced behind the requests."""
    expires_at: Moment | None
    """Null: never, or there is no token."""
    fetching: bool
    """Whether a fetch is under way."""
    renewable: bool
    """False: the token is part of the configuration."""
    breaker: BreakerName
    """The token endpoint's circuit."""
    failure: FailureView | None


class MatchView(View):
    """Which requests a route takes."""

    host: str
    path: str
    methods: tuple[str, ...]
    """Empty: all."""
    headers: Mapping[str, str]


class RouteView(View):
    """A route, and how its upstream is doing."""

    name: str
    match: MatchView
    upstream: str
    credentials: tuple[str, ...]
    callers: tuple[str, ...]
    breaker: BreakerName
    breaker_held: bool
    """True: an operator holds the circuit as it is."""
    breaker_opened_total: int
    """How often the circuit opened since this process started or the route changed."""
    in_flight: int
    """Requests being worked on now."""


class EventView(View):
    """Something that happened."""

    id: int
    time: Moment
    level: Level
    event: str
    route: str | None
    credential: str | None
    user: str | None
    reason: str | None
    detail: str
    fields: Mapping[str, Value]
    """What else is known of it."""


class CredentialsView(View):
    """All credentials, in the configuration's order."""

    credentials: tuple[CredentialView, ...]


class RoutesView(View):
    """All routes, in the configuration's order."""

    routes: tuple[RouteView, ...]


class EventsView(View):
    """Events, newest first."""

    events: tuple[EventView, ...]
    cursor: int | None
    """Ask for the next page with it; null: there is nothing older."""


def status(app: Inspectable) -> StatusView:
    """Return how the process is."""
    plans = app.graph.plans.values()
    tokens = [source.status() for source in app.sources.by_name.values()]
    now = app.clock.now()
    return StatusView(
        version=__version__,
        started_at=rfc3339(app.started_at),
        uptime_seconds=round(max(0.0, now - app.started_at), 3),
        ready=not app.health.reasons,
        reasons=app.health.reasons,
        draining=app.health.is_draining,
        store=StoreView(kind=app.store_kind, up=app.metrics.store_up),
        requests_in_flight=sum(plan.metrics.in_flight for plan in plans),
        log_lines_dropped=app.metrics.log_dropped(),
        routes=_tally(BREAKERS, [_breaker(app, plan) for plan in plans]),
        credentials=_tally(STATES, [token.state for token in tokens]),
        failing=tuple(token.name for token in tokens if token.failure is not None),
    )


def credential(app: Inspectable, name: str) -> CredentialView:
    """Return one credential that exists."""
    token = app.sources.by_name[name].status()
    settings = app.sources.settings[name]
    return CredentialView(
        name=name,
        kind=settings.kind,
        description=clean(settings.description),
        routes=tuple(route for route, plan in app.graph.plans.items() if name in plan.settings.credential_names),
        state=token.state,
        generation=token.generation,
        fingerprint=token.fingerprint,
        issued_at=_moment(token.issued_at),
        refresh_at=_moment(token.stale_at),
        expires_at=_moment(token.expires_at),
        fetching=token.is_fetching,
        renewable=token.renewable,
        breaker=token.breaker,
        failure=None
        if token.failure is None
        else FailureView(
            reason=token.failure.reason.value,
            detail=clean(token.failure.detail),
            permanent=token.failure.permanent,
            retry_after_seconds=round(token.failure.retry_after, 3),
        ),
    )


def route(app: Inspectable, name: str) -> RouteView:
    """Return one route that exists."""
    plan = app.graph.plans[name]
    match = plan.settings.match
    return RouteView(
        name=name,
        match=MatchView(
            host=match.host,
            path=match.path,
            methods=match.methods,
            headers={header: clean(value) for header, value in match.headers.items()},
        ),
        upstream=plan.settings.upstream,
        credentials=plan.settings.credential_names,
        callers=plan.settings.callers,
        breaker=_breaker(app, plan),
        breaker_held=plan.breaker.forced is not None,
        breaker_opened_total=plan.breaker.opened_total,
        in_flight=plan.metrics.in_flight,
    )


def events(page: EventPage) -> EventsView:
    """Return a page of events."""
    return EventsView(events=tuple(map(_event, page.events)), cursor=page.cursor)


def _event(event: Event) -> EventView:
    return EventView(**{**asdict(event), "time": rfc3339(event.time), "event": event.event.value})


def _breaker(app: Inspectable, plan: RoutePlan) -> BreakerName:
    return plan.breaker.state(app.clock.monotonic()).name.lower()


def _tally(states: tuple[str, ...], found: list[str]) -> dict[str, int]:
    return {state: found.count(state) for state in states}


def _moment(seconds: float | None) -> Moment | None:
    return None if seconds is None else rfc3339(seconds)
