"""An alarm rings once, when the time has come."""

import asyncio
from math import inf

import pytest

from proxy.net.runtime import Runtime
from proxy.tokens.alarm import Alarm
from tests.fakes.clock import FakeClock


class World:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.runtime = Runtime(self.clock, lambda name, error: None)
        self.rung: list[float] = []
        self.again: float | None = None
        self.alarm = Alarm(self.runtime, "refresh billing", self.ring)
        self.began = self.clock.monotonic()

    def ring(self) -> None:
        self.rung.append(self.clock.monotonic() - self.began)
        if self.again is not None:
            self.alarm.set(self.again)


@pytest.fixture
def world() -> World:
    return World()


async def test_it_rings_once(world: World) -> None:
    world.alarm.set(10.0)
    assert repr(world.alarm) == "<Alarm refresh billing, set>"
    await world.clock.advance(seconds=9)
    assert world.rung == []
    await world.clock.advance(seconds=100)
    assert world.rung == [10.0]
    assert repr(world.alarm) == "<Alarm refresh billing, off>"


async def test_setting_it_anew_replaces_the_earlier_time(world: World) -> None:
    world.alarm.set(10.0)
    await world.clock.advance(seconds=5)
    world.alarm.set(10.0)
    await world.clock.advance(seconds=100)
    assert world.rung == [15.0]


async def test_a_stopped_alarm_does_not_ring_and_leaves_no_task(world: World) -> None:
    world.alarm.set(10.0)
    await world.clock.advance(seconds=5)
    world.alarm.stop()
    world.alarm.stop()
    await world.clock.advance(seconds=100)
    assert world.rung == []
    assert world.runtime.tasks == 0


async def test_it_can_be_set_anew_while_it_rings(world: World) -> None:
    world.again = 3.0
    world.alarm.set(10.0)
    await world.clock.advance(seconds=14)
    world.alarm.stop()
    await asyncio.sleep(0)
    assert world.rung == [10.0, 13.0]


async def test_one_that_is_never_to_ring_leaves_no_task(world: World) -> None:
    world.alarm.set(10.0)
    world.alarm.set(inf)
    await world.clock.advance(hours=1)
    assert world.rung == []
    assert world.runtime.tasks == 0


async def test_a_closed_alarm_cannot_be_set(world: World) -> None:
    world.alarm.set(10.0)
    world.alarm.close()
    world.alarm.set(10.0)
    await world.clock.advance(hours=1)
    assert world.rung == []


async def test_an_alarm_that_is_always_due_does_not_spin(world: World) -> None:
    world.again = 0.0
    world.alarm.set(-1.0)
    await world.clock.advance(seconds=1.05)
    world.alarm.close()
    assert len(world.rung) == 10
