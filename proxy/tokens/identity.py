"""Tells whether two settings are the same in every detail, secrets included, without showing any of it.

The identity is what survives a reload, and a part of the store's keys: a changed secret, header or URL begins with a
token of its own. It is keyed, so that nobody can check a guess at a secret against it.
"""

import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel

from proxy.core.secret import Secret
from proxy.core.template import JsonTemplate, Template

_PROCESS_KEY: Final = secrets.token_bytes(32)


def identity_of(settings: BaseModel, key: bytes = _PROCESS_KEY) -> str:
    """Return 32 hex digits, the same for equal settings under the same key. By default the key is this process's own.

    Raises:
        TypeError: the settings hold a value whose details cannot be told.
    """
    canonical = json.dumps(_plain(settings), sort_keys=True, separators=(",", ":"))
    return hmac.new(key, canonical.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()[:32]


def _plain(value: Any) -> Any:
    """Return the value as JSON knows it; what it is stands beside it wherever two types could look the same."""
    if value is None or (isinstance(value, bool | int | float | str) and not isinstance(value, Enum)):
        return value
    if isinstance(value, Secret):
        return {"secret": value.reveal()}
    if isinstance(value, Template | JsonTemplate):
        return {"template": value.render({name: f"{{{{ {name} }}}}" for name in value.names})}
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
