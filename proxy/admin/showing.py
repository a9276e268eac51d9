"""How the running parts become views: with fingerprints where values would stand."""

from dataclasses import asdict

from proxy import __version__
from proxy.admin.inspectable import Inspectable
from proxy.admin.views import (
    BREAKERS,
    STATES,
    CredentialView,
    EventsView,
    EventView,
    FailureView,
    MatchView,
    RouteView,
    StatusView,
    StoreView,
    TrialView,
)
from proxy.credentials.trial import Trial
from proxy.gateway.plan import RoutePlan
from proxy.telemetry.events import Event, EventPage
from proxy.telemetry.line import rfc3339
from proxy.telemetry.redaction import clean


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


def trial(tried: Trial) -> TrialView:
    """Return what a test of a credential showed."""
    return TrialView.model_validate(tried)


def route(app: Inspectable, name: str) -> RouteView:
    """Return one route that exists."""
    plan = app.graph.plans[name]
    match = plan.settings.match
    return RouteView(
        name=name,
        match=MatchView(
            host=clean(match.host),
            path=clean(match.path),
            methods=match.methods,
            headers={header: clean(value) for header, value in match.headers.items()},
        ),
        upstream=clean(plan.settings.upstream),
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


def _breaker(app: Inspectable, plan: RoutePlan) -> str:
    return plan.breaker.state(app.clock.monotonic()).name.lower()


def _tally(states: tuple[str, ...], found: list[str]) -> dict[str, int]:
    return {state: found.count(state) for state in states}


def _moment(seconds: float | None) -> str | None:
    return None if seconds is None else rfc3339(seconds)
