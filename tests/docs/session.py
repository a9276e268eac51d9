"""Follows a page as a reader would: saves its configurations, types its commands, and compares what they print.

What differs from a reader: the ports are free ones, an installation that stands already is used, and a server that is
started takes the place of the one before it on the same port, as after Ctrl-C.
"""

import asyncio
import contextlib
import os
import shlex
import shutil
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from tests.docs.markdown import ROOT, Command, commands, fences, shows
from tests.fakes.process import free_ports, listening

PATIENCE: Final = 15.0
"""Seconds until a command prints what the page shows: a reload, say, takes a moment."""
PORTS: Final = (8080, 8081, 8082, 8090)
"""What stands in the pages: proxy, admin, metrics, demo API."""
INSTALLING: Final = ("python3 -m venv ", ".venv/bin/pip ", ". .venv/bin/activate")
_SERVERS: Final = {"make run": "proxy", "countersign run": "proxy", "countersign demo": "demo"}


class Session:
    """A terminal or two, in a directory of their own, while the block runs."""

    def __init__(self, directory: Path, instead: Mapping[str, str]) -> None:
        self.ports = dict(zip(map(str, PORTS), map(str, free_ports(len(PORTS))), strict=True))
        self.typed: list[str] = []
        self._directory = directory
        self._instead = {**instead, **self.ports}
        self._servers: dict[str, asyncio.subprocess.Process] = {}
        self._environment = {
            **os.environ,
            "BIN": str(directory / "bin"),
            "PATH": f"{directory / 'bin'}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "COUNTERSIGN_LISTEN": f"127.0.0.1:{self.ports['8090']}",
        }

    async def __aenter__(self) -> Self:
        binaries, config = self._directory / "bin", self._directory / "config"
        for name, words in {"countersign": "-m proxy", "python": ""}.items():
            script = binaries / name
            script.parent.mkdir(exist_ok=True)
            script.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {words} "$@"\n')
            script.chmod(0o755)
        shutil.copytree(ROOT / "config", config, ignore=shutil.ignore_patterns(".run"))
        for name in ("quickstart.yaml", "quickstart.sh"):
            (config / name).write_text(self._adapted((config / name).read_text()))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for place in tuple(self._servers):
            await self._stop(place)

    async def follow(self, page: Path) -> str:
        """Do what the page says, from top to bottom; return what its last command printed."""
        printed = ""
        for fence in fences(page):
            if fence.language == "yaml" and not fence.about:
                self._save(self._adapted(fence.text))
            elif fence.language == "console":
                for command in commands(fence):
                    self.typed.append(command.typed)
                    printed = await self._type(Command(*map(self._adapted, (command.typed, command.printed))))
        return printed

    def server_says(self) -> str:
        """Return what the servers printed so far."""
        log = self._directory / "servers.log"
        return log.read_text() if log.exists() else ""

    def _adapted(self, text: str) -> str:
        for shown, used in self._instead.items():
            text = text.replace(shown, used)
        return text

    def _save(self, text: str) -> None:
        """Save a configuration, in one step; one that leaves its listeners to the defaults gets free ports."""
        if "\nlisten:" not in f"\n{text}":
            proxy, admin, metrics, _ = self.ports.values()
            text += f"\nlisten: {{proxy: 127.0.0.1:{proxy}, admin: 127.0.0.1:{admin}, metrics: 127.0.0.1:{metrics}}}\n"
        draft = self._directory / "draft"
        draft.write_text(text)
        draft.rename(self._directory / "countersign.yaml")

    async def _type(self, command: Command) -> str:
        if command.typed.startswith(INSTALLING):
            return ""
        if command.typed.startswith("export "):
            name, _, value = command.typed.removeprefix("export ").partition("=")
            self._environment[name] = value
            return ""
        for words, place in _SERVERS.items():
            if command.typed.startswith(words):
                await self._serve(command.typed, place)
                return ""
        return await self._printed(command)

    async def _printed(self, command: Command) -> str:
        """Run the command until it prints what the page shows; fail when it does not."""
        loop = asyncio.get_running_loop()
        deadline, output = loop.time() + PATIENCE, ""
        while loop.time() < deadline:
            process = await self._start(command.typed, asyncio.subprocess.PIPE)
            output = (await process.communicate())[0].decode()
            if (shows(command.printed, output)) if command.printed else process.returncode == 0:
                return output
            await asyncio.sleep(0.1)
        raise AssertionError(f"{command.typed} printed:\n{output}\nand not:\n{command.printed}\n{self.server_says()}")

    async def _serve(self, typed: str, place: str) -> None:
        await self._stop(place)
        with (self._directory / "servers.log").open("ab") as log:
            self._servers[place] = await self._start(
                typed.replace("make run", "exec config/quickstart.sh"), log.fileno()
            )
        await listening(int(self.ports["8080" if place == "proxy" else "8090"]))
        if typed == "make run":
            await self._is_ready()

    async def _is_ready(self) -> None:
        async with asyncio.timeout(PATIENCE):
            while "is ready" not in self.server_says():  # noqa: ASYNC110 - a file wakes nobody
                await asyncio.sleep(0.05)

    async def _start(self, typed: str, output: int) -> asyncio.subprocess.Process:
        apart = asyncio.subprocess.DEVNULL if typed.startswith("curl ") else asyncio.subprocess.STDOUT
        prefix = "exec " if typed.startswith("countersign ") else ""
        return await asyncio.create_subprocess_shell(
            prefix + typed,
            cwd=self._directory,
            env=self._environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=apart,
        )

    async def _stop(self, place: str) -> None:
        process = self._servers.pop(place, None)
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(PATIENCE):
            await process.wait()
