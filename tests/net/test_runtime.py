"""Tasks are kept, named, told of when they fail, and ended with the process."""

import asyncio
import gc
import weakref

import pytest

from proxy.net import runtime as runtime_module
from proxy.net.runtime import Runtime
from tests.fakes.clock import FakeClock


class Reports:
    """What a runtime reported."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, BaseException]] = []

    def __call__(self, name: str, error: BaseException) -> None:
        self.seen.append((name, error))


async def test_a_task_is_named_and_counted_while_it_runs() -> None:
    runtime = Runtime(FakeClock(), Reports())
    go = asyncio.Event()

    async def work() -> int:
        await go.wait()
        return 5

    task = runtime.spawn(work(), name="count to five")
    assert (task.get_name(), runtime.tasks) == ("count to five", 1)
    go.set()
    assert await task == 5
    assert runtime.tasks == 0


async def test_a_task_that_nobody_holds_is_not_collected() -> None:
    runtime = Runtime(FakeClock(), Reports())
    done = asyncio.Event()

    async def work() -> None:
        # Nothing but the task itself refers to this future.
        await asyncio.get_running_loop().create_future()

    async def cleanup() -> None:
        try:
            await work()
        finally:
            done.set()

    reference = weakref.ref(runtime.spawn(cleanup(), name="hold me"))
    for _ in range(3):
        await asyncio.sleep(0)
        gc.collect()
    assert reference() is not None
    assert not done.is_set()
    await runtime.close()
    assert done.is_set()


async def test_a_failure_is_reported_with_the_task_s_name() -> None:
    reports = Reports()
    runtime = Runtime(FakeClock(), reports)
    error = ValueError("broken")

    async def work() -> None:
        raise error

    task = runtime.spawn(work(), name="break")
    await asyncio.wait({task})
    assert reports.seen == [("break", error)]
    assert runtime.tasks == 0


async def test_a_cancelled_task_is_no_failure() -> None:
    reports = Reports()
    runtime = Runtime(FakeClock(), reports)
    task = runtime.spawn(asyncio.Event().wait(), name="wait")
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert reports.seen == []
    assert runtime.tasks == 0


async def test_closing_ends_every_task_and_waits_for_its_last_words() -> None:
    reports = Reports()
    runtime = Runtime(FakeClock(), reports)
    said: list[int] = []

    async def work(number: int) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            said.append(number)

    for number in range(10):
        runtime.spawn(work(number), name=f"work {number}")
    await asyncio.sleep(0)
    await runtime.close()
    assert sorted(said) == list(range(10))
    assert runtime.tasks == 0
    assert reports.seen == []


async def test_a_task_that_fails_while_closing_is_reported_and_harms_nobody() -> None:
    reports = Reports()
    runtime = Runtime(FakeClock(), reports)

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise ValueError("broken at the end")

    runtime.spawn(work(), name="break late")
    runtime.spawn(asyncio.Event().wait(), name="wait")
    await asyncio.sleep(0)
    await runtime.close()
    assert [name for name, _ in reports.seen] == ["break late"]
    assert runtime.tasks == 0


async def test_what_is_to_land_is_waited_for_while_all_else_goes_on_and_is_told_of_the_end() -> None:
    runtime = Runtime(FakeClock(), Reports())
    done: list[str] = []

    async def help_it(go: asyncio.Event) -> None:
        await runtime.closing.wait()
        go.set()
        await asyncio.Event().wait()

    async def land(go: asyncio.Event) -> None:
        await go.wait()
        done.append("landed")

    go = asyncio.Event()
    runtime.spawn(land(go), name="land", lands=True)
    runtime.spawn(help_it(go), name="help")
    await asyncio.sleep(0)
    assert not runtime.closing.is_set()
    await runtime.close()
    assert (done, runtime.tasks) == (["landed"], 0)


async def test_what_does_not_land_in_time_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime_module, "LANDING", 0.01)
    reports = Reports()
    runtime = Runtime(FakeClock(), reports)
    task = runtime.spawn(asyncio.Event().wait(), name="never", lands=True)
    await runtime.close()
    assert task.cancelled()
    assert (runtime.tasks, reports.seen) == (0, [])


async def test_the_clock_is_the_one_that_was_given() -> None:
    clock = FakeClock()
    assert Runtime(clock, Reports()).clock is clock


async def test_what_is_seen_through_answers_who_waits_and_goes_on_for_who_has_left() -> None:
    runtime = Runtime(FakeClock(), Reports())
    go, done = asyncio.Event(), list[str]()

    async def work() -> str:
        await go.wait()
        done.append("done")
        return "said"

    impatient = asyncio.create_task(runtime.see_through(work(), name="work"))
    await asyncio.sleep(0)
    impatient.cancel()
    with pytest.raises(asyncio.CancelledError):
        await impatient
    go.set()
    assert await runtime.see_through(work(), name="work") == "said"
    assert done == ["done", "done"]
    await runtime.close()


@pytest.mark.parametrize("expected", [True, False])
async def test_what_it_raises_is_for_who_waits_and_is_reported_only_if_nobody_expected_it(expected: bool) -> None:
    reports = Reports()
    runtime = Runtime(FakeClock(), reports)

    async def work() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await runtime.see_through(work(), name="work", expected=(ZeroDivisionError,) if expected else ())
    assert len(reports.seen) == (0 if expected else 1)
    await runtime.close()
