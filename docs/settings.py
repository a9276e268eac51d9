"""The settings as a reference: each record of the configuration as a list of its keys, read from the record itself."""

import json
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Final

from pydantic import BaseModel, TypeAdapter
from pydantic.fields import FieldInfo

from docs.wrapping import item, paragraph
from proxy import callers, credentials, extractors, injectors, stores
from proxy.config.schema import AdminSettings, EventsSettings, ListenSettings
from proxy.core.breaker import BreakerSettings
from proxy.core.challenge import ChallengeSettings
from proxy.core.kinds import Table
from proxy.core.rejection import RejectionSettings
from proxy.core.route import MatchSettings
from proxy.core.seal import SealSettings
from proxy.core.settings import Duration, Settings, Size, spell_duration, spell_size
from proxy.credentials.base import CredentialSettings
from proxy.credentials.browser import BrowserSettings
from proxy.credentials.client_auth import ClientAssertionSettings
from proxy.credentials.condition import ConditionSettings
from proxy.credentials.jwt_bearer import AssertionSettings
from proxy.credentials.reading import ExpirySettings
from proxy.credentials.request import RequestSettings
from proxy.credentials.request_assertion import RequestAssertionSettings
from proxy.credentials.workflow_steps import StepSettings, SuccessSettings
from proxy.gateway.require import EmailOtpSettings
from proxy.gateway.settings import (
    DrainSettings,
    LimitSettings,
    ReplaySettings,
    RouteSettings,
    TimeoutSettings,
)
from proxy.net.tls import TlsSettings
from proxy.stores.redis import RedisSettings
from proxy.stores.redis_tls import RedisTlsSettings
from proxy.tokens.delivery import WebhookSettings
from proxy.users.letter import LetterSettings
from proxy.users.mail import MailSettings
from proxy.users.settings import SignInSettings, UserIssuerSettings, UsersSettings, VerificationSettings

RECORDS: Final[Mapping[str, type[Settings]]] = {
    "listen": ListenSettings,
    "seal": SealSettings,
    "redis tls": RedisTlsSettings,
    "admin": AdminSettings,
    "drain": DrainSettings,
    "events": EventsSettings,
    "webhook": WebhookSettings,
    "route": RouteSettings,
    "match": MatchSettings,
    "breaker": BreakerSettings,
    "replay": ReplaySettings,
    "timeouts": TimeoutSettings,
    "tls": TlsSettings,
    "limits": LimitSettings,
    "credential": CredentialSettings,
    "request": RequestSettings,
    "request assertion": RequestAssertionSettings,
    "step": StepSettings,
    "browser": BrowserSettings,
    "success": SuccessSettings,
    "condition": ConditionSettings,
    "assertion": AssertionSettings,
    "client_assertion": ClientAssertionSettings,
    "rejected_when": RejectionSettings,
    "www_authenticate": ChallengeSettings,
    "expiry": ExpirySettings,
    "users": UsersSettings,
    "user issuer": UserIssuerSettings,
    "mail": MailSettings,
    "letter": LetterSettings,
    "sign_in": SignInSettings,
    "verification": VerificationSettings,
    "email_otp": EmailOtpSettings,
}
"""Records that stand in one place, by the word for it."""
FAMILIES: Final[Mapping[str, Table[Any]]] = {
    "store": stores.KINDS,
    "caller": callers.KINDS,
    "credential": credentials.KINDS,
    "extractor": extractors.KINDS,
    "injector": injectors.KINDS,
}
_TAGS: Final = ("kind", "from_")
_LINKS: Final = {
    "match": "[mapping](#match)",
    "breaker": "[mapping](#breaker)",
    "replay": "[mapping](#replay)",
    "timeouts": "[mapping](#timeouts)",
    "tls": "[mapping](#tls)",
    "limits": "[mapping](#limits)",
    "request": "[mapping](#request)",
    "steps": "list of [steps](#step)",
    "refresh": "list of [steps](#step)",
    "on_callback": "list of [steps](#step)",
    "browser": "[mapping](#browser)",
    "succeeds_when": "[mapping](#success)",
    "when": "list of [conditions](#condition)",
    "all": "list of [conditions](#condition)",
    "extract": "mapping of names to [extractors](#extractors)",
    "save_to": "name or list of names",
    "assertion": "[mapping](#assertion)",
    "client_assertion": "[mapping](#client_assertion)",
    "www_authenticate": "text or [mapping](#www_authenticate)",
    "issuers": "mapping of names to [mappings](#user-issuer)",
    "mail": "[mapping](#mail)",
    "templates": "[mapping](#letter)",
    "sign_in": "[mapping](#sign_in)",
    "verification": "[mapping](#verification)",
    "require": "list of [requirements](#email_otp)",
    "token": "[extractor](#extractors) or list of them",
    "expiry": "[expiry](#expiry) or list of them",
    "save": "mapping of names to [extractors](#extractors)",
    "default": "text or number",
    "inject": "list of [injectors](#injectors)",
    "rejected_when": "list of [rules](#rejected_when)",
    "webhook": "[mapping](#webhook)",
    "secret": "text or list of texts",
    "scope": "text or list of texts",
    "json": "any JSON",
    "equals": "text, number, truth value, or list of these",
}
"""Where a key's value has a section of its own, or no type that a word would do for."""
_OTHER_LINKS: Final[Mapping[tuple[type[BaseModel], str], str]] = {
    (RedisSettings, "tls"): "[mapping](#redis-tls)",
    (RequestSettings, "assertion"): "[mapping](#request-assertion)",
    (RejectionSettings, "status"): "status, class, range, or list of these",
}
"""The same, of keys that mean something else in these records."""
_FORMS: Final = {
    TypeAdapter(Duration).json_schema()["pattern"]: "duration",
    TypeAdapter(Size).json_schema()["pattern"]: "size",
}
_TYPES: Final = {"string": "text", "integer": "whole number", "number": "number", "boolean": "`true` or `false`"}


