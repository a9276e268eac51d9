"""The process around the app: signals, and what a configuration that cannot be used comes to."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from proxy.config.load import load
from proxy.process import BAD_CONFIG, run, serve
from tests.fakes.until import until
from tests.test_app import running

ROOT: Final = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the collector of the tests' process as it is."""
    monkeypatch.setattr("proxy.process._settle_memory", lambda: None)


async def test_signals_reload_and_end_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "out"
    async with running(tmp_path) as world:
        with log.open("w") as stream:
            monkeypatch.setattr(sys, "stdout", stream)
            serving = asyncio.get_running_loop().create_task(serve(world.file, load(world.file, {})))
            for number, event in ((signal.SIGHUP, "config_reloaded"), (signal.SIGTERM, "stopped")):
                await until(lambda: '"started"' in log.read_text())
                os.kill(os.getpid(), number)
                await until(lambda: f'"{event}"' in log.read_text())  # noqa: B023 - it is awaited at once
            await asyncio.wait_for(serving, 10)
        assert log.read_text().count('"config_reloaded"') == 1


def test_a_configuration_that_cannot_be_used_ends_it_with_its_problems(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "countersign.yaml"
    file.write_text("routs: {}")
    assert run(file) == BAD_CONFIG
    assert f"{file}:1:1: " in capsys.readouterr().err


def test_a_client_of_redis_is_loaded_by_those_alone_who_keep_tokens_there() -> None:
    code = "import sys, proxy.process; sys.exit('redis' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
