"""Commands that try a credential, and that explain what would become of a request."""

# ruff: noqa: PLC0415 - what a command needs is imported when it runs

import asyncio
import dataclasses
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

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
    user_option,
)

if TYPE_CHECKING:
    from proxy.config.schema import Config
    from proxy.core.secret import Secret
    from proxy.credentials.base import CredentialSettings
    from proxy.credentials.trial import Trial


@main.command(context_settings=OPTIONS)
@click.argument("credential")
@config_option
@user_option
@json_option
def test(credential: str, config: Path, user: str | None, as_json: bool) -> None:
    """Try a credential and say what happened.

    Its requests are sent once; nothing is kept, and secrets are masked. What may work only once, such as a refresh
    token, is not sent. What is known of a user is looked up in the store.
    """
    from proxy.config.sentences import closest

    examined = examined_at(config)
    configured = usable(examined)
    known = configured.credentials
    if credential not in known:
        fail(f"no credential is called {credential!r}; {closest(credential, list(known))}")
    if any(loc[:2] == ("credentials", credential) for loc in examined.unresolved):
        complain(examined.problems)
        fail(f"credential {credential!r} cannot be tried before its references can be resolved")
    settings = known[credential]
    if settings.per_user is (user is None):
        each = "each user has a token of their own: say whose, with --user"
        fail(each if user is None else f"credential {credential!r} has one token for all; leave --user out")
    if user is not None:
        if any(loc[0] in ("seal", "store") for loc in examined.unresolved):
            complain(examined.problems)
            fail(
                "what is known of the user cannot be looked up before the references of store and seal can be resolved"
            )
        settings = settings.for_user(_known_of(user, settings.user_variables, configured))
    end(asyncio.run(_try(credential, settings)), as_json=as_json)


def _known_of(user: str, wanted: frozenset[str], config: "Config") -> "Mapping[str, Secret]":
    """Return what the store knows of a user, or end with what keeps it from saying."""
    from proxy.stores.base import StoreError
    from proxy.users.known import values_of

    try:
        return asyncio.run(values_of(user, wanted, config.store, config.seal.keys))
    except StoreError as error:
        fail(f"{error}; what is known of the user cannot be looked up")


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


@main.command(context_settings=OPTIONS)
@click.argument("method")
@click.argument("url")
@config_option
@click.option(
    "--header",
    "headers",
    multiple=True,
    envvar="COUNTERSIGN_HEADER",
    metavar="'NAME: VALUE'",
    help="A header of the request; repeatable.",
)
@user_option
@json_option
def explain(method: str, url: str, *, config: Path, headers: tuple[str, ...], user: str | None, as_json: bool) -> None:
    """Say what would become of a request.

    Which route takes it and why, who may call it, and what would be sent upstream. Sends nothing.

    URL is what the caller would use: http://127.0.0.1:8080/billing/x, or just /billing/x.
    """
    from proxy.gateway import explain as gateway

    examined = examined_at(config)  # lives on: it knows which texts are not to be shown
    known = usable(examined)
    try:
        told = gateway.explain(
            method, url, headers, routes=known.routes, callers=known.callers, credentials=known.credentials, user=user
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    if as_json:
        considered = [{"route": name, "reason": reason} for name, reason in told.considered]
        allowed = [{"name": name, "kind": kind} for name, kind in told.callers]
        refusal = told.refusal and {"status": told.refusal.status, "code": told.refusal.code}
        told_plainly = dataclasses.asdict(dataclasses.replace(told, refusal=None))
        print_json(told_plainly | {"considered": considered, "callers": allowed, "refusal": refusal})
    else:
        click.echo("\n".join(told.lines()))
    sys.exit(1 if told.refusal else 0)
