"""Tells whether two settings are the same in every detail, secrets included, without showing any of it.

The identity is what survives a reload, and a part of the store's keys: a changed secret, header or URL begins with a
token of its own. It is keyed, so that nobody can check a guess at a secret against it. A lineage stands in for it where
a chain of one-time secrets must go on under other settings, and under other keys: so it has none, and is slow instead.
"""

import hashlib
import hmac
import json
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel

from proxy.core.secret import Secret
from proxy.core.template import JsonTemplate, Template

_SALT: Final = b"countersign lineage"


def identity_of(settings: BaseModel, key: bytes) -> str:
    """Return 32 hex digits, the same for equal settings under the same key.

    Raises:
        TypeError: the settings hold a value whose details cannot be told.
    """
    return hmac.new(key, canonical(settings), hashlib.sha256).hexdigest()[:32]


def lineage_of(lineage: tuple[str | Secret, ...]) -> str:
    """Return 32 hex digits, the same for the same beginning of a chain, wherever and whenever. Takes about 50 ms."""
    return hashlib.scrypt(canonical(lineage), salt=_SALT, n=2**14, r=8, p=1, dklen=16).hex()


def place_of_brought(name: str, brought: tuple[str, ...], key: bytes, person: str = "") -> str:
    """Return the store's key of what people bring for a credential; `person` is a pseudonym, empty: for everybody."""
    mark = hmac.new(key, canonical((*brought, person)), hashlib.sha256).hexdigest()[:32]
    return f"brought/{name}/{mark}"


def canonical(value: Any) -> bytes:
    """Return bytes that tell two values apart, secrets included."""
    return json.dumps(_plain(value), sort_keys=True, separators=(",", ":")).encode("utf-8", "surrogatepass")


def _plain(value: Any) -> Any:
    """Return the value as JSON knows it; what it is stands beside it wherever two types could look the same."""
    if value is None or (isinstance(value, bool | int | float | str) and not isinstance(value, Enum)):
        return value
    if isinstance(value, Secret):
        return {"secret": value.reveal()}
    if isinstance(value, Template | JsonTemplate):
        return {"template": value.source}
    if isinstance(value, BaseModel):
        return {name: _plain(getattr(value, name)) for name in type(value).model_fields}
    if isinstance(value, Mapping):
        return {str(name): _plain(child) for name, child in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(child) for child in value]
    if isinstance(value, set | frozenset):
        return {"set": sorted(map(str, value))}
    if isinstance(value, Enum):
        return _plain(value.value)
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"the identity of settings does not know how to read a {type(value).__name__}")
