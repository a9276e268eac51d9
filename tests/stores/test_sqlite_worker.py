"""A worker does one thing after the other on its thread, and keeps the event loop free."""

import asyncio
import threading

import pytest

from proxy.stores import sqlite_worker
from proxy.stores.sqlite_worker import QueueError, Worker
from tests.fakes.until import PATIENCE, until

NAME = "worker-of-a-test"


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == NAME]


async def test_the_thread_starts_with_the_first_work_and_ends_with_close() -> None:
    worker = Worker(NAME, lambda: None)
    assert threads() == []
    assert await worker.do(lambda: threading.current_thread().name, PATIENCE) == NAME
    await worker.close(lambda: None, PATIENCE)
    assert threads() == []


async def test_a_worker_that_never_worked_closes_too() -> None:
    closed: list[str] = []
    await Worker(NAME, lambda: None).close(lambda: closed.append("closed"), PATIENCE)
    assert (threads(), closed) == ([], [])


async def test_work_is_done_in_the_order_in_which_it_is_handed_over_and_all_before_the_end() -> None:
    worker = Worker(NAME, lambda: None)
    done: list[int] = []
    for number in range(100):
        worker.submit(lambda number=number: done.append(number))  # type: ignore[misc]
    await worker.close(lambda: done.append(-1), PATIENCE)
    assert done == [*range(100), -1]


async def test_the_loop_runs_on_while_work_blocks() -> None:
    worker = Worker(NAME, lambda: None)
    gate = threading.Event()
    working = asyncio.ensure_future(worker.do(gate.wait, PATIENCE))
    for _ in range(10):
        await asyncio.sleep(0)
    assert not working.done()
    gate.set()
    assert await working
    await worker.close(lambda: None, PATIENCE)


async def test_an_error_is_raised_where_the_result_is_awaited_and_ends_nothing() -> None:
    worker = Worker(NAME, lambda: None)
    with pytest.raises(ZeroDivisionError):
        await worker.do(lambda: 1 // 0, PATIENCE)
    assert await worker.do(lambda: 1, PATIENCE) == 1
    await worker.close(lambda: None, PATIENCE)


async def test_who_waits_too_long_is_told_and_what_had_not_begun_is_not_done() -> None:
    worker = Worker(NAME, lambda: None)
    gate, done = threading.Event(), []
    worker.submit(gate.wait)
    with pytest.raises(TimeoutError):
        await worker.do(lambda: done.append("late"), 0.01)
    gate.set()
    await worker.close(lambda: None, PATIENCE)
    assert done == []


async def test_who_waits_in_a_queue_that_moves_waits_longer_than_a_call_may_take() -> None:
    worker = Worker(NAME, lambda: None)
    pause = threading.Event()
    calls = [worker.do(lambda: pause.wait(0.05), 0.3) for _ in range(10)]
    assert await asyncio.gather(*calls) == [False] * 10
    await worker.close(lambda: None, PATIENCE)


async def test_a_queue_that_is_too_long_is_told_apart_from_a_thread_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_worker, "LONGEST_QUEUE", 0.0)
    worker = Worker(NAME, lambda: None)
    gate, done = threading.Event(), []
    working = asyncio.ensure_future(worker.do(gate.wait, PATIENCE))
    await asyncio.sleep(0)
    waiting = asyncio.ensure_future(worker.do(lambda: done.append("late"), 0.2))
    await asyncio.sleep(0.1)
    gate.set()
    assert await working
    await waiting
    gate.clear()
    hanging = [asyncio.ensure_future(worker.do(lambda: gate.wait(0.15), 0.2)) for _ in range(3)]
    assert [type(end) for end in await asyncio.gather(*hanging, return_exceptions=True)][2] is QueueError
    await worker.close(lambda: None, PATIENCE)
    assert done == ["late"]


async def test_close_waits_for_a_thread_that_hangs_only_so_long() -> None:
    worker = Worker(NAME, lambda: None)
    gate = threading.Event()
    worker.submit(gate.wait)
    await worker.close(lambda: None, 0.01)
    assert threads() == [NAME]
    gate.set()
    await until(lambda: not threads())


async def test_in_pauses_it_does_something_of_its_own_once_a_pause_is_set() -> None:
    turns: list[str] = []
    worker = Worker(NAME, lambda: turns.append(threading.current_thread().name))
    await worker.do(lambda: None, PATIENCE)
    assert turns == []
    worker.pause = 0.001
    worker.submit(lambda: None)
    await until(lambda: len(turns) >= 3)
    assert set(turns) == {NAME}
    await worker.close(lambda: None, PATIENCE)
