"""Turns come in the order in which they are asked for, and none is lost."""

import asyncio

import pytest

from proxy.stores.redis_turns import Turns

LONG = 30.0


def waiting(turns: Turns, patience: float = LONG) -> asyncio.Task[bool]:
    return asyncio.ensure_future(turns.take(patience))


async def rounds() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


async def test_so_many_are_free_and_whoever_comes_later_waits_in_a_row() -> None:
    turns = Turns(2)
    assert [await turns.take(LONG) for _ in range(2)] == [True, True]
    rows = [waiting(turns) for _ in range(3)]
    await rounds()
    assert not any(one.done() for one in rows)
    assert repr(turns) == "<Turns, 0 free, 3 waiting>"
    turns.give_back()
    await rounds()
    assert [one.done() for one in rows] == [True, False, False]
    for _ in range(4):
        turns.give_back()
    assert [await one for one in rows] == [True] * 3
    assert repr(turns) == "<Turns, 2 free, 0 waiting>"


async def test_who_waits_too_long_gets_none_and_costs_none() -> None:
    turns = Turns(1)
    await turns.take(LONG)
    assert not await turns.take(0.001)
    turns.give_back()
    assert await turns.take(0.001)


async def test_a_row_that_is_sent_away_gets_none_and_those_who_come_later_wait() -> None:
    turns = Turns(1)
    await turns.take(LONG)
    rows = [waiting(turns) for _ in range(3)]
    await rounds()
    turns.send_away()
    assert [await one for one in rows] == [False] * 3
    later = waiting(turns)
    await rounds()
    turns.give_back()
    assert await later


@pytest.mark.parametrize("has_come", [False, True])
async def test_a_turn_is_not_lost_with_who_leaves(has_come: bool) -> None:
    turns = Turns(1)
    await turns.take(LONG)
    leaving = waiting(turns)
    await rounds()
    if has_come:
        turns.give_back()
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    if not has_come:
        turns.give_back()
    assert repr(turns) == "<Turns, 1 free, 0 waiting>"
