"""What a scrape finds when it looks at the numbers: label values, and what stands under them."""

from collections.abc import Iterable

from proxy.telemetry.counts import CredentialMetrics, Histogram, RouteMetrics

Samples = list[tuple[tuple[str, ...], float | Histogram]]
"""Label values in the order of the catalogue, and what was counted under them."""


def by_label(counts: dict[str, int]) -> Samples:
    """Return counts that stand under one label."""
    return [((label,), count) for label, count in list(counts.items())]


def read_routes(routes: Iterable[tuple[str, RouteMetrics]]) -> dict[str, Samples]:
    """Return, by metric, what was counted for these routes."""
    return {
        "countersign_requests_total": [
            ((name, str(code), source), count)
            for name, route in routes
            for (code, source), count in list(route.answers.items())
        ],
        "countersign_request_duration_seconds": [((name,), route.durations) for name, route in routes],
        "countersign_upstream_duration_seconds": [((name,), route.upstream) for name, route in routes],
        "countersign_requests_in_flight": [((name,), route.in_flight) for name, route in routes],
        "countersign_replays_total": [
            ((name, outcome), count) for name, route in routes for outcome, count in route.replays.items()
        ],
        "countersign_breaker_state": [
            ((name,), route.breaker_state()) for name, route in routes if route.breaker_state is not None
        ],
    }


def read_credentials(credentials: Iterable[tuple[str, CredentialMetrics]]) -> dict[str, Samples]:
    """Return, by metric, what was counted for these credentials."""
    return {
        "countersign_token_fetches_total": [
            ((name, *labels), count) for name, one in credentials for labels, count in one.fetches.items()
        ],
        "countersign_token_fetch_duration_seconds": [((name,), one.durations) for name, one in credentials],
        "countersign_token_cache_total": [
            ((name, result), count) for name, one in credentials for result, count in one.results().items()
        ],
        "countersign_token_expires_at_seconds": [
            ((name,), moment)
            for name, one in credentials
            if one.expires_at is not None and (moment := one.expires_at()) is not None
        ],
        "countersign_token_generation": [
            ((name,), one.generation()) for name, one in credentials if one.generation is not None
        ],
        "countersign_token_breaker_state": [
            ((name,), one.breaker_state()) for name, one in credentials if one.breaker_state is not None
        ],
    }
