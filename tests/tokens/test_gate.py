"""Whether a token endpoint may be asked, and what is said of it."""

import pytest

from proxy.core.breaker import BreakerState
from proxy.core.errors import CircuitOpenError, FetchError, Reason, TokenUnavailableError
from proxy.telemetry.events import EventLog
from proxy.telemetry.metrics import Metrics
from proxy.tokens.circuit import Circuit
from proxy.tokens.failures import Failure
from proxy.tokens.gate import WORDS, Gate
from proxy.tokens.outcome import not_asked
from tests.fakes.clock import FakeClock
from tests.fakes.token_room import permanent, transient


class World:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.events = EventLog(self.clock)
        self.gate = self.another_gate()

    def another_gate(self, circuit: Circuit | None = None) -> Gate:
        circuit = circuit or self.circuit()
        return Gate("billing", circuit, clock=self.clock, events=self.events, random=lambda: 0.0)

    def circuit(self, *, is_shared: bool = False) -> Circuit:
        metrics = Metrics().credential("billing")
        return Circuit(
            "billing", metrics, clock=self.clock, events=self.events, is_shared=is_shared, random=lambda: 0.0
        )

    def happened(self) -> list[str]:
        return [event.event.value for event in reversed(self.events.query().events)]

    async def fail_until_open(self) -> None:
        while self.gate.state is not BreakerState.OPEN:
            self.gate.failed(self.gate.enter(forced=True), transient())
            await self.clock.advance(seconds=1)


@pytest.fixture
def world() -> World:
    return World()


def test_a_gate_that_knows_nothing_lets_through(world: World) -> None:
    world.gate.succeeded(world.gate.enter())
    assert world.gate.failure is None
    assert world.happened() == []


async def test_a_failure_is_answered_from_memory_until_its_wait_is_over(world: World) -> None:
    world.gate.failed(world.gate.enter(), transient(retry_after=8.0))
    await world.clock.advance(seconds=3)
    with pytest.raises(TokenUnavailableError) as caught:
        world.gate.enter()
    assert caught.value.reason is Reason.PROVIDER_5XX
    assert caught.value.retry_after == pytest.approx(5.0)
    assert caught.value.members["credential"] == "billing"
    await world.clock.advance(seconds=5)
    world.gate.enter()


@pytest.mark.parametrize("reason", Reason)
def test_a_caller_is_told_which_credential_fails_and_why_and_operators_where_and_what_to_do(
    world: World, reason: Reason
) -> None:
    world.gate.failed(world.gate.enter(), FetchError(reason, "POST auth.example answered 503; look at its logs"))
    with pytest.raises(TokenUnavailableError) as caught:
        world.gate.enter()
    assert caught.value.detail == f"there is no token for billing: {WORDS[reason]}"
    assert caught.value.members == {"reason": reason.value, "credential": "billing"}
    for told in (world.events.query().events[-1].detail, getattr(world.gate.failure, "detail", "")):
        assert told == "POST auth.example answered 503; look at its logs"


def test_force_passes_the_memory(world: World) -> None:
    world.gate.failed(world.gate.enter(), permanent())
    assert world.gate.enter(forced=True) is not None


async def test_an_endpoint_that_keeps_failing_is_left_alone_even_when_the_memory_has_ended(world: World) -> None:
    await world.fail_until_open()
    with pytest.raises(CircuitOpenError) as caught:
        world.gate.enter()
    assert caught.value.retry_after is not None
    assert 0.0 < caught.value.retry_after <= 30.0


async def test_the_wait_that_an_open_circuit_names_covers_the_memory_too(world: World) -> None:
    await world.fail_until_open()
    world.gate.failed(world.gate.enter(forced=True), permanent())
    with pytest.raises(CircuitOpenError) as caught:
        world.gate.enter()
    assert caught.value.retry_after == pytest.approx(600.0)


async def test_force_passes_an_open_circuit_and_leaves_it_as_it_is(world: World) -> None:
    await world.fail_until_open()
    permit = world.gate.enter(forced=True)
    assert permit is None
    world.gate.succeeded(permit)
    assert world.gate.failure is None
    assert world.gate.state is BreakerState.OPEN


async def test_the_circuit_closes_with_the_first_success_after_its_cool_down(world: World) -> None:
    await world.fail_until_open()
    await world.clock.advance(seconds=31)
    permit = world.gate.enter()
    with pytest.raises(CircuitOpenError):
        world.gate.enter()
    world.gate.succeeded(permit)
    assert world.gate.state is BreakerState.CLOSED


async def test_a_probe_that_was_not_made_is_given_back(world: World) -> None:
    await world.fail_until_open()
    await world.clock.advance(seconds=31)
    world.gate.left(world.gate.enter())
    assert world.gate.enter() is not None


async def test_a_refusal_from_memory_costs_no_probe(world: World) -> None:
    await world.fail_until_open()
    world.gate.failed(world.gate.enter(forced=True), permanent())
    await world.clock.advance(seconds=31)
    for _ in range(3):
        with pytest.raises(TokenUnavailableError):
            world.gate.enter()


async def test_each_change_is_one_event(world: World) -> None:
    await world.fail_until_open()
    await world.clock.advance(seconds=31)
    world.gate.failed(world.gate.enter(), transient())  # the probe fails: open still
    await world.clock.advance(seconds=61)
    world.gate.succeeded(world.gate.enter())
    world.gate.succeeded(world.gate.enter())
    assert world.happened() == ["refresh_failed", "breaker_opened", "breaker_closed", "refresh_recovered"]


