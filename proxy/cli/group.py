"""What all commands share: their options, how they read a configuration, and how they end."""

# ruff: noqa: PLC0415 - what a command needs is imported when it runs

import dataclasses
import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

import click

from proxy import __version__

if TYPE_CHECKING:
    from proxy.config.load import Examined
    from proxy.config.schema import Config
    from proxy.core.problems import Problem
    from proxy.credentials.trial import Trial
    from proxy.stores.reseal import Resealed

OPTIONS: Final = {"auto_envvar_prefix": "COUNTERSIGN", "help_option_names": ["-h", "--help"]}
FILE: Final = click.Path(path_type=Path)

config_option = click.option("--config", "-c", type=FILE, required=True, metavar="FILE", help="The configuration file.")
json_option = click.option(
    "--json", "as_json", is_flag=True, envvar="COUNTERSIGN_JSON", help="Print JSON, for scripts."
)
user_option = click.option("--user", metavar="ID", help="The user, where each has a token of their own.")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="countersign", message="%(prog)s %(version)s")
def main() -> None:
    """Sign in to APIs, so that your services need not.

    Every option can also be set by an environment variable: --config by COUNTERSIGN_CONFIG, and so on.
    """


def examined_at(path: Path) -> "Examined":
    """Return what a configuration file says; its references need not lead anywhere here."""
    from proxy.config.load import examine

    return examine(path, os.environ, resolve=False)


def usable(examined: "Examined") -> "Config":
    """Return the configuration, or end with what is wrong with it."""
    if examined.config is None or examined.errors:
        complain(examined.problems)
        sys.exit(1)
    return examined.config


def complain(problems: Iterable["Problem"]) -> None:
    """Print problems where errors go."""
    for problem in problems:
        click.echo(problem, err=True)


def fail(message: str) -> NoReturn:
    """End with code 1, and say why."""
    click.echo(message, err=True)
    sys.exit(1)


def end(outcome: "Trial | Resealed", *, as_json: bool) -> NoReturn:
    """Print the outcome and end with the code that says how it went."""
    told = dataclasses.asdict(outcome)
    click.echo(json.dumps(told, indent=2, default=str) if as_json else "\n".join(outcome.lines()))
    sys.exit(0 if outcome.succeeded else 1)


def print_json(value: Any) -> None:
    """Print a value for scripts."""
    click.echo(json.dumps(value, indent=2, default=str))


def first_sentence(described: dict[str, Any]) -> str:
    """Return the first line of what a schema says of something."""
    return str(described.get("description", "")).partition("\n")[0]
