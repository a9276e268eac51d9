"""What counts for the circuit of a token endpoint, and what is told when it opens and closes."""

from math import inf

import pytest

from proxy.core.breaker import BreakerOpen, BreakerState
from proxy.core.errors import FetchError, Reason
from proxy.core.symptom import Symptom, TokenRequestError
from proxy.telemetry.events import EventLog
from proxy.telemetry.metrics import Metrics
from proxy.tokens.circuit import Circuit
from proxy.tokens.outcome import not_asked
from tests.fakes.clock import FakeClock
from tests.fakes.token_room import transient


class World:
    """The circuit that a credential's users share."""

    def __init__(self, *, is_shared: bool = True, random: float = 0.0) -> None:
        self.clock = FakeClock()
        self.events = EventLog(self.clock)
        self.metrics = Metrics()
        self.circuit = Circuit(
            "billing",
            self.metrics.credential("billing"),
            clock=self.clock,
            events=self.events,
            is_shared=is_shared,
            random=lambda: random,
        )

    def happened(self) -> list[str]:
        return [event.event.value for event in reversed(self.events.query().events)]

    def fail_until_open(self) -> None:
        while self.circuit.state is not BreakerState.OPEN:
            self.circuit.record(self.circuit.admit(), ok=False)

    def scraped(self) -> list[str]:
        page = self.metrics.render("")[0].decode()
        return [line for line in page.splitlines() if line.startswith("countersign_") and "breaker" in line]


@pytest.fixture
def world() -> World:
    return World()


def test_each_time_that_it_opens_is_told_and_counted_once_and_so_is_its_closing(world: World) -> None:
    world.fail_until_open()
    for _ in range(10):
        world.circuit.record(0, ok=False)  # of fetches that began before
    assert world.happened() == ["breaker_opened"]
    assert "countersign_breaker_opened_total 1.0" in world.scraped()


async def test_it_closes_by_its_probe_and_a_probe_that_fails_tells_nothing_new(world: World) -> None:
    world.fail_until_open()
    await world.clock.advance(seconds=30)
    world.circuit.record(world.circuit.admit(), ok=False)
    await world.clock.advance(seconds=30)
    probe = world.circuit.admit()
    with pytest.raises(BreakerOpen):
        world.circuit.admit()
    world.circuit.record(probe, ok=True)
    assert world.circuit.state is BreakerState.CLOSED
    assert world.happened() == ["breaker_opened", "breaker_closed"]
    assert "countersign_breaker_opened_total 1.0" in world.scraped()


def test_a_scrape_reads_its_state_and_no_tokens_where_each_user_has_their_own(world: World) -> None:
    world.metrics.credential("billing").watch(lambda: 1.0, lambda: 4, lambda: 1)
    world.circuit.watch()
    assert 'countersign_token_breaker_state{credential="billing"} 0.0' in world.scraped()
    world.fail_until_open()
    assert 'countersign_token_breaker_state{credential="billing"} 2.0' in world.scraped()
    page = world.metrics.render("")[0].decode()
    assert "countersign_token_generation{" not in page
    assert "countersign_token_expires_at_seconds{" not in page


@pytest.mark.parametrize(("random", "wait"), [(0.0, 30.0), (1.0, 37.5)])
async def test_users_do_not_all_come_back_at_the_same_instant(random: float, wait: float) -> None:
    world = World(random=random)
    world.fail_until_open()
    with pytest.raises(BreakerOpen) as caught:
        world.circuit.admit()
    assert caught.value.retry_after == pytest.approx(wait)


def test_the_wait_for_a_token_that_all_share_is_as_long_as_it_is() -> None:
    world = World(is_shared=False, random=1.0)
    world.fail_until_open()
    with pytest.raises(BreakerOpen) as caught:
        world.circuit.admit()
    assert caught.value.retry_after == pytest.approx(30.0)


EVERYBODYS = {
    Symptom.DNS,
    Symptom.CONNECT,
    Symptom.CONNECT_TIMEOUT,
    Symptom.TLS_EXPIRED,
    Symptom.TLS_HOST,
    Symptom.TLS_SELF_SIGNED,
    Symptom.TLS_ISSUER,
    Symptom.TLS_CLIENT,
    Symptom.TLS,
    Symptom.TIMEOUT,
    Symptom.BROKEN_OFF,
    Symptom.BUSY,
    Symptom.RATE_LIMITED,
    Symptom.PROVIDER,
}


@pytest.mark.parametrize("symptom", Symptom)
def test_among_users_that_counts_which_the_endpoint_does_wrong_whoever_asks(world: World, symptom: Symptom) -> None:
    assert world.circuit.blames(TokenRequestError(symptom, "planted"), -inf) is (symptom in EVERYBODYS)
    assert World(is_shared=False).circuit.blames(TokenRequestError(symptom, "planted"), -inf)


@pytest.mark.parametrize("is_shared", [False, True])
def test_who_did_not_ask_blames_nobody(is_shared: bool) -> None:
    circuit = World(is_shared=is_shared).circuit
    assert not circuit.blames(not_asked("the store does not answer"), -inf)
    assert not circuit.blames(FetchError(Reason.NETWORK, "planted", asked=False), -inf)


async def test_a_user_counts_once_in_a_window_but_for_a_probe(world: World) -> None:
    now = world.clock.monotonic()
    assert not world.circuit.blames(transient(), now)
    assert world.circuit.blames(transient(), now - 30.0)
    world.fail_until_open()
    await world.clock.advance(seconds=30)
    world.circuit.admit()
    assert world.circuit.blames(transient(), world.clock.monotonic() - 1.0)


def test_where_all_share_one_token_each_failure_counts() -> None:
    circuit = World(is_shared=False).circuit
    assert circuit.blames(transient(), 1_000.0)


def test_its_repr_says_how_things_stand(world: World) -> None:
    world.fail_until_open()
    assert repr(world.circuit) == "<Circuit billing, open, shared>"
