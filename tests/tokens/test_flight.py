"""One piece of work in the air, and those who wait for it."""

import asyncio

import pytest

from proxy.net.runtime import Runtime
from proxy.tokens.flight import Flight, land
from tests.fakes.clock import FakeClock

Reports = list[tuple[str, BaseException]]


@pytest.fixture
def reports() -> Reports:
    return []


@pytest.fixture
def flight(reports: Reports) -> Flight[int]:
    return Flight(Runtime(FakeClock(), lambda name, error: reports.append((name, error))), "fetch billing")


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_everybody_who_waits_gets_the_outcome(flight: Flight[int]) -> None:
    gate = asyncio.Event()

    async def work() -> int:
        await gate.wait()
        return 7

    task = flight.depart(work())
    waiters = [asyncio.create_task(land(task)) for _ in range(100)]
    await settle()
    gate.set()
    assert await asyncio.gather(*waiters) == [7] * 100


async def test_it_is_in_the_air_from_departure_to_landing(flight: Flight[int]) -> None:
    async def work() -> int:
        return 7

    assert repr(flight) == "<Flight fetch billing, landed>"
    task = flight.depart(work())
    assert flight.task is task
    assert repr(flight) == "<Flight fetch billing, in the air>"
    await land(task)
    assert repr(flight) == "<Flight fetch billing, landed>"


async def test_a_cancelled_waiter_harms_neither_the_work_nor_the_others(flight: Flight[int]) -> None:
    gate = asyncio.Event()

    async def work() -> int:
        await gate.wait()
        return 7

    task = flight.depart(work())
    first, second = asyncio.create_task(land(task)), asyncio.create_task(land(task))
    await settle()
    first.cancel()
    await settle()
    gate.set()
    assert await second == 7
    assert first.cancelled()


async def test_whoever_waits_for_cancelled_work_is_not_cancelled_but_has_no_outcome(flight: Flight[int]) -> None:
    async def work() -> int:
        await asyncio.Event().wait()
        return 7

    task = flight.depart(work())
    waiter = asyncio.create_task(land(task))
    await settle()
    task.cancel()
    assert await waiter is None


async def test_work_that_breaks_has_no_outcome_and_is_reported_once(flight: Flight[int], reports: Reports) -> None:
    async def work() -> int:
        raise ZeroDivisionError

    task = flight.depart(work())
    assert set(await asyncio.gather(land(task), land(task))) == {None}
    assert [(name, type(error)) for name, error in reports] == [("fetch billing", ZeroDivisionError)]
