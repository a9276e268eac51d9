"""Processes that are there within milliseconds: forked from one that has imported everything and done nothing else.

`FORKS` is that one (`preloaded.py`), for whoever has a function to run. `fork` runs a command of ours in a process of
its own, and what it returns is used as a process that asyncio started; `said` runs one to its end.
"""

import asyncio
import multiprocessing
import os
from collections.abc import Mapping
from multiprocessing.context import ForkServerProcess
from multiprocessing.reduction import DupFd
from typing import Any, Final

FORKS: Final = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    ["pytest", "proxy.cli", "proxy.process", "tests.fakes.database_processes", "tests.fakes.preloaded"]
)
LONGEST_LINE: Final = 1024 * 1024
"""Bytes that a process may write as one line."""


class Forked:
    """One process, and what it writes."""

    def __init__(self, process: ForkServerProcess, stdout: asyncio.StreamReader, stderr: asyncio.StreamReader) -> None:
        self.stdout = stdout
        self.stderr = stderr
        self._process = process
        self._ended = asyncio.Event()
        asyncio.get_running_loop().add_reader(process.sentinel, self._end)

    @property
    def pid(self) -> int:
        """The process id."""
        assert self._process.pid is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """The exit code, minus the signal that ended it; None: it runs."""
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        """Send a signal."""
        os.kill(self.pid, number)

    def kill(self) -> None:
        """End it where it stands."""
        self._process.kill()

    async def wait(self) -> int:
        """Return the exit code when it has ended."""
        await self._ended.wait()
        code = self._process.exitcode
        assert code is not None
        return code

    def _end(self) -> None:
        asyncio.get_running_loop().remove_reader(self._process.sentinel)
        self._process.join()
        self._ended.set()


async def fork(*arguments: str, environment: Mapping[str, str] | None = None) -> Forked:
    """Run `countersign` with these arguments, and more variables in its environment."""
    (stdout, to_stdout), (stderr, to_stderr) = os.pipe(), os.pipe()
    process = FORKS.Process(
        target=_run,
        args=(arguments, dict(environment or {}), _Descriptor(to_stdout), _Descriptor(to_stderr)),
        daemon=True,
    )
    process.start()
    os.close(to_stdout)
    os.close(to_stderr)
    return Forked(process, await _reader(stdout), await _reader(stderr))


async def said(*arguments: str, environment: Mapping[str, str] | None = None) -> tuple[int, str, str]:
    """Run `countersign` with these arguments to its end; return its exit code, and what it wrote: stdout and stderr."""
    process = await fork(*arguments, environment=environment)
    stdout, stderr = await asyncio.gather(process.stdout.read(), process.stderr.read())
    return await process.wait(), stdout.decode(), stderr.decode()


class _Descriptor:
    """An open file that goes along to a process as it is started."""

    def __init__(self, number: int) -> None:
        self._number = number

    def __reduce__(self) -> tuple[Any, ...]:
        return _detach, (DupFd(self._number),)


def _detach(sent: Any) -> int:
    number: int = sent.detach()
    return number


async def _reader(descriptor: int) -> asyncio.StreamReader:
    reader = asyncio.StreamReader(limit=LONGEST_LINE)
    protocol = asyncio.StreamReaderProtocol(reader)
    await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, os.fdopen(descriptor, "rb"))
    return reader


def _run(arguments: tuple[str, ...], environment: Mapping[str, str], stdout: int, stderr: int) -> None:
    os.environ.update(environment)
    for number, taken in ((1, stdout), (2, stderr)):
        os.dup2(taken, number)
        os.close(taken)
    from proxy import cli  # noqa: PLC0415 - it has been imported already, but not where the tests run

    cli.main(arguments, prog_name="countersign")
