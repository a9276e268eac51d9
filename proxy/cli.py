"""The `countersign` command. What a command needs is imported when it runs, so that `--help` is quick."""

# ruff: noqa: PLC0415 - the imports inside commands are what the first sentence promises

import asyncio
import dataclasses
import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn, TextIO

import click

from proxy import __version__

if TYPE_CHECKING:
    from proxy.config.load import Examined
    from proxy.config.schema import Config
    from proxy.core.problems import Problem
    from proxy.credentials.base import CredentialSettings
    from proxy.credentials.trial import Trial
    from proxy.stores.reseal import Resealed

_OPTIONS: Final = {"auto_envvar_prefix": "COUNTERSIGN", "help_option_names": ["-h", "--help"]}
_FILE: Final = click.Path(path_type=Path)

_config = click.option("--config", "-c", type=_FILE, required=True, metavar="FILE", help="The configuration file.")
_json = click.option("--json", "as_json", is_flag=True, envvar="COUNTERSIGN_JSON", help="Print JSON, for scripts.")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="countersign", message="%(prog)s %(version)s")
def main() -> None:
    """Sign in to APIs, so that your services need not.

    Every option can also be set by an environment variable: --config by COUNTERSIGN_CONFIG, and so on.
    """


@main.command(context_settings=_OPTIONS)
@_config
def run(config: Path) -> None:
    """Serve until SIGTERM; SIGHUP or a changed file reloads."""
    from proxy.core import descriptions

    descriptions.wanted = False  # it shows none, and starts sooner without them
    from proxy import process

    sys.exit(process.run(config))


@main.command(context_settings=_OPTIONS)
@click.argument("file", type=_FILE)
@click.option("--strict", is_flag=True, help="A secret that cannot be resolved here is an error, not a warning.")
@_json
def check(file: Path, strict: bool, as_json: bool) -> None:
    """Validate a configuration file.

    Each problem is printed as FILE:LINE:COLUMN: message, with what to write instead.
    """
    from proxy.config.load import examine

    examined = examine(file, os.environ, resolve=strict)
    if as_json:
        problems = [dataclasses.asdict(problem) for problem in examined.problems]
        _print_json({"ok": not examined.errors, "problems": problems})
    else:
        _complain(examined.problems)
        if not examined.errors:
            click.echo(f"{file}: ok")
    sys.exit(1 if examined.errors else 0)


@main.command(context_settings=_OPTIONS)
@click.argument("credential")
@_config
@_json
def test(credential: str, config: Path, as_json: bool) -> None:
    """Try a credential and say what happened.

    Its requests are sent once; nothing is kept, and secrets are masked. What may work only once, such as a refresh
    token, is not sent.
    """
    from proxy.config.sentences import closest

    examined = _examine(config)
    known = _usable(examined).credentials
    if credential not in known:
        _fail(f"no credential is called {credential!r}; {closest(credential, list(known))}")
    if any(loc[:2] == ("credentials", credential) for loc in examined.unresolved):
        _complain(examined.problems)
        _fail(f"credential {credential!r} cannot be tried before its references can be resolved")
    _end(asyncio.run(_try(credential, known[credential])), as_json=as_json)


async def _try(name: str, settings: "CredentialSettings") -> "Trial":
    from proxy.core.clock import SystemClock
    from proxy.credentials import KINDS
    from proxy.credentials.trial import trial
    from proxy.net.endpoint import Endpoint

    clock = SystemClock()
    endpoint = Endpoint(clock)
    try:
        return await trial(KINDS[settings.kind](name, settings, endpoint, clock))
    finally:
        await endpoint.close()


