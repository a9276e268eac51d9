import pytest

from proxy.core.errors import Reason
from proxy.telemetry.counts import BUCKETS, FETCH_OUTCOMES, CredentialMetrics, Histogram, RouteMetrics


@pytest.mark.parametrize(
    ("seconds", "bucket"),
    [(0.0, 0), (0.005, 0), (0.0050001, 1), (1.0, BUCKETS.index(1.0)), (30.0, 11), (30.1, 12), (1e9, 12)],
)
def test_a_duration_falls_into_the_first_bucket_that_is_not_smaller(seconds: float, bucket: int) -> None:
    histogram = Histogram()
    histogram.observe(seconds)
    assert [index for index, count in enumerate(histogram.counts) if count] == [bucket]
    assert histogram.sum == seconds


def test_an_answer_counts_once_and_only_for_its_status_and_source() -> None:
    route = RouteMetrics()
    route.observe(200, "upstream", 0.02, 0.01)
    route.observe(404, "upstream", 0.02, 0.01)
    route.observe(404, "proxy", 0.001, None)
    assert {key: count for key, count in route.answers.items() if count} == {
        (200, "upstream"): 1,
        (404, "upstream"): 1,
        (404, "proxy"): 1,
    }


def test_a_request_that_never_reached_the_upstream_is_not_timed_there() -> None:
    route = RouteMetrics()
    route.observe(404, "proxy", 0.001, None)
    route.observe(200, "upstream", 0.3, 0.2)
    assert sum(route.durations.counts) == 2
    assert sum(route.upstream.counts) == 1
    assert route.upstream.sum == 0.2


@pytest.mark.parametrize("status", [0, 99, 600, 999, 12345])
def test_a_status_that_http_does_not_know_makes_no_label_of_its_own(status: int) -> None:
    route = RouteMetrics()
    route.observe(status, "upstream", 0.1, 0.1)
    assert route.answers[599, "upstream"] == 1
    assert (status, "upstream") not in route.answers


def test_failures_stand_at_zero_before_the_first_one() -> None:
    answers = RouteMetrics().answers
    assert answers[500, "upstream"] == answers[502, "proxy"] == answers[503, "proxy"] == answers[401, "proxy"] == 0


def test_a_new_breaker_keeps_what_the_old_one_counted() -> None:
    route = RouteMetrics()
    route.watch_breaker(lambda: 2, lambda: 3)
    route.watch_breaker(lambda: 0, lambda: 1)
    assert route.breaker_opened() == 4
    assert route.breaker_state is not None
    assert route.breaker_state() == 0


def test_an_unknown_replay_outcome_is_a_mistake() -> None:
    with pytest.raises(KeyError):
        RouteMetrics().replay("exploded")


def test_every_reason_of_a_failed_fetch_can_be_counted() -> None:
    credential = CredentialMetrics(Histogram())
    for reason in Reason:
        credential.fetched("expired", reason.value, 0.2)
    assert [credential.fetches["expired", outcome] for outcome in FETCH_OUTCOMES] == [0] + [1] * len(Reason)
    assert sum(credential.durations.counts) == len(Reason)


def test_a_circuit_that_users_share_is_read_without_any_users_token() -> None:
    credential = CredentialMetrics(Histogram())
    credential.watch(lambda: 1.0, lambda: 4, lambda: 0)
    credential.watch_circuit(lambda: 2)
    assert (credential.expires_at, credential.generation) == (None, None)
    assert credential.breaker_state is not None
    assert credential.breaker_state() == 2
