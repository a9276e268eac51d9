"""Signs each request with a key: a keyed hash (RFC 2104) of what a template says of the request."""

import hmac
from base64 import b64decode, b64encode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from typing import Annotated, Final, Literal, Self
from urllib.parse import quote

from pydantic import AfterValidator, Field, model_validator

from proxy.core import string_to_sign
from proxy.core.headers import HeaderName, encode_value
from proxy.core.message import Injection
from proxy.core.secret import Secret
from proxy.core.tailored import Prepared, Signed, Tailored, UnfitError
from proxy.core.template import Template, UndefinedVariableError
from proxy.core.token import NO_VARIABLES, Token
from proxy.injectors.base import THE_TOKEN, TOKEN, InjectError, Injector, InjectorSettings, rendered
from proxy.injectors.header import OURS, checked_name

SIGNATURE: Final = "SIGNATURE"
THE_SIGNATURE: Final = Template(f"{{{{ {SIGNATURE} }}}}")
_DECODERS: Final[Mapping[str, Callable[[str], bytes]]] = {
    "text": lambda text: text.encode(),
    "base64": lambda text: b64decode(text, validate=True),
    "hex": bytes.fromhex,
}
_ENCODERS: Final[Mapping[str, Callable[[bytes], str]]] = {
    "hex": bytes.hex,
    "base64": lambda data: b64encode(data).decode(),
    "base64url": lambda data: urlsafe_b64encode(data).decode().rstrip("="),
}


def _free(name: str) -> str:
    if name.lower() in OURS:
        raise ValueError(f"{name} is written by the proxy itself; choose another header")
    return checked_name(name)


Name = Annotated[HeaderName, AfterValidator(_free)]


