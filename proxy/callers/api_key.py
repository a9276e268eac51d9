"""A caller that has a key of ours."""

import hashlib
import hmac
import secrets
from typing import Annotated, Literal

from pydantic import Field

from proxy.callers.base import Caller, CallerSettings
from proxy.core.message import RequestHead
from proxy.core.principal import Principal


def hash_key(key: str) -> str:
    return "sha256:" + hashlib.sha256(key.encode()).hexdigest()


def new_key() -> str:
    return "csk_" + secrets.token_urlsafe(32)


class ApiKeySettings(CallerSettings):
    kind: Literal["api_key"]
    keys: Annotated[tuple[str, ...], Field(strict=False)]


class ApiKey(Caller):
    Settings = ApiKeySettings

    def __init__(self, name: str, settings: ApiKeySettings) -> None:
        self._keys = settings.keys
        self._known: dict[str, bool] = {}
        self._p = {h: Principal(name, "api_key", frozenset({h.encode()})) for h in ("proxy-authorization", "x-countersign-key", "authorization")}

    def authenticate(self, head: RequestHead) -> Principal | None:
        for name in ("proxy-authorization", "x-countersign-key", "authorization"):
            value = head.fields.get(name)
            if value is None:
                continue
            key = value if name.startswith("x-") else value[7:] if value[:7].lower() == "bearer " else ""
            known = self._known.get(key)
            if known is None:
                h = hash_key(key)
                known = self._known[key] = any(hmac.compare_digest(h, k) for k in self._keys)
            if known:
                return self._p[name]
        return None
