"""Commands around keys: those that seal what is in the store, and those that callers show."""

# ruff: noqa: PLC0415 - what a command needs is imported when it runs

import asyncio
import sys
from pathlib import Path
from typing import TextIO

import click

from proxy.cli.group import (
    OPTIONS,
    complain,
    config_option,
    end,
    examined_at,
    fail,
    json_option,
    main,
    print_json,
    usable,
)


@main.command(context_settings=OPTIONS)
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
        fail(f"--after: {error}")


@main.command(context_settings=OPTIONS)
@config_option
@json_option
def reseal(config: Path, as_json: bool) -> None:
    """Seal everything in the store again, with the newest key.

    After that, the older keys can be taken out of seal.keys. Replicas may run
    meanwhile, once all of them know the newest key.
    """
    from proxy.stores.base import StoreError
    from proxy.stores.reseal import reseal_in

    examined = examined_at(config)
    config_ = usable(examined)
    if any(loc[0] in ("seal", "store") for loc in examined.unresolved):
        complain(examined.problems)
        fail("nothing can be sealed before the references of store and seal can be resolved")
    if not config_.seal.keys:
        fail(f"seal.keys names no key, and a store of kind {config_.store.kind} needs none: there is nothing to seal")
    try:
        done = asyncio.run(reseal_in(config_.store, config_.seal.keys))
    except StoreError as error:
        fail(f"{error}; what was sealed again so far stays so, and the next run goes on from there")
    end(done, as_json=as_json)


@main.command("hash-key", context_settings=OPTIONS)
@click.argument("key", required=False)
@json_option
def hash_key(key: str | None, as_json: bool) -> None:
    """Print a new caller key and its hash.

    With KEY, print the hash of that key; - reads it from standard input, where no process list shows it.
    """
    from proxy.callers import api_key

    given = sys.stdin.read().removesuffix("\n") if key == "-" else key
    if given is not None and not (given.isascii() and given.isprintable() and given.strip() == given != ""):
        fail("a key is one line of printable ASCII")
    shown = given or api_key.new_key()
    hashed = api_key.hash_key(shown)
    if as_json:
        print_json({"key": shown, "hash": hashed})
    elif given is None:
        click.echo(f"key:  {shown}\nhash: {hashed}")
    else:
        click.echo(hashed)
