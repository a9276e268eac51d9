"""Whatever happens at whichever point of a token's replacement, nobody hangs, nothing is lost, and it heals.

A replacement is stopped at each of its points in turn: before and after every call of the store, and inside the fetch.
There something happens: a caller leaves, the leader is cancelled, the store or the endpoint fails, another process
saves a newer token, an operator revokes. Then it goes on, and the invariants are checked.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Any

import pytest
from _pytest.mark.structures import ParameterSet

from proxy.core.errors import ProxyError
from proxy.core.token import Token
from proxy.net.runtime import Runtime
from proxy.stores.base import LEASE, News, StoreError
from proxy.tokens.held import Held
from proxy.tokens.renewal import RenewalOutcome
from tests.fakes.clock import FakeClock
from tests.fakes.credential import ScriptedCredential
from tests.fakes.stepped_store import SteppedStore, Stepper
from tests.fakes.token_room import TokenRoom, transient


class SteppedCredential(ScriptedCredential):
    """A scripted credential with a point in its fetch."""

    stepper = Stepper()

    async def fetch(self, previous: Token | None) -> Token:
        await self.stepper.point("fetch")
        return await super().fetch(previous)


class World:
    """A source on a stepped store, and callers that want something of it."""

    def __init__(self) -> None:
        clock = FakeClock()
        self.store = SteppedStore(Runtime(clock, lambda name, error: None))
        self.room = TokenRoom(credential=SteppedCredential, store=self.store, clock=clock)
        self.others = self.room.replica(store=self.store.shared)
        self.saved: set[str] = set()
        self.store.shared.listen(self._note)
        self.callers: list[asyncio.Task[Held]] = []
        self.stepper = Stepper()
        self.revoked = False

    def _note(self, news: News) -> None:
        if news.record is not None:
            token = self.others.source._account.record.token
            self.saved |= set() if token is None else {token.value.reveal()}

    def stop_at(self, point: int) -> None:
        self.stepper = Stepper(point)
        self.store.stepper = self.stepper
        assert isinstance(self.room.credential, SteppedCredential)
        self.room.credential.stepper = self.stepper

    def ask(self, question: Callable[[], Awaitable[Held]], callers: int = 3) -> None:
        async def caller() -> Held:
            return await question()

        self.callers = [asyncio.create_task(caller()) for _ in range(callers)]


async def first(world: World, point: int) -> None:
    world.stop_at(point)
    world.ask(world.room.source.obtain)


async def expired(world: World, point: int) -> None:
    await world.room.source.obtain()
    await world.room.clock.advance(hours=2)
    world.stop_at(point)
    world.ask(world.room.source.obtain)


async def rejected(world: World, point: int) -> None:
    held = await world.room.source.obtain()
    world.stop_at(point)

    async def renewed() -> Held:
        renewal = await world.room.source.renew(held)
        if renewal.outcome is RenewalOutcome.FAILED:
            return await world.room.source.obtain()
        assert renewal.held is not None
        return renewal.held

    world.ask(renewed)


async def forced(world: World, point: int) -> None:
    await world.room.source.obtain()
    world.stop_at(point)
    world.ask(world.room.source.refresh, callers=1)


Scenario = Callable[[World, int], Awaitable[None]]
SCENARIOS: dict[str, tuple[Scenario, int]] = {
    "first": (first, 11),
    "expired": (expired, 9),
    "rejected": (rejected, 11),
    "forced": (forced, 9),
}
"""Each with the number of its points, so that a new point is noticed here."""


async def nothing(world: World) -> None:
    pass


async def leader_cancelled(world: World) -> None:
    task = world.room.source._replacer.task
    if task is not None:  # else the point was one of telling the fleet of the rejection
        task.cancel()


async def first_caller_cancelled(world: World) -> None:
    world.callers[0].cancel()


async def last_caller_cancelled(world: World) -> None:
    world.callers[-1].cancel()


async def all_callers_cancelled(world: World) -> None:
    for caller in world.callers:
        caller.cancel()


async def operation_fails(world: World) -> None:
    point = world.stepper.seen[-1]
    world.stepper.error = transient() if point == "fetch" else StoreError(f"{point} fails")


async def operation_breaks(world: World) -> None:
    world.stepper.error = ZeroDivisionError("a fault of ours")


async def another_saves_a_newer_token(world: World) -> None:
    await world.others.plant("theirs", 50)


async def operator_revokes(world: World) -> None:
    world.revoked = True
    world.room.runtime.spawn(world.room.source.revoke(), name="revoke")
    await world.room.clock.settle()


Happening = Callable[[World], Coroutine[Any, Any, None]]
HAPPENINGS: tuple[Happening, ...] = (
    nothing,
    leader_cancelled,
    first_caller_cancelled,
    last_caller_cancelled,
    all_callers_cancelled,
    operation_fails,
    operation_breaks,
    another_saves_a_newer_token,
    operator_revokes,
)


def cases() -> Iterator[ParameterSet]:
    for name, (scenario, points) in SCENARIOS.items():
        for point in range(points):
            for happening in HAPPENINGS:
                yield pytest.param(scenario, point, happening, id=f"{name}-{point}-{happening.__name__}")


@pytest.mark.parametrize("name", SCENARIOS)
async def test_the_points_of_a_replacement_are_all_known(name: str) -> None:
    scenario, points = SCENARIOS[name]
    world = World()
    await scenario(world, -1)
    await asyncio.gather(*world.callers)
    assert len(world.stepper.seen) == points
    await world.room.runtime.close()


@pytest.mark.parametrize(("scenario", "point", "happening"), list(cases()))
async def test_whatever_happens_wherever_everybody_is_answered_and_it_heals(
    scenario: Scenario, point: int, happening: Happening
) -> None:
    world = World()
    await scenario(world, point)
    await world.room.clock.settle()
    assert world.stepper.reached.is_set()
    await happening(world)
    world.stepper.go.set()
    await world.room.clock.advance(seconds=0.5)

    assert_everybody_got_the_same(world, happening)
    await assert_what_is_held_is_what_is_stored(world)
    await assert_it_heals(world)
    await world.room.runtime.close()


def assert_everybody_got_the_same(world: World, happening: Happening) -> None:
    assert all(caller.done() for caller in world.callers)
    left = {caller for caller in world.callers if caller.cancelled()}
    may_leave: dict[Happening, int] = {first_caller_cancelled: 1, last_caller_cancelled: 1, all_callers_cancelled: 3}
    assert len(left) <= may_leave.get(happening, 0)
    outcomes = [caller.exception() or caller.result() for caller in world.callers if caller not in left]
    tokens = {outcome.token.value.reveal() for outcome in outcomes if isinstance(outcome, Held)}
    errors = [outcome for outcome in outcomes if not isinstance(outcome, Held)]
    assert all(isinstance(error, ProxyError) for error in errors)
    assert len(tokens) + bool(errors) <= 1
    assert bool(errors) <= (happening in {leader_cancelled, operation_fails, operation_breaks})
    if happening is not operation_fails:
        assert tokens <= world.saved
    assert world.room.credential.most_in_flight <= 1
    assert {type(error) for error in world.room.reported} <= {ZeroDivisionError}


async def assert_what_is_held_is_what_is_stored(world: World) -> None:
    held = world.room.source.current()
    stored = await world.others.stored()
    if world.revoked:
        assert held is None
        assert stored is None or stored.is_revoked
    elif held is not None and world.stepper.error is None:
        assert stored is not None
        assert stored.generation >= held.token.generation
    await world.room.clock.advance(seconds=LEASE)  # a holder that could not let go
    lease = await world.store.acquire(world.room.key)
    assert lease is not None
    await lease.release()


async def assert_it_heals(world: World) -> None:
    source = world.room.source
    generation = source.status().generation
    world.stop_at(-1)
    await world.room.clock.advance(hours=2)
    held = await asyncio.wait_for(source.obtain(), timeout=5)
    assert held.token.generation > generation
    assert source.status().failure is None
    assert source.status().breaker == "closed"
    assert world.room.runtime.tasks == 1  # the planned refresh
