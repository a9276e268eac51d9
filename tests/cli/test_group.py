"""The command as a whole: what it has, and how quick its help is."""

import subprocess
import sys

from proxy import __version__
from proxy.cli import main
from tests.cli.conftest import COMMANDS, ROOT, Countersign


def test_help_fits_one_screen_for_every_command(countersign: Countersign) -> None:
    assert set(COMMANDS) == set(main.commands)
    for arguments in [("--help",), *((command, "--help") for command in COMMANDS)]:
        result = countersign(*arguments)
        assert result.exit_code == 0
        assert len(result.stdout.splitlines()) <= 24
        assert all(len(line) <= 80 for line in result.stdout.splitlines())
        assert "..." not in result.stdout.replace("[ARGS]...", "").replace("[OPTIONS]...", "")


def test_the_version_is_printed(countersign: Countersign) -> None:
    assert countersign("--version").stdout == f"countersign {__version__}\n"


def test_it_runs_as_a_module_and_help_imports_nothing_heavy() -> None:
    script = (
        "import sys; sys.argv = ['countersign', '--help']\ntry:\n    import proxy.__main__; proxy.__main__.main()\n"
    )
    script += "finally:\n    print(sorted({'aiohttp', 'pydantic', 'yaml'} & sys.modules.keys()), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stderr == "[]\n"
    module = subprocess.run(
        [sys.executable, "-m", "proxy", "--version"], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert module.stdout == f"countersign {__version__}\n"
