"""The TLS settings of a configuration, wherever they stand: whether their files will do, and taking up new ones."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from pydantic import BaseModel

from proxy.config.positions import Loc
from proxy.net.certificates import Fault, faults
from proxy.net.tls import TlsError, TlsSettings
from proxy.users.mail import MailSettings


def tls_settings(part: Any, loc: Loc = ()) -> Iterator[tuple[Loc, TlsSettings]]:
    """Yield all TLS settings in a part of a configuration that name files, each with its place."""
    match part:
        case TlsSettings():
            if part.paths:
                yield loc, part
        case MailSettings() if part.ca is not None:
            yield loc, TlsSettings(ca=part.ca)
        case BaseModel():
            for name, field in type(part).model_fields.items():
                yield from tls_settings(getattr(part, name), (*loc, field.alias or name))
        case Mapping():
            for name, child in part.items():
                yield from tls_settings(child, (*loc, name))
        case list() | tuple():
            for index, child in enumerate(part):
                yield from tls_settings(child, (*loc, index))


def tls_faults(config: BaseModel, now: float) -> Iterator[tuple[Loc, Fault]]:
    """Yield what is wrong with the files at that time, in Unix seconds, each with the place of the setting."""
    for loc, settings in tls_settings(config):
        for fault in faults(settings, now):
            yield (*loc, fault.field), fault


async def renew(config: BaseModel) -> list[str]:
    """Take up what the files hold now; return, for each that hold something else, the places that name them.

    Where the files cannot be used, what was in use before still is: whoever loads the configuration is told why.
    """
    places: dict[TlsSettings, list[str]] = {}
    for loc, settings in tls_settings(config):
        places.setdefault(settings, []).append(".".join(map(str, loc)))
    renewed = []
    for settings, named in places.items():
        with suppress(TlsError):
            if await asyncio.to_thread(settings.files.renew):
                renewed.append(", ".join(named))
    return renewed