@main.command(context_settings=_OPTIONS)
@click.argument("method")
@click.argument("url")
@_config
@click.option(
    "--header",
    "headers",
    multiple=True,
    envvar="COUNTERSIGN_HEADER",
    metavar="'NAME: VALUE'",
    help="A header of the request; repeatable.",
)
@_json
def explain(method: str, url: str, config: Path, headers: tuple[str, ...], as_json: bool) -> None:
    """Say what would become of a request.

    Which route takes it and why, who may call it, and what would be sent upstream. Sends nothing.

    URL is what the caller would use: http://127.0.0.1:8080/billing/x, or just /billing/x.
    """
    from proxy.gateway import explain as gateway

    examined = _examine(config)  # lives on: it knows which texts are not to be shown
    usable = _usable(examined)
    try:
        told = gateway.explain(
            method, url, headers, routes=usable.routes, callers=usable.callers, credentials=usable.credentials
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    if as_json:
        considered = [{"route": name, "reason": reason} for name, reason in told.considered]
        allowed = [{"name": name, "kind": kind} for name, kind in told.callers]
        refusal = told.refusal and {"status": told.refusal.status, "code": told.refusal.code}
        told_plainly = dataclasses.asdict(dataclasses.replace(told, refusal=None))
        _print_json(told_plainly | {"considered": considered, "callers": allowed, "refusal": refusal})
    else:
        click.echo("\n".join(told.lines()))
    sys.exit(1 if told.refusal else 0)


@main.command(context_settings=_OPTIONS)
def schema() -> None:
    """Print the configuration's JSON Schema, for editors."""
    from proxy.config.json_schema import editor_schema

    _print_json(editor_schema())


@main.command(context_settings=_OPTIONS)
@_json
def kinds(as_json: bool) -> None:
    """List what there is to configure.

    The kinds of callers, credentials, stores, extractors and injectors, with their settings.
    """
    from proxy.config.known import families

    tables = families()
    if as_json:
        _print_json(tables)
        return
    for family, table in tables.items():
        click.echo(family)
        for kind, settings in table.items():
            click.echo(f"  {kind}: {_first_sentence(settings)}")
            for name, setting in settings["properties"].items():
                if "const" not in setting:
                    required = "" if "default" in setting else " (required)"
                    click.echo(f"    {name}{required}: {_first_sentence(setting)}")


@main.command(context_settings=_OPTIONS)
@click.option("--after", type=click.File(), metavar="FILE", help="Holds the key that this one is to replace.")
def keygen(after: TextIO | None) -> None:
    """Print a new sealing key, 32 random bytes in base64.

    A key that is to replace another carries on its line: replicas go on sharing
    tokens while keys change, and find them when the other one is gone.
    """
    from proxy.core import seal, secret

    try:
        click.echo(seal.new_key(secret.Secret(after.read().removesuffix("\n")) if after else None))
    except ValueError as error:
        _fail(f"--after: {error}")


@main.command(context_settings=_OPTIONS)
@_config
@_json
def reseal(config: Path, as_json: bool) -> None:
    """Seal everything in the store again, with the newest key.

    After that, the older keys can be taken out of seal.keys. Replicas may run
    meanwhile, once all of them know the newest key.
    """
    from proxy.stores.base import StoreError
    from proxy.stores.reseal import reseal_in

    examined = _examine(config)
    usable = _usable(examined)
    if any(loc[0] in ("seal", "store") for loc in examined.unresolved):
        _complain(examined.problems)
        _fail("nothing can be sealed before the references of store and seal can be resolved")
    if not usable.seal.keys:
        _fail(f"seal.keys names no key, and a store of kind {usable.store.kind} needs none: there is nothing to seal")
    try:
        done = asyncio.run(reseal_in(usable.store, usable.seal.keys))
    except StoreError as error:
        _fail(f"{error}; what was sealed again so far stays so, and the next run goes on from there")
    _end(done, as_json=as_json)


@main.command("hash-key", context_settings=_OPTIONS)
@click.argument("key", required=False)
@_json
def hash_key(key: str | None, as_json: bool) -> None:
    """Print a new caller key and its hash.

    With KEY, print the hash of that key; - reads it from standard input, where no process list shows it.
    """
    from proxy.callers import api_key

    given = sys.stdin.read().removesuffix("\n") if key == "-" else key
    if given is not None and not (given.isascii() and given.isprintable() and given.strip() == given != ""):
        _fail("a key is one line of printable ASCII")
    shown = given or api_key.new_key()
    hashed = api_key.hash_key(shown)
    if as_json:
        _print_json({"key": shown, "hash": hashed})
    elif given is None:
        click.echo(f"key:  {shown}\nhash: {hashed}")
    else:
        click.echo(hashed)


@main.command(context_settings=_OPTIONS)
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
        _fail(f"{listen} cannot be listened on: {error.strerror}")


def _examine(path: Path) -> "Examined":
    from proxy.config.load import examine

    return examine(path, os.environ, resolve=False)


def _usable(examined: "Examined") -> "Config":
    """Return the configuration, or end with what is wrong with it."""
    if examined.config is None or examined.errors:
        _complain(examined.problems)
        sys.exit(1)
    return examined.config


def _complain(problems: Iterable["Problem"]) -> None:
    for problem in problems:
        click.echo(problem, err=True)


def _fail(message: str) -> NoReturn:
    click.echo(message, err=True)
    sys.exit(1)


def _end(outcome: "Trial | Resealed", *, as_json: bool) -> NoReturn:
    told = dataclasses.asdict(outcome)
    click.echo(json.dumps(told, indent=2, default=str) if as_json else "\n".join(outcome.lines()))
    sys.exit(0 if outcome.succeeded else 1)


def _print_json(value: Any) -> None:
    click.echo(json.dumps(value, indent=2, default=str))


def _first_sentence(described: dict[str, Any]) -> str:
    return str(described.get("description", "")).partition("\n")[0]
