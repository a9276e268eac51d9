from proxy.telemetry.counts import CredentialMetrics, Histogram, RouteMetrics
from proxy.telemetry.samples import by_label, read_credentials, read_routes


def test_a_route_without_breaker_has_no_state() -> None:
    bare, watched = RouteMetrics(), RouteMetrics()
    watched.watch_breaker(lambda: 1, lambda: 0)
    read = read_routes([("bare", bare), ("watched", watched)])
    assert read["countersign_breaker_state"] == [(("watched",), 1)]


def test_a_credential_without_token_has_no_expiry_and_one_that_never_expires_has_infinity() -> None:
    empty, forever = CredentialMetrics(Histogram()), CredentialMetrics(Histogram())
    empty.watch(lambda: None, lambda: 0, lambda: 0)
    forever.watch(lambda: float("inf"), lambda: 1, lambda: 0)
    read = read_credentials([("empty", empty), ("forever", forever)])
    assert read["countersign_token_expires_at_seconds"] == [(("forever",), float("inf"))]
    assert read["countersign_token_generation"] == [(("empty",), 0), (("forever",), 1)]


def test_what_is_bumped_in_place_is_read_under_its_result() -> None:
    credential = CredentialMetrics(Histogram())
    credential.hit += 3
    credential.stale += 2
    credential.negative += 1
    read = read_credentials([("billing", credential)])
    assert dict(read["countersign_token_cache_total"]) == {
        ("billing", "hit"): 3,
        ("billing", "stale"): 2,
        ("billing", "wait"): 0,
        ("billing", "negative"): 1,
    }


def test_counts_under_one_label_keep_their_order() -> None:
    assert by_label({"load": 1, "save": 0}) == [(("load",), 1), (("save",), 0)]