def test_the_first_permanent_failure_asks_for_a_person_once(world: World) -> None:
    world.gate.failed(world.gate.enter(), transient())
    for _ in range(3):
        world.gate.failed(world.gate.enter(forced=True), permanent())
    assert world.happened() == ["refresh_failed", "credential_needs_person"]


async def test_another_replicas_token_ends_the_failure_and_says_nothing_here(world: World) -> None:
    await world.fail_until_open()
    await world.clock.advance(seconds=31)
    world.gate.heard_success()
    world.gate.heard_success()
    assert world.gate.failure is None
    assert world.gate.state is not BreakerState.CLOSED
    assert world.happened() == ["refresh_failed", "breaker_opened"]


async def test_another_replicas_failure_stands_here_as_long_and_is_told_there_alone(world: World) -> None:
    now = world.clock.monotonic()
    world.gate.heard_failure(Failure(Reason.PROVIDER_5XX, "failing", permanent=False, until=now + 8.0, in_a_row=4))
    with pytest.raises(TokenUnavailableError):
        world.gate.enter()
    await world.clock.advance(seconds=8)
    failure = world.gate.failed(world.gate.enter(), transient())
    assert failure.until == world.clock.monotonic() + 16.0
    assert world.happened() == []


async def test_who_could_not_ask_blames_no_endpoint_and_need_not_wait_once_it_can(world: World) -> None:
    for _ in range(20):
        world.gate.failed(world.gate.enter(forced=True), not_asked("the store does not answer"))
    assert world.gate.state is BreakerState.CLOSED
    with pytest.raises(TokenUnavailableError):
        world.gate.enter()
    world.gate.relent()
    world.gate.left(world.gate.enter())
    world.gate.heard_success()
    assert world.happened() == ["refresh_failed", "refresh_recovered"]


def test_a_refusal_counts_for_the_routes_circuit_only_if_the_endpoint_was_asked(world: World) -> None:
    world.gate.failed(world.gate.enter(), not_asked("the store does not answer"))
    with pytest.raises(TokenUnavailableError) as caught:
        world.gate.enter()
    assert not caught.value.counts
    world.gate.failed(world.gate.enter(forced=True), transient())
    with pytest.raises(TokenUnavailableError) as caught:
        world.gate.enter()
    assert caught.value.counts


async def test_a_failure_of_the_endpoint_is_not_relented(world: World) -> None:
    world.gate.failed(world.gate.enter(), transient())
    world.gate.relent()
    with pytest.raises(TokenUnavailableError):
        world.gate.enter()


def test_its_repr_says_how_things_stand(world: World) -> None:
    world.gate.failed(world.gate.enter(), transient())
    assert repr(world.gate).startswith("<Gate billing, closed, Failure(reason=<Reason.PROVIDER_5XX")


async def test_with_other_settings_it_is_worth_asking_at_once_and_the_cure_is_told(world: World) -> None:
    world.gate.failed(world.gate.enter(), permanent())
    cured = world.another_gate()
    cured.follow_on(world.gate)
    cured.succeeded(cured.enter())
    assert world.happened() == ["refresh_failed", "credential_needs_person", "refresh_recovered"]


def test_a_failure_that_others_met_with_is_followed_by_its_recovery(world: World) -> None:
    world.gate.succeeded(world.gate.enter(), had_failed=True)
    assert world.happened() == ["refresh_recovered"]


# The gates of a credential's users


async def test_what_some_users_meet_with_is_told_to_the_others_and_each_keeps_a_failure_memory_of_their_own(
    world: World,
) -> None:
    circuit = world.circuit(is_shared=True)
    some, other = [world.another_gate(circuit) for _ in range(5)], world.another_gate(circuit)
    for gate in some:
        gate.failed(gate.enter(), transient())
    with pytest.raises(CircuitOpenError) as caught:
        other.enter()
    assert caught.value.retry_after == pytest.approx(30.0)
    assert other.failure is None
    await world.clock.advance(seconds=30)
    other.succeeded(other.enter())
    assert all(gate.failure is not None for gate in some)
    assert {gate.state for gate in some} == {BreakerState.CLOSED}
    assert [name for name in world.happened() if name.startswith("breaker")] == ["breaker_opened", "breaker_closed"]


async def test_a_user_for_whom_the_endpoint_always_fails_opens_no_circuit_alone(world: World) -> None:
    circuit = world.circuit(is_shared=True)
    unlucky = world.another_gate(circuit)
    for _ in range(600):
        unlucky.failed(unlucky.enter(forced=True), transient())
        await world.clock.advance(seconds=1)
    assert circuit.state is BreakerState.CLOSED


async def test_a_user_whose_grant_is_refused_neither_opens_nor_closes_the_circuit_and_leaves_the_probe_to_others(
    world: World,
) -> None:
    circuit = world.circuit(is_shared=True)
    for _ in range(20):
        refused = world.another_gate(circuit)
        refused.failed(refused.enter(), permanent())
    met = [circuit.state]
    for _ in range(5):
        down = world.another_gate(circuit)
        down.failed(down.enter(), transient())
    met.append(circuit.state)
    await world.clock.advance(seconds=30)
    refused = world.another_gate(circuit)
    refused.failed(refused.enter(), permanent())
    met.append(circuit.state)
    healed = world.another_gate(circuit)
    healed.succeeded(healed.enter())
    met.append(circuit.state)
    assert met == [BreakerState.CLOSED, BreakerState.OPEN, BreakerState.HALF_OPEN, BreakerState.CLOSED]
