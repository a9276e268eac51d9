"""The command, called as people and scripts call it, and a configuration to call it with."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from proxy.cli import main
from tests.config.conftest import ENVIRON, GOOD

ROOT = Path(__file__).parents[2]
COMMANDS = ("check", "demo", "explain", "hash-key", "keygen", "kinds", "reseal", "run", "schema", "test")

Countersign = Callable[..., Result]


@pytest.fixture
def countersign() -> Countersign:
    def countersign(*arguments: str | Path, env: dict[str, str] = ENVIRON, stdin: str | None = None) -> Result:
        cleared: dict[str, str | None] = dict.fromkeys(os.environ.keys() & {"STRIPE_KEY"})
        result = CliRunner().invoke(main, [*map(str, arguments)], env=cleared | env, input=stdin)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result

    return countersign


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "secret").write_text("file-marker\n")
    path = tmp_path / "countersign.yaml"
    path.write_text(GOOD)
    return path
