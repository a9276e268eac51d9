"""How refusals teach how long tokens work, and how that is forgotten."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.secret import Secret
from proxy.core.token import Token, plan
from proxy.core.trust import LONGEST_TRUST, SHORTEST_TELLING_AGE, refused, survived

AGES = st.floats(0.0, 1e8)
TRUSTS = st.none() | st.floats(SHORTEST_TELLING_AGE, LONGEST_TRUST)
LIFETIMES = st.none() | st.floats(1.0, 1e9)


@pytest.mark.parametrize("lifetime", [3600.0, None])
def test_a_refusal_before_its_time_is_the_age_that_is_believed_from_then_on(lifetime: float | None) -> None:
    assert refused(None, 600.0, lifetime) == 600.0
    assert refused(900.0, 600.0, lifetime) == 600.0
    assert refused(300.0, 600.0, lifetime) == 600.0
    assert refused(None, SHORTEST_TELLING_AGE, lifetime) == SHORTEST_TELLING_AGE


@pytest.mark.parametrize("age", [29.9, 0.0, -600.0])
def test_a_refusal_of_a_young_token_is_no_matter_of_age_and_what_was_learned_is_forgotten(age: float) -> None:
    assert refused(None, age, 3600.0) is None
    assert refused(600.0, age, 3600.0) is None


@pytest.mark.parametrize("trusted", [None, 600.0])
def test_a_refusal_of_a_token_past_its_time_teaches_nothing(trusted: float | None) -> None:
    assert refused(trusted, 3600.0, 3600.0) == trusted
    assert refused(trusted, 4000.0, 3600.0) == trusted


def test_a_token_replaced_as_planned_doubles_what_is_believed_until_that_reaches_the_lifetime() -> None:
    assert survived(600.0, 480.0, 3600.0) == 1200.0
    assert survived(1200.0, 960.0, 3600.0) == 2400.0
    assert survived(2400.0, 1920.0, 3600.0) is None
    assert survived(1800.0, 1440.0, 3600.0) is None
    assert survived(None, 2880.0, 3600.0) is None


def test_what_was_learned_of_tokens_that_do_not_expire_is_forgotten_after_a_year() -> None:
    assert survived(600.0, 480.0, None) == 1200.0
    assert survived(LONGEST_TRUST / 2, LONGEST_TRUST / 2, None) is None


def test_a_token_replaced_long_before_its_plan_has_shown_nothing() -> None:
    assert survived(600.0, 299.0, 3600.0) == 600.0


@given(trusted=TRUSTS, age=AGES, lifetime=LIFETIMES)
def test_what_is_believed_is_never_so_short_that_tokens_are_replaced_all_the_time(
    trusted: float | None, age: float, lifetime: float | None
) -> None:
    for learned in (refused(trusted, age, lifetime), survived(trusted, age, lifetime)):
        assert learned is None or learned >= SHORTEST_TELLING_AGE


@given(
    trusted=st.floats(SHORTEST_TELLING_AGE, 1e6),
    lifetime=st.none() | st.floats(60.0, 1e8),
    window=st.none() | st.floats(0.0, 1e9),
    jitter=st.floats(-1.0, 1.0),
)
def test_tokens_that_are_replaced_as_planned_are_believed_again_after_a_while(
    trusted: float, lifetime: float | None, window: float | None, jitter: float
) -> None:
    believed: float | None = trusted if lifetime is None or trusted < lifetime else None
    rounds = 0
    while believed is not None:
        token = Token(Secret("value"), 0.0, lifetime)
        replaced_at = plan(token, window=window, jitter=jitter, trusted=believed).stale_at
        believed, rounds = survived(believed, replaced_at, lifetime), rounds + 1
        assert rounds < 30
    assert rounds > 0 or (lifetime is not None and trusted >= lifetime)