def settings_blocks() -> Mapping[str, Callable[[], Iterator[str]]]:
    """Return a block for every record and every kind of the configuration."""
    records = {f"settings {name}": partial(_keys, record) for name, record in RECORDS.items()}
    kinds = {
        f"{family} {kind}": partial(_kind, family, made.Settings)
        for family, table in FAMILIES.items()
        for kind, made in table.items()
    }
    return {**records, **kinds}


def _kind(family: str, record: type[Settings]) -> Iterator[str]:
    """Yield one kind's keys, without those that all kinds of its family share."""
    shared = CredentialSettings.model_fields if family == "credential" else {}
    own = {name for name, field in record.model_fields.items() if not _is_same(field, shared.get(name))}
    yield from _keys(record, own - set(_TAGS))


def _is_same(field: FieldInfo, other: FieldInfo | None) -> bool:
    return other is not None and (field.description, field.default) == (other.description, other.default)


def _keys(record: type[BaseModel], names: set[str] | None = None) -> Iterator[str]:
    """Yield the record's meaning and a list of its keys."""
    yield paragraph((record.__doc__ or "").strip())
    schemas = record.model_json_schema()["properties"]
    listed = [
        (name, field)
        for name, field in record.model_fields.items()
        if name not in _TAGS and (names is None or name in names)
    ]
    if listed:
        yield ""
    for name, field in listed:
        key = field.alias or name
        type_ = _OTHER_LINKS.get((record, key)) or _type(key, schemas[key])
        about = ", ".join(filter(None, (type_, _default(field, schemas[key]))))
        yield item(f"**`{key}`** ({about}): {field.description}")


def _type(key: str, schema: Mapping[str, Any]) -> str:
    """Return what may stand there, in words."""
    if key in _LINKS:
        return _LINKS[key]
    if options := [option for option in schema.get("anyOf", ()) if option.get("type") != "null"]:
        return _type(key, options[0])
    if "enum" in schema:
        return " or ".join(f"`{word}`" for word in schema["enum"])
    if form := _FORMS.get(schema.get("pattern")):
        return form
    match schema.get("type"):
        case "array":
            return f"list of {_type('', schema['items'])}s"
        case "object":
            return "mapping of texts to texts"
        case None:
            return "mapping"
        case kind:
            return _TYPES[kind]


def _default(field: FieldInfo, schema: Mapping[str, Any]) -> str:
    """Return what counts when the key is left out, as an operator would write it."""
    if field.is_required():
        return "required"
    default = field.get_default(call_default_factory=True)
    if default is None or isinstance(default, Mapping) or default in ((), ""):
        return ""
    if isinstance(default, BaseModel):
        return ""
    if isinstance(default, tuple):
        return f"default `{_flow([_plain(one) for one in default])}`"
    return f"default `{_spelled(default, _pattern(schema))}`"


def _plain(value: Any) -> Any:
    return value.model_dump(by_alias=True, exclude_unset=True) if isinstance(value, BaseModel) else value


def _pattern(schema: Mapping[str, Any]) -> str:
    return str(schema.get("pattern", ""))


def _spelled(default: Any, pattern: str) -> str:
    match _FORMS.get(pattern):
        case "duration":
            return spell_duration(default)
        case "size":
            return spell_size(default)
        case _:
            return json.dumps(default) if isinstance(default, bool | int | float) else str(default)


def _flow(value: Any) -> str:
    """Return the value as YAML in one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_flow(child)}" for key, child in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return f'"{value}"' if isinstance(value, str) and value != value.strip() else str(value)
