"""The real proxy as a process of its own: started on free ports, asked through its sockets, held to account.

In a test: `async with Proxy(config) as proxy: ... proxy.url`. The configuration says callers, credentials and routes;
listeners, store and the admin key are added here. Leaving the block sends SIGTERM and fails the test unless the process
ends with code 0, without a traceback and without a log line of level error that the test did not expect. A process that
was killed is asked for no exit code.
"""

import asyncio
import contextlib
import hashlib
import json
import os
import random
import signal
import socket
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Final, Self

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from tests.fakes import proc
from tests.fakes.forks import LONGEST_LINE, Forked, fork

REPOSITORY: Final = Path(__file__).parents[2]
ADMIN_KEY: Final = "an-admin-key-of-the-tests"
START: Final = 15.0
"""Seconds until the process must be ready, on a machine that is busy with other things."""
STOP: Final = 20.0
"""Seconds until the process must have ended after SIGTERM."""
POLL: Final = 0.02
"""Seconds between two looks at something that the process is about to do."""
PORTS: Final = (10_000, 32_000)
"""From where to where: what systems give to outgoing connections begins at 32768 or above."""
_given: Final[set[int]] = set()
TAKEN: Final = "cannot be listened on: address already in use"

Launched = asyncio.subprocess.Process | Forked


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on at the moment, and that nobody else is given here, nor by the system."""
    ports: list[int] = []
    while len(ports) < count:
        port = random.randrange(*PORTS)
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            if port not in _given:
                _given.add(port)
                ports.append(port)
    return ports


async def listening(port: int, *, deadline: float = START) -> None:
    """Return once somebody accepts connections on the port; TimeoutError past the deadline."""
    async with asyncio.timeout(deadline):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(POLL)
            else:
                writer.close()
                await writer.wait_closed()
                return


def completed(config: str, proxy: int, admin: int, metrics: int, *, store: str = "{kind: memory}") -> str:
    """Return the configuration with listeners on these ports, store (in YAML's flow style) and admin key."""
    digest = hashlib.sha256(ADMIN_KEY.encode()).hexdigest()
    return f"""
listen: {{proxy: '127.0.0.1:{proxy}', admin: '127.0.0.1:{admin}', metrics: '127.0.0.1:{metrics}'}}
store: {store}
admin: {{keys: {{ops: 'sha256:{digest}'}}}}
{config}
"""


class Samples(dict[tuple[str, frozenset[tuple[str, str]]], float]):
    """One scrape of the metrics."""

    def of(self, name: str, **labels: str) -> float:
        """Return the sum of the samples of that name that carry these labels; 0 when there are none."""
        wanted = set(labels.items())
        return sum(value for (key, have), value in self.items() if key == name and wanted <= have)


class Proxy:
    """The process `countersign run`, ready to be used while its block runs."""

    start_limit: ClassVar[float] = START

    def __init__(
        self,
        config: str,
        *,
        store: str = "{kind: memory}",
        expected_errors: tuple[str, ...] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.config = config
        self.store = store
        self.expected_errors = expected_errors
        """Texts of which one must stand in a log line of level error for the line to be forgiven."""
        self.environment = dict(environment or {})
        self._move()
        self.log_lines: list[dict[str, Any]] = []
        """Every JSON line that the process wrote, in order."""
        self.other_lines: list[str] = []
        """Every other line that it wrote."""
        self._process: Launched | None = None
        self._readers: list[asyncio.Task[None]] = []
        self._session: aiohttp.ClientSession | None = None
        self._was_killed = False
        self._directory = tempfile.TemporaryDirectory(prefix="countersign-")

    @property
    def pid(self) -> int:
        """The process id."""
        assert self._process is not None
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """True from the start to the end of the process."""
        return self._process is not None and self._process.returncode is None

    @property
    def config_file(self) -> Path:
        """The configuration that the process reads."""
        return Path(self._directory.name) / "countersign.yaml"

    def write_config(self, config: str) -> None:
        """Put a configuration in place of the running one, in one step."""
        draft = self.config_file.with_suffix(".draft")
        text = completed(config, self.port, self.admin_port, self.metrics_port, store=self.store)
        draft.write_text(text)
        draft.rename(self.config_file)

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession()
        try:
            while not await self._begin():
                self._move()
        except BaseException:
            await self._kill()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                assert self._was_killed or await self.stop() == 0, self.story()
                self.check_log()
        finally:
            await self._kill()

    async def kill(self) -> None:
        """End the process where it stands: SIGKILL."""
        assert self._process is not None
        self._was_killed = True
        self._process.kill()
        await self._process.wait()

    async def stop(self) -> int:
        """Send SIGTERM and return the exit code."""
        assert self._process is not None
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(STOP):
            code = await self._process.wait()
            await asyncio.gather(*self._readers)
        return code

    def check_log(self) -> None:
        """Fail on a traceback or an error in the log that the test did not expect."""
        told = self.story()
        assert "Traceback" not in told, told
        wrong = [
            line
            for line in self.log_lines
            if line.get("level") in {"error", "critical"}
            and not any(text in json.dumps(line) for text in self.expected_errors)
        ]
        assert not wrong, wrong

    def story(self) -> str:
        """Return what the process wrote, for a failing test's message."""
        return "\n".join([*self.other_lines, *(json.dumps(line) for line in self.log_lines[-50:])])

    async def line_with(self, text: str, *, deadline: float = 10.0) -> dict[str, Any]:
        """Wait for a log line in which the text stands, and return it."""
        async with asyncio.timeout(deadline):
            while True:
                for line in self.log_lines:
                    if text in json.dumps(line):
                        return line
                await asyncio.sleep(POLL)

    async def metrics(self) -> Samples:
        """Scrape the metrics."""
        text = await self._get(self.metrics_port, "/metrics")
        samples = Samples()
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                samples[sample.name, frozenset(sample.labels.items())] = sample.value
        return samples

    async def metrics_text(self) -> str:
        """Return a scrape as it is on the wire."""
        return await self._get(self.metrics_port, "/metrics")

    async def readiness(self) -> dict[str, Any]:
        """Return what `/readyz` says of a process that is ready."""
        answer: dict[str, Any] = json.loads(await self._get(self.metrics_port, "/readyz"))
        return answer

    async def admin(self, method: str, path: str, **options: Any) -> Any:
        """Ask the admin API with the admin key, and return the JSON answer; fails on an error status."""
        assert self._session is not None
        url = f"http://127.0.0.1:{self.admin_port}{path}"
        headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
        async with self._session.request(method, url, headers=headers, **options) as answer:
            text = await answer.text()
            assert answer.ok, (answer.status, text)
            return json.loads(text) if text else None

    def rss(self) -> int:
        """Return the resident memory in bytes."""
        return proc.memory(self.pid, "VmRSS")

    def peak_rss(self) -> int:
        """Return the most resident memory there was since `reset_peak`, in bytes: the kernel's own record."""
        return proc.memory(self.pid, "VmHWM")

    def reset_peak(self) -> None:
        """Let `peak_rss` start anew."""
        proc.reset_peak(self.pid)

    def open_sockets(self) -> int:
        """Return how many sockets the process has open."""
        return len(proc.socket_inodes(self.pid))

    def connections_to(self, port: int) -> int:
        """Return how many connections the process holds to that port of this machine, whatever their state."""
        return proc.connections_to(self.pid, port)

    def spooled(self) -> int:
        """Return how many deleted files the process holds open: bodies remembered on disk."""
        return sum(target.endswith("(deleted)") for target in proc.descriptors(self.pid))

    def _move(self) -> None:
        """Choose where to listen."""
        self.port, self.admin_port, self.metrics_port = free_ports(3)
        self.url = f"http://127.0.0.1:{self.port}"

    async def _begin(self) -> bool:
        """Start the process and return when it is ready; False: another program was faster to take an address."""
        self.write_config(self.config)
        self._process = await self._launch()
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._readers = [
            asyncio.create_task(self._collect(stream)) for stream in (self._process.stdout, self._process.stderr)
        ]
        try:
            await self._ready()
        except AssertionError:
            await asyncio.gather(*self._readers)
            if not any(TAKEN in line for line in self.other_lines):
                raise
            self.other_lines.clear()
            return False
        return True

    async def _launch(self) -> Launched:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "proxy", "run", "--config", str(self.config_file)),
            cwd=REPOSITORY,
            env={**os.environ, **self.environment},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=LONGEST_LINE,
        )

    async def _get(self, port: int, path: str) -> str:
        assert self._session is not None
        async with self._session.get(f"http://127.0.0.1:{port}{path}") as answer:
            assert answer.status == 200, await answer.text()
            return await answer.text()

    async def _collect(self, stream: asyncio.StreamReader) -> None:
        while line := await stream.readline():
            text = line.decode(errors="backslashreplace").rstrip("\n")
            try:
                line_read = json.loads(text)
            except ValueError:
                line_read = None
            if isinstance(line_read, dict):
                self.log_lines.append(line_read)
            else:
                self.other_lines.append(text)

    async def _ready(self) -> None:
        assert self._process is not None
        async with asyncio.timeout(self.start_limit):
            while True:
                assert self._process.returncode is None, self.story()
                with contextlib.suppress(aiohttp.ClientError, AssertionError):
                    await self._get(self.metrics_port, "/readyz")
                    return
                await asyncio.sleep(POLL)

    async def _kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()
        await asyncio.gather(*self._readers)
        if self._session is not None:
            await self._session.close()
        self._directory.cleanup()


class Swift(Proxy):
    """The same process, forked from one that has imported everything already: most of its start is saved."""

    async def _launch(self) -> Launched:
        return await fork("run", "--config", str(self.config_file), environment=self.environment)
