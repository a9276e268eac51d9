"""A wall clock that is wrong, for a process of its own: libfaketime tells it another time, and leaves durations alone.

In a test: `await fleet.add(environment=ahead(600))`.
"""

import os
from pathlib import Path
from typing import Final

import pytest

LIBRARY: Final = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
MISSING: Final = "needs libfaketime, on Linux (Debian: apt-get install libfaketime)"


def needed() -> None:
    """Skip the test where there is no such library; in CI there must be one."""
    if LIBRARY is None:
        if "CI" in os.environ:
            pytest.fail(MISSING)
        pytest.skip(MISSING)


def ahead(seconds: float) -> dict[str, str]:
    """Return the environment of a process whose clock is ahead by that much; below 0 it is behind."""
    return {"LD_PRELOAD": str(LIBRARY), "FAKETIME": f"{seconds:+g}s", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
