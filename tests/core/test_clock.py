"""The machine's clocks."""

import time

from proxy.core.clock import Clock, SystemClock


def test_the_wall_clock_reads_unix_seconds() -> None:
    before = time.time()
    assert before <= SystemClock().now() <= time.time()


def test_the_monotonic_clock_never_goes_back() -> None:
    clock = SystemClock()
    readings = [clock.monotonic() for _ in range(100)]
    assert readings == sorted(readings)


async def test_sleeping_takes_that_long_and_no_time_for_nothing() -> None:
    clock: Clock = SystemClock()
    before = clock.monotonic()
    await clock.sleep(-5)
    await clock.sleep(0.02)
    assert 0.019 <= clock.monotonic() - before < 4