class HmacSettings(InjectorSettings):
    """A signature of each request: a keyed hash (HMAC) of a text that says what the request is."""

    kind: Literal["hmac"]
    """Sign each request with a keyed hash."""
    sign: Template
    """The string to sign. It may say METHOD, PATH, QUERY, BODY_SHA256, HEADER_CONTENT_TYPE and more of the request."""
    key: Template | None = None
    """The key; by default `{{ TOKEN }}`."""
    key_encoding: Literal["text", "base64", "hex"] = "text"
    """How the key is written."""
    algorithm: Literal["sha256", "sha512", "sha384", "sha1", "md5"] = "sha256"
    """The hash function."""
    encoding: Literal["hex", "base64", "base64url"] = "hex"
    """How the signature is written."""
    header: Name | None = None
    """The header that the signature goes into; the caller's own copy is dropped."""
    query: Annotated[str, Field(min_length=1)] | None = None
    """Or the query parameter, which is then the last one."""
    value: Template = THE_SIGNATURE
    """What goes there: `{{ SIGNATURE }}` with whatever stands around it."""
    headers: Mapping[Name, Template] = {}
    """More headers, such as a timestamp; they are there when the request is signed."""
    parameters: Mapping[Annotated[str, Field(min_length=1)], Template] = {}
    """More query parameters, in the same way."""

    @property
    def templates(self) -> tuple[Template, ...]:
        """Return every template that is filled in for each request."""
        return (self.sign, self.value, *self.headers.values(), *self.parameters.values())

    @property
    def request_names(self) -> frozenset[str]:
        """Return the variables that say something of the request."""
        used = frozenset[str]().union(*(template.names for template in self.templates))
        return frozenset(filter(string_to_sign.is_of_the_request, used))

    @property
    def names(self) -> frozenset[str]:
        """Return the variables that it needs beside the token itself."""
        used = (self.key or THE_TOKEN).names.union(*(template.names for template in self.templates))
        return used - self.request_names - {TOKEN, SIGNATURE}

    @property
    def places(self) -> tuple[tuple[str, str], ...]:
        """Return every header and parameter that it sets."""
        headers, parameters = self.adds
        return (*(("header", name.lower()) for name in headers), *(("query", name) for name in parameters))

    @property
    def adds(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the headers and the parameters that it sets."""
        header = () if self.header is None else (self.header,)
        query = () if self.query is None else (self.query,)
        return (*self.headers, *header), (*self.parameters, *query)

    @property
    def signature(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return what it adds."""
        return self.adds

    @property
    def masked(self) -> Self:
        """Return it with the token alone as its key."""
        return self.model_copy(update={"key": None, "key_encoding": "text"})

    @model_validator(mode="after")
    def _can_sign(self) -> Self:
        if (self.header is None) == (self.query is None):
            raise ValueError("say where the signature goes: `header: NAME` or `query: NAME`, one of them")
        if SIGNATURE not in self.value.names:
            raise ValueError("value has no {{ SIGNATURE }} in it, so the request would not be signed")
        early = (self.sign, *self.headers.values(), *self.parameters.values())
        if any(SIGNATURE in template.names for template in early):
            raise ValueError("{{ SIGNATURE }} is known once the request is signed; it can stand in value alone")
        if self.key is not None and (
            self.key.needs_moment or any(map(string_to_sign.is_of_the_request, self.key.names))
        ):
            raise ValueError("the key is the same for all requests; put what is of one request into `sign`")
        return self


class Hmac(Injector):
    """One signature."""

    Settings = HmacSettings

    def __init__(self, settings: HmacSettings, fixed: Mapping[str, Secret] = NO_VARIABLES) -> None:
        super().__init__(settings, fixed)
        self._settings = settings
        headers, parameters = settings.adds
        self._replaces = frozenset(name.lower().encode("ascii") for name in headers)
        self._query_names = frozenset(name.encode() for name in parameters)

    def inject(self, injection: Injection, token: Token) -> Injection:
        """Add what signs each request."""
        settings, known = self._settings, self.variables(token)
        if missing := sorted(settings.names - known.keys()):
            raise InjectError(f"the variable {missing[0]} has no value; the credential has to save it")
        try:
            key = _DECODERS[settings.key_encoding](rendered(settings.key or THE_TOKEN, known))
        except ValueError:
            raise InjectError(f"the key is not {settings.key_encoding}, as key_encoding says") from None
        signer = HmacSigner(settings, known, key)
        part = Injection(replaces=self._replaces, query_names=self._query_names, tailored=Tailored(signers=(signer,)))
        return injection.joined(part)


class HmacSigner:
    """Signs requests with one generation of a token."""

    def __init__(self, settings: HmacSettings, known: Mapping[str, Secret], key: bytes) -> None:
        self._settings = settings
        self._known = known
        self._key = key
        self._names = settings.request_names
        self.adds = settings.adds

    def __repr__(self) -> str:
        return "<HmacSigner>"

    def wants(self, given: Mapping[str, str], *, streams: bool, is_tls: bool) -> frozenset[str]:
        """Return what the templates say of the body."""
        return string_to_sign.wanted(self._names)

    def sign(self, prepared: Prepared) -> Signed:
        """Return the signature, and what is sent beside it."""
        settings = self._settings
        lines = b"".join(_line(name, self._fill(value, prepared)) for name, value in settings.headers.items())
        query = "&".join(_pair(name, self._fill(value, prepared)) for name, value in settings.parameters.items())
        prepared = prepared.with_more(lines, query.encode("ascii"))
        to_sign = string_to_sign.to_bytes(self._fill(settings.sign, prepared))
        signature = _ENCODERS[settings.encoding](hmac.digest(self._key, to_sign, settings.algorithm))
        value = self._fill(settings.value, prepared, signature)
        if settings.header is not None:
            return Signed(lines + _line(settings.header, value), query.encode("ascii"))
        return Signed(lines, "&".join(filter(None, (query, _pair(settings.query or "", value)))).encode("ascii"))

    def _fill(self, template: Template, prepared: Prepared, signature: str = "") -> str:
        said = string_to_sign.variables(self._names, prepared)
        values: dict[str, str | Secret] = {**self._known, **said, SIGNATURE: signature}
        try:
            return template.render(values, prepared.moment)
        except UndefinedVariableError as error:
            raise UnfitError(f"this request cannot be signed: {error}") from None
        except UnicodeEncodeError:
            raise UnfitError("this request cannot be signed: a part of it is not text that UTF-8 can write") from None


def _line(name: str, value: str) -> bytes:
    try:
        return name.encode("ascii") + b": " + encode_value(value) + b"\r\n"
    except ValueError as error:
        raise UnfitError(f"this request cannot be signed: in {name}, {error}") from None


def _pair(name: str, value: str) -> str:
    try:
        return f"{quote(name, safe='')}={quote(value, safe='')}"
    except UnicodeEncodeError:
        raise UnfitError(f"this request cannot be signed: {name} would hold what UTF-8 cannot write") from None
