"""The fake clock keeps the promises that other tests lean on."""

import asyncio

from tests.fakes.clock import FakeClock, HurriedClock


async def test_time_stands_still_until_it_is_advanced() -> None:
    clock = FakeClock(now=100.0)
    before = clock.monotonic()
    await clock.advance(minutes=1, seconds=5)
    assert (clock.now(), clock.monotonic()) == (165.0, before + 65.0)


async def test_sleepers_wake_in_the_order_of_their_alarms_each_at_its_own_instant() -> None:
    clock = FakeClock(now=0.0)
    woken: list[tuple[str, float]] = []

    async def sleep(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append((name, clock.now()))

    async with asyncio.TaskGroup() as tasks:
        for name, seconds in (("late", 3.0), ("early", 1.0), ("late too", 3.0)):
            tasks.create_task(sleep(name, seconds))
        await clock.advance(seconds=2)
        assert woken == [("early", 1.0)]
        await clock.advance(seconds=2)
    assert woken == [("early", 1.0), ("late", 3.0), ("late too", 3.0)]


async def test_a_sleeper_that_sleeps_again_wakes_within_the_same_advance() -> None:
    clock = FakeClock(now=0.0)
    ticks: list[float] = []

    async def tick() -> None:
        while True:
            await clock.sleep(10)
            ticks.append(clock.now())

    task = asyncio.get_running_loop().create_task(tick())
    await clock.advance(seconds=35)
    assert ticks == [10.0, 20.0, 30.0]
    task.cancel()
    await clock.settle()
    assert clock.sleepers == 0


async def test_a_cancelled_sleeper_is_forgotten() -> None:
    clock = FakeClock()
    task = asyncio.get_running_loop().create_task(clock.sleep(5))
    await clock.settle()
    assert clock.sleepers == 1
    task.cancel()
    await clock.advance(seconds=10)
    assert (clock.sleepers, task.cancelled()) == (0, True)


async def test_a_jump_moves_the_wall_clock_alone() -> None:
    clock = FakeClock(now=100.0)
    before = clock.monotonic()
    clock.jump(-40)
    assert (clock.now(), clock.monotonic()) == (60.0, before)


async def test_a_hurried_clock_remembers_how_long_it_should_have_slept() -> None:
    clock = HurriedClock()
    await clock.sleep(3600)
    await clock.sleep(0.25)
    assert clock.slept == [3600, 0.25]
