"""The real tools that read what we deploy, found beside this Python or on the PATH."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
DEPLOY: Final = ROOT / "deploy"
_REMEDIES: Final = {"promtool": "install Prometheus (the package `prometheus` of Debian and of Homebrew)"}
_GROUP: Final = "install requirements-dev.lock, as `make test` does"


def run(tool: str, *arguments: str | Path) -> str:
    """Run the tool; return what it printed, or fail with it."""
    # Not `resolve()`: a virtual environment's Python is a link to somewhere else.
    beside = Path(sys.executable).parent
    path = shutil.which(tool, path=str(beside)) or shutil.which(tool)
    if path is None:
        pytest.fail(f"{tool} is missing; {_REMEDIES.get(tool, _GROUP)}")
    done = subprocess.run([path, *map(str, arguments)], capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    assert done.returncode == 0, f"{tool} {' '.join(map(str, arguments))}\n{said}"
    return said
