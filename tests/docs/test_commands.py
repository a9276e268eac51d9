"""Every `countersign` command in the documentation exists, with its options, and prints what the page shows."""

import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Final

import click
import pytest

from proxy.cli import main
from proxy.core.seal import new_key
from tests.docs.markdown import ROOT, Command, Fence, all_fences, commands, fences, shows

CONSOLES: Final = all_fences("console")
TYPED: Final = [
    (fence, command) for fence in CONSOLES for command in commands(fence) if "countersign " in command.typed
]
OFFLINE: Final = {"check", "explain", "kinds", "schema", "hash-key", "keygen"}
"""Commands that need nothing but their arguments and files."""
SERVING: Final = {
    ROOT / "README.md",
    ROOT / "docs" / "tutorial" / "first-route.md",
    ROOT / "docs" / "how-to" / "troubleshoot-a-credential.md",
}
"""Pages that `test_sessions.py` follows from top to bottom."""


def words(typed: str) -> list[str]:
    """Return the words behind `countersign`."""
    line = shlex.split(typed)
    return line[[Path(word).name for word in line].index("countersign") + 1 :]


def names(pair: tuple[Fence, Command]) -> str:
    return f"{pair[0]} {pair[1].typed}"


@pytest.mark.parametrize("pair", TYPED, ids=names)
def test_a_command_exists_with_its_options(pair: tuple[Fence, Command]) -> None:
    name, *arguments = words(pair[1].typed.partition(" > ")[0])
    command = main.commands[name]
    with command.make_context(name, arguments) as context:
        assert isinstance(context, click.Context)


@pytest.mark.parametrize(
    "pair",
    [(fence, command) for fence, command in TYPED if words(command.typed)[0] in OFFLINE and fence.page not in SERVING],
    ids=names,
)
def test_a_command_prints_what_the_page_shows(pair: tuple[Fence, Command], tmp_path: Path) -> None:
    fence, command = pair
    configurations = [
        other.text
        for other in fences(fence.page)
        if other.language == "yaml" and not other.about and other.line < fence.line
    ]
    if configurations:
        (tmp_path / "countersign.yaml").write_text(configurations[-1])
    elif "countersign.yaml" in command.typed and ">" not in command.typed:
        (tmp_path / "countersign.yaml").write_text((ROOT / "config" / "quickstart.yaml").read_text())
        (tmp_path / ".run").mkdir()
        (tmp_path / ".run" / "seal-key").write_text(new_key())
    typed = command.typed.replace("countersign ", f"{shlex.quote(sys.executable)} -m proxy ", 1)
    done = subprocess.run(
        typed,
        shell=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert "Traceback" not in done.stderr
    assert done.returncode in (0, 1)
    if command.printed:
        assert shows(command.printed, done.stdout + done.stderr), done.stdout + done.stderr
    else:
        assert done.returncode == 0, done.stderr


def test_what_is_shown_is_compared() -> None:
    assert shows("key:  csk_…\nhash: sha256:…\n", "key:  csk_abc\nhash: sha256:def\n")
    assert not shows("key:  csk_…\n", "key:  csk_abc\nhash: sha256:def\n")
    assert not shows("hash: sha256:…\n", "key:  csk_abc\n")


def test_every_console_block_is_typed_at_a_prompt() -> None:
    assert [str(fence) for fence in CONSOLES if not fence.text.startswith("$ ")] == []
