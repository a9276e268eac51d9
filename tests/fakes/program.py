"""What programs of others share that tests run as servers: a port that they are given, and an end.

In a test: `async with One(...) as one: ... one.url`. A program says in `command` how it is started.
"""

import asyncio
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from tests.fakes.process import free_ports, listening


class Program:
    """Runs while its block runs."""

    scheme = "http"

    def __init__(self) -> None:
        (self.port,) = free_ports(1)
        self.url = f"{self.scheme}://127.0.0.1:{self.port}"
        self._process: asyncio.subprocess.Process | None = None

    def command(self) -> Sequence[str]:
        """Write what the program reads at its start, and return how it is called."""
        raise NotImplementedError

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            *self.command(),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        await listening(self.port)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
            await self._process.wait()
