"""What somebody is told whose ports are taken, a moment after they met Countersign."""

import asyncio
import socket
import sys
from pathlib import Path

import pytest

from tests.fakes.process import REPOSITORY, free_ports


@pytest.mark.parametrize("listener", ["proxy", "metrics", "admin"])
async def test_a_taken_address_is_named_in_one_line(listener: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ports = dict(zip(("proxy", "admin", "metrics"), free_ports(3), strict=True))
        ports[listener] = taken.getsockname()[1]
        config = tmp_path / "countersign.yaml"
        config.write_text("listen:\n" + "".join(f"  {name}: 127.0.0.1:{port}\n" for name, port in ports.items()))
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "proxy", "run", "--config", str(config)),
            cwd=REPOSITORY,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        _, told = await process.communicate()
    assert process.returncode == 1
    assert told.decode() == f"127.0.0.1:{ports[listener]} cannot be listened on: address already in use\n"
