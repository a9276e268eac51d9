"""An answer gets its time, and a process that is held up does not take its own silence for the server's."""

import asyncio
import socket
import time

import pytest

from proxy.stores.redis_patience import LATE, MOST_STEPS, STEPS, patience

TIME = 0.1
SLACK = 0.5
"""Seconds by which a busy machine may be late."""


async def test_a_block_that_ends_in_its_time_is_left_alone() -> None:
    async with patience(TIME) as given:
        await asyncio.sleep(TIME / 4)
    assert not given.expired()
    await asyncio.sleep(TIME)


async def test_a_block_that_does_not_end_is_ended_after_its_time() -> None:
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        async with patience(TIME) as given:
            await asyncio.Event().wait()
    assert given.expired()
    assert TIME * 0.9 <= time.monotonic() - began < TIME + SLACK


async def test_time_can_be_given_anew_while_some_is_left() -> None:
    async with patience(TIME) as given:
        for _ in range(4):
            await asyncio.sleep(TIME / 2)
            given.renew()
    assert not given.expired()


async def test_what_arrived_while_the_process_was_held_up_is_heard() -> None:
    ours, theirs = socket.socketpair()
    reader, writer = await asyncio.open_connection(sock=ours)
    async with patience(TIME):
        theirs.sendall(b"+OK\r\n")
        time.sleep(3 * TIME)  # noqa: ASYNC251 - that the loop stands still is what this is about
        assert await reader.readline() == b"+OK\r\n"
    theirs.close()
    writer.close()
    await writer.wait_closed()


async def test_a_process_that_is_always_late_does_not_wait_for_ever() -> None:
    async def hold_up() -> None:
        while True:
            time.sleep(TIME / STEPS * (1 + 2 * LATE))  # noqa: ASYNC251 - the same
            await asyncio.sleep(0)

    began = time.monotonic()
    burden = asyncio.ensure_future(hold_up())
    with pytest.raises(TimeoutError):
        async with patience(TIME):
            await asyncio.Event().wait()
    burden.cancel()
    assert time.monotonic() - began < MOST_STEPS * TIME + SLACK


async def test_who_is_cancelled_is_cancelled() -> None:
    async def wait() -> None:
        async with patience(TIME):
            await asyncio.Event().wait()

    task = asyncio.ensure_future(wait())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
