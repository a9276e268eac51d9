"""Commands that serve, and that say what there is to configure."""

# ruff: noqa: PLC0415 - what a command needs is imported when it runs

import asyncio
import dataclasses
import os
import sys
from pathlib import Path

import click

from proxy.cli.group import FILE, OPTIONS, complain, config_option, fail, first_sentence, json_option, main, print_json


@main.command(context_settings=OPTIONS)
@config_option
def run(config: Path) -> None:
    """Serve until SIGTERM; SIGHUP or a changed file reloads."""
    from proxy.core import descriptions

    descriptions.wanted = False  # it shows none, and starts sooner without them
    from proxy import process

    sys.exit(process.run(config))


@main.command(context_settings=OPTIONS)
@click.argument("file", type=FILE)
@click.option("--strict", is_flag=True, help="A secret that cannot be resolved here is an error, not a warning.")
@json_option
def check(file: Path, strict: bool, as_json: bool) -> None:
    """Validate a configuration file.

    Each problem is printed as FILE:LINE:COLUMN: message, with what to write instead.
    """
    from proxy.config.load import examine

    examined = examine(file, os.environ, resolve=strict)
    if as_json:
        problems = [dataclasses.asdict(problem) for problem in examined.problems]
        print_json({"ok": not examined.errors, "problems": problems})
    else:
        complain(examined.problems)
        if not examined.errors:
            click.echo(f"{file}: ok")
    sys.exit(1 if examined.errors else 0)


@main.command(context_settings=OPTIONS)
def schema() -> None:
    """Print the configuration's JSON Schema, for editors."""
    from proxy.config.json_schema import editor_schema

    print_json(editor_schema())


@main.command(context_settings=OPTIONS)
@json_option
def kinds(as_json: bool) -> None:
    """List what there is to configure.

    The kinds of callers, credentials, stores, extractors and injectors, with their settings.
    """
    from proxy.config.known import families

    tables = families()
    if as_json:
        print_json(tables)
        return
    for family, table in tables.items():
        click.echo(family)
        for kind, settings in table.items():
            click.echo(f"  {kind}: {first_sentence(settings)}")
            for name, setting in settings["properties"].items():
                if "const" not in setting:
                    required = "" if "default" in setting else " (required)"
                    click.echo(f"    {name}{required}: {first_sentence(setting)}")


@main.command(context_settings=OPTIONS)
@click.option("--listen", default="127.0.0.1:8090", show_default=True, metavar="HOST:PORT", help="Where it listens.")
def demo(listen: str) -> None:
    """Serve the demo API that `make run` uses."""
    from proxy import demo as api
    from proxy.config.address import Address

    try:
        address = Address.parse(listen)
        asyncio.run(api.serve(address.host, address.port))
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    except OSError as error:
        fail(f"{listen} cannot be listened on: {error.strerror}")
