"""When a token is fresh, stale and expired."""

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.secret import Secret
from proxy.core.token import FOREVER, Token, TokenState, plan, safety_window


def token(lifetime: float | None, issued_at: float = 1000.0) -> Token:
    return Token(Secret("value"), issued_at, None if lifetime is None else issued_at + lifetime)


@pytest.mark.parametrize(
    ("lifetime", "window"),
    [(3600.0, 60.0), (240.0, 60.0), (100.0, 25.0), (4.0, 1.0), (0.0, 0.0)],
)
def test_the_default_window_is_a_minute_or_a_quarter_of_the_lifetime(lifetime: float, window: float) -> None:
    assert safety_window(lifetime) == window


@pytest.mark.parametrize(("configured", "window"), [(10.0, 10.0), (0.0, 0.0), (300.0, 300.0), (301.0, 300.0)])
def test_a_configured_window_stands_but_never_takes_over_half_the_lifetime(configured: float, window: float) -> None:
    assert safety_window(600.0, configured) == window


def test_the_planned_refresh_comes_at_four_fifths_of_the_lifetime() -> None:
    assert plan(token(1000.0)).stale_at == 1800.0


@pytest.mark.parametrize(("jitter", "stale_at"), [(-1.0, 1720.0), (0.0, 1800.0), (1.0, 1880.0)])
def test_jitter_moves_the_planned_refresh_by_a_tenth_at_most(jitter: float, stale_at: float) -> None:
    assert plan(token(1000.0), jitter=jitter).stale_at == pytest.approx(stale_at)


def test_the_window_wins_over_a_later_planned_refresh() -> None:
    assert plan(token(1000.0), window=400.0).stale_at == 1600.0
    assert plan(token(100.0), jitter=1.0).stale_at == 1075.0


def test_a_token_without_expiry_is_never_stale() -> None:
    assert plan(token(None), window=5.0, jitter=-1.0) is FOREVER
    assert FOREVER.state(1e300) is TokenState.FRESH


def test_what_was_learned_brings_the_planned_refresh_forward_and_leaves_the_end_where_it_is() -> None:
    lifetime = plan(token(3600.0), trusted=1000.0)
    assert (lifetime.stale_at, lifetime.expires_at) == (1800.0, 4600.0)
    assert plan(token(3600.0), trusted=1000.0, jitter=-1.0).stale_at == pytest.approx(1720.0)


def test_a_token_without_expiry_becomes_stale_by_what_was_learned_and_never_expires() -> None:
    lifetime = plan(token(None), trusted=1000.0, window=500.0)
    assert (lifetime.stale_at, lifetime.expires_at) == (1800.0, inf)
    assert lifetime.state(1e300) is TokenState.STALE


def test_to_trust_longer_than_a_token_lives_changes_nothing() -> None:
    assert plan(token(1000.0), trusted=5000.0) == plan(token(1000.0))


LIFETIMES = st.floats(0.0, 1e8)
WINDOWS = st.none() | st.floats(0.0, 1e9)
JITTERS = st.floats(-1.0, 1.0)


@given(lifetime=LIFETIMES, window=WINDOWS, jitter=JITTERS)
def test_a_token_is_fresh_for_at_least_half_its_lifetime(lifetime: float, window: float | None, jitter: float) -> None:
    planned = plan(token(lifetime), window=window, jitter=jitter)
    assert planned.stale_at >= 1000.0 + lifetime / 2 - 1e-6
    assert planned.stale_at <= planned.expires_at == 1000.0 + lifetime


@given(lifetime=st.none() | LIFETIMES, window=WINDOWS, jitter=JITTERS, trusted=st.floats(0.0, 1e9))
def test_what_was_learned_never_moves_the_end_and_never_puts_a_refresh_off(
    lifetime: float | None, window: float | None, jitter: float, trusted: float
) -> None:
    believed = plan(token(lifetime), window=window, jitter=jitter, trusted=trusted)
    said = plan(token(lifetime), window=window, jitter=jitter)
    assert believed.expires_at == said.expires_at
    assert believed.stale_at <= said.stale_at


def test_each_state_begins_at_its_moment() -> None:
    lifetime = plan(token(1000.0))
    assert lifetime.state(1799.9) is TokenState.FRESH
    assert lifetime.state(1800.0) is TokenState.STALE
    assert lifetime.state(1999.9) is TokenState.STALE
    assert lifetime.state(2000.0) is TokenState.EXPIRED


def test_a_token_that_ends_before_it_begins_is_expired_at_once() -> None:
    assert plan(token(-10.0)).state(1000.0) is TokenState.EXPIRED


def test_a_token_shows_nothing_of_its_secrets() -> None:
    shown = repr(Token(Secret("planted-1"), 0.0, variables={"refresh_token": Secret("planted-2")}))
    assert "planted" not in shown
