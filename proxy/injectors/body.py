"""Puts a token into a field of the request's body: a form or a JSON document that the caller sends."""

import re
from collections.abc import Mapping
from typing import Annotated, Final, Literal, Self
from urllib.parse import quote_plus

from pydantic import AfterValidator, Field, model_validator

from proxy.core import urlencoded
from proxy.core.json_edit import Mode, UnreadableError, put
from proxy.core.message import Injection
from proxy.core.secret import Secret
from proxy.core.tailored import Tailored, UnfitError
from proxy.core.token import NO_VARIABLES, Token
from proxy.injectors.base import InjectError, Injector, PlacedSettings

_KEYS: Final = re.compile(r"(?:\$\.)?[^.\[\]$*\s\"']+(?:\.[^.\[\]$*\s\"']+)*")
_FORM: Final = "application/x-www-form-urlencoded"
_JSON: Final = re.compile(r"application/(?:[a-z0-9.+-]+\+)?json")
_CHARSETS: Final = frozenset({"", "utf-8", "us-ascii", "utf8"})


def _path(text: str) -> str:
    if not _KEYS.fullmatch(text):
        raise ValueError("write keys with dots between them, such as $.auth.token; there are no lists and wildcards")
    return text


class BodySettings(PlacedSettings):
    """A token in a field of the request's body: of a form, or of a JSON document."""

    kind: Literal["body"]
    """Put the token into a field of the request's body."""
    form: Annotated[str, Field(min_length=1)] | None = None
    """The field's name, in a form (application/x-www-form-urlencoded)."""
    json_: Annotated[str, AfterValidator(_path)] | None = Field(None, alias="json")
    """The keys that lead to the field, in a JSON document: `$.auth.token`, or a bare key."""
    prefix: str = ""
    """What stands before the value."""

    @property
    def name_of_place(self) -> str:
        """Return the form's field, or the keys as a path."""
        return self.form or ".".join(("$", *self.keys))

    @property
    def keys(self) -> tuple[str, ...]:
        """Return the keys that lead to the field of a JSON document."""
        return tuple((self.json_ or "").removeprefix("$.").split("."))

    @model_validator(mode="after")
    def _one_format(self) -> Self:
        if (self.form is None) == (self.json_ is None):
            raise ValueError("say where in the body: `form: NAME` or `json: $.PATH`, one of them")
        return self


class Body(Injector):
    """One field of the body."""

    Settings = BodySettings

    def __init__(self, settings: BodySettings, fixed: Mapping[str, Secret] = NO_VARIABLES) -> None:
        super().__init__(settings, fixed)
        self._settings = settings

    def inject(self, injection: Injection, token: Token) -> Injection:
        """Add the field."""
        settings = self._settings
        try:
            value = Secret(settings.prefix + self.render(settings.value, token))
            value.reveal().encode()
        except UnicodeEncodeError:
            raise InjectError("the token for the request body is not text that UTF-8 can write") from None
        except InjectError as error:
            raise InjectError(f"the token cannot stand in the request body: {error}") from None
        edit: FormField | JsonField
        if settings.form is not None:
            edit = FormField(settings.form, value, settings.mode)
        else:
            edit = JsonField(settings.keys, value, settings.mode)
        return injection.joined(Injection(tailored=Tailored(edits=(edit,))))


class FormField:
    """Sets one field of a form."""

    def __init__(self, name: str, value: Secret, mode: Mode) -> None:
        self.field = f"form field {name}"
        self._name = name.encode()
        self._value = value
        self._start = quote_plus(name) + "="
        self._mode = mode

    def apply(self, media_type: str, body: bytes) -> bytes:
        """Return the form with the field at its end; the other fields keep their bytes."""
        kind, charset = _kind(media_type)
        if kind != _FORM or charset not in _CHARSETS:
            raise UnfitError(f"this route's credential goes into a form: send Content-Type {_FORM}, in UTF-8")
        form = body.decode("utf-8", "surrogateescape")
        if self._mode == "keep" and urlencoded.has(form, self._name):
            return body
        if self._mode == "replace":
            form = urlencoded.without(form, {self._name})
        field = self._start + quote_plus(self._value.reveal())
        return (f"{form}&{field}" if form else field).encode("utf-8", "surrogateescape")


class JsonField:
    """Sets one field of a JSON document."""

    def __init__(self, keys: tuple[str, ...], value: Secret, mode: Mode) -> None:
        self.field = f"JSON field $.{'.'.join(keys)}"
        self._keys = keys
        self._value = value
        self._mode: Mode = mode

    def apply(self, media_type: str, body: bytes) -> bytes:
        """Return the document with the field in it; everything else keeps its bytes."""
        kind, charset = _kind(media_type)
        if not _JSON.fullmatch(kind) or charset not in _CHARSETS:
            raise UnfitError("this route's credential goes into a JSON document: send Content-Type application/json")
        try:
            return put(body.decode(), self._keys, self._value.reveal(), self._mode).encode()
        except UnicodeDecodeError:
            raise UnfitError("this route's credential goes into the JSON that is sent, which is not UTF-8") from None
        except UnreadableError as error:
            raise UnfitError(f"this route's credential goes into the JSON that is sent, but {error}") from None


def _kind(media_type: str) -> tuple[str, str]:
    """Return the media type and its charset, in lower case."""
    kind, *parameters = (part.strip().lower() for part in media_type.split(";"))
    given = [value.strip('"') for name, _, value in (one.partition("=") for one in parameters) if name == "charset"]
    return kind, given[0] if given else ""
