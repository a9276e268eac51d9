"""The operating system's process around the app: its limits, its signals and its exit status."""

import asyncio
import gc
import os
import resource
import signal
import sys
from pathlib import Path
from typing import Final

import uvloop

from proxy.app import App, CannotListenError
from proxy.config.load import Loaded, load
from proxy.core.problems import ConfigError
from proxy.telemetry.logs import configure

MOST_FILES: Final = 65_536
"""Open files we ask for: two a request under way, with room to spare."""
BAD_CONFIG: Final = 2
NO_LISTENER: Final = 1


def _settle_memory() -> None:
    """Tell the collector that what is loaded stays: it looks at short-lived objects only, and less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def _bound_process() -> None:
    """Leave no core dump, which would hold every secret, and allow as many open files as the system lets us."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = hard if hard != resource.RLIM_INFINITY else MOST_FILES
    if soft < min(wanted, MOST_FILES):
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, MOST_FILES), hard))


async def serve(path: Path, loaded: Loaded) -> None:
    """Run until SIGTERM or SIGINT; SIGHUP and changed files reload."""
    logs = configure(sys.stdout)
    app = App(path, loaded, logs)
    loop = asyncio.get_running_loop()
    try:
        await app.start()
        _settle_memory()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, app.stopping.set)
        loop.add_signal_handler(signal.SIGHUP, lambda: app.runtime.spawn(app.reload(), name="reload"))
        app.runtime.spawn(app.watch(), name="watch the configuration")
        await app.stopping.wait()
        await app.drain()
        await app.close()
    finally:
        logs.close()


def run(path: Path) -> int:
    """Serve the configuration in that file; return the exit status."""
    try:
        loaded = load(path, os.environ)
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return BAD_CONFIG
    _bound_process()
    try:
        uvloop.run(serve(path, loaded))
    except CannotListenError as error:
        sys.stderr.write(f"{error}\n")
        return NO_LISTENER
    except KeyboardInterrupt:
        pass
    return 0
