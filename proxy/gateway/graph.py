"""One loaded configuration, ready to carry requests: built beside the current one, then put in its place as a whole."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from proxy.callers.api_key import KeyRing
from proxy.callers.base import Caller
from proxy.core.route import RouteTable
from proxy.gateway.plan import RoutePlan
from proxy.gateway.settings import RouteSettings
from proxy.gateway.signing import Part
from proxy.net.runtime import Runtime
from proxy.telemetry.events import EventLog
from proxy.telemetry.metrics import Metrics
from proxy.users.people import People


@dataclass(frozen=True, slots=True)
class Graph:
    """Routes with everything they need."""

    plans: Mapping[str, RoutePlan]
    routes: RouteTable[RoutePlan]
    callers: Mapping[str, Caller]
    keys: KeyRing | None
    """All callers' keys; None: there is one caller, who knows its own."""
    sources: Mapping[str, Part]
    people: People | None = None
    """Who users are; None: there are none."""


NO_GRAPH: Final = Graph({}, RouteTable(()), {}, None, {})


def build_graph(
    routes: Mapping[str, RouteSettings],
    *,
    callers: Mapping[str, Caller],
    sources: Mapping[str, Part],
    runtime: Runtime,
    metrics: Metrics,
    events: EventLog,
    previous: Graph = NO_GRAPH,
    people: People | None = None,
) -> Graph:
    """Return the graph of these routes.

    A route of `previous` that is the same in every part is taken over, with its connections and its breaker's state.
    """
    plans = {}
    for name, settings in routes.items():
        plan = RoutePlan(
            name,
            settings,
            sources=tuple(sources[credential] for credential in settings.credential_names),
            callers=tuple(callers[caller] for caller in settings.callers),
            runtime=runtime,
            metrics=metrics.route(name),
            events=events,
        )
        standing = previous.plans.get(name)
        plans[name] = standing if standing is not None and standing.is_same_as(plan) else plan
    table = RouteTable((plan.settings.match, plan) for plan in plans.values())
    for name, plan in plans.items():
        if plan is not previous.plans.get(name):
            plan.watch()
    keys = KeyRing(callers.values()) if len(callers) > 1 else None
    return Graph(plans, table, callers, keys, sources, people)


def retire(old: Graph, new: Graph) -> None:
    """Close what only the old graph used; requests that are under way on it finish."""
    kept = set(new.plans.values())
    for plan in old.plans.values():
        if plan not in kept:
            plan.upstream.close()
    for name, source in old.sources.items():
        if new.sources.get(name) is not source:
            source.close()
