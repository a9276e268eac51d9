"""A process that dies at any point of a renewal costs the fleet nothing that the issuer would still give.

A replica renews; at each of its points in turn (before and after each call of the store, before and after the issuer
has taken the request) it is killed, loses the store, or has one call fail. Then another replica needs a token.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest
from _pytest.mark.structures import ParameterSet

from proxy.core.errors import ProxyError, Reason
from proxy.net.runtime import Runtime
from proxy.stores.base import LEASE, Change, News, StoreError
from proxy.tokens.spending import DOUBT
from tests.fakes.clock import FakeClock
from tests.fakes.grant import FIRST, Issuer, SpendingCredential
from tests.fakes.stepped_store import SteppedStore, Stepper
from tests.fakes.token_room import TokenRoom

LINEAGE = ("https://auth.example/token", "client", FIRST)


class World:
    """Two replicas, of which the first is in for trouble."""

    def __init__(self, *, forgives: bool) -> None:
        self.clock = FakeClock()
        self.issuer = Issuer(forgives=forgives)
        self.shared = SteppedStore(self._runtime())
        self.one = self._room(self.shared)
        self.two = self._room(SteppedStore(self._runtime(), self.shared.shared))
        self.callers: list[asyncio.Task[object]] = []

    def _runtime(self) -> Runtime:
        return Runtime(self.clock, lambda name, error: None)

    def _room(self, store: SteppedStore) -> TokenRoom:
        room = TokenRoom(credential=SpendingCredential, store=store, clock=self.clock, lineage=LINEAGE)
        assert isinstance(room.credential, SpendingCredential)
        room.credential.issuer = self.issuer
        return room

    @property
    def stepper(self) -> Stepper:
        return self.shared.stepper

    def stop_at(self, point: int) -> None:
        self.shared.stepper = Stepper(point)
        assert isinstance(self.one.credential, SpendingCredential)
        self.one.credential.stepper = self.shared.stepper

    def ask(self, question: Callable[[], Awaitable[object]]) -> None:
        async def caller() -> object:
            return await question()

        self.callers = [asyncio.create_task(caller()) for _ in range(3)]

    async def answered(self, room: TokenRoom) -> object:
        """Return what a caller of that replica gets within a minute: a token, or why there is none."""
        asked = asyncio.create_task(room.source.obtain())
        for _ in range(60):
            await self.clock.advance(seconds=1)
            if asked.done():
                break
        return (await asyncio.gather(asked, return_exceptions=True))[0]

    async def close(self) -> None:
        for caller in self.callers:
            caller.cancel()
        await asyncio.gather(*self.callers, return_exceptions=True)
        for room in (self.one, self.two):
            await room.runtime.close()


async def first(world: World, point: int) -> None:
    world.stop_at(point)
    world.ask(world.one.source.obtain)


async def expired(world: World, point: int) -> None:
    await world.one.source.obtain()
    await world.clock.advance(hours=2)
    world.stop_at(point)
    world.ask(world.one.source.obtain)


async def rejected(world: World, point: int) -> None:
    held = await world.one.source.obtain()
    world.stop_at(point)
    world.ask(lambda: world.one.source.renew(held))


Scenario = Callable[[World, int], Awaitable[None]]
SCENARIOS: dict[str, tuple[Scenario, int]] = {
    "first": (first, 14),
    "expired": (expired, 12),
    "rejected": (rejected, 14),
}
"""Each with the number of its points, so that a new point is noticed here."""


def cases() -> Iterator[ParameterSet]:
    for name, (scenario, points) in SCENARIOS.items():
        for point in range(points):
            yield pytest.param(scenario, point, id=f"{name}-{point}")


@pytest.fixture(params=[True, False], ids=["forgiving", "strict"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    world = World(forgives=request.param)
    yield world
    await world.close()


@pytest.mark.parametrize("name", SCENARIOS)
async def test_the_points_of_a_renewal_are_all_known(world: World, name: str) -> None:
    scenario, points = SCENARIOS[name]
    await scenario(world, -1)
    await asyncio.gather(*world.callers)
    assert len(world.stepper.seen) == points


async def stopped(world: World, scenario: Scenario, point: int) -> bool:
    """Bring the first replica to that point; True: the issuer has been asked, and the store knows nothing."""
    await scenario(world, point)
    await world.clock.settle()
    assert world.stepper.reached.is_set()
    seen = world.stepper.seen
    return "before the reply" in seen and "after save" not in seen[seen.index("before the reply") :]


@pytest.mark.parametrize(("scenario", "point"), list(cases()))
async def test_killed_anywhere_it_costs_no_grant_that_the_issuer_would_still_give(
    world: World, scenario: Scenario, point: int
) -> None:
    is_lost = await stopped(world, scenario, point)
    world.shared.is_gone = True
    await world.one.runtime.close()
    await world.clock.advance(seconds=LEASE + DOUBT)
    outcome = await world.answered(world.two)
    if is_lost and not world.issuer.forgives:
        assert isinstance(outcome, ProxyError)
        assert outcome.members["reason"] == Reason.INVALID_GRANT.value
        failure = world.two.source.status().failure
        assert failure is not None
        assert "it had been sent before" in failure.detail
    else:
        assert not isinstance(outcome, BaseException)
        assert world.issuer.refusals == 0


@pytest.mark.parametrize(("scenario", "point"), list(cases()))
async def test_cut_off_from_the_store_anywhere_it_costs_nothing_and_both_go_on(
    world: World, scenario: Scenario, point: int
) -> None:
    await stopped(world, scenario, point)
    world.shared.is_gone = True
    world.stepper.go.set()
    await world.clock.advance(seconds=30)
    world.shared.is_gone = False
    world.shared.tell(News(Change.MISSED))
    await world.clock.settle()
    for room in (world.two, world.one):
        assert not isinstance(await world.answered(room), BaseException)
    assert world.issuer.refusals == 0


@pytest.mark.parametrize(("scenario", "point"), list(cases()))
async def test_whichever_call_fails_it_costs_nothing_and_both_go_on(
    world: World, scenario: Scenario, point: int
) -> None:
    await stopped(world, scenario, point)
    at = world.stepper.seen[-1]
    if at in {"before the request", "before the reply"}:
        world.stepper.go.set()
    else:
        world.stepper.error = StoreError(f"{at} fails")
        world.stepper.go.set()
    await world.clock.advance(seconds=LEASE + DOUBT + 30)
    for room in (world.two, world.one):
        assert not isinstance(await world.answered(room), BaseException)
    assert world.issuer.refusals == 0


@pytest.mark.parametrize(("scenario", "point"), list(cases()))
async def test_with_its_callers_gone_it_goes_on_to_its_end(world: World, scenario: Scenario, point: int) -> None:
    await stopped(world, scenario, point)
    for caller in world.callers:
        caller.cancel()
    world.stepper.go.set()
    await world.clock.advance(seconds=1)
    assert not isinstance(await world.answered(world.two), BaseException)
    assert world.issuer.spent_each_once
