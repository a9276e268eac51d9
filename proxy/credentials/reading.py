"""Reads a token out of a reply: where it stands, whether it can be one, and when it expires."""

import unicodedata
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field, create_model

from proxy import extractors
from proxy.core.kinds import OneOf, Table
from proxy.core.message import Reply
from proxy.core.secret import Secret
from proxy.core.settings import Settings
from proxy.core.symptom import Symptom, TokenRequestError
from proxy.core.token import NO_VARIABLES, Token
from proxy.credentials.expiry import ExpiryError, ExpiryType, SpentError, expires_at
from proxy.credentials.unreadable import unreadable
from proxy.extractors.base import ExtractError, Extractor, ExtractorSettings, FormatError, Found, NotFoundError

LONGEST_TOKEN: Final = 16 * 1024
"""Characters. No server takes a longer header; what is longer is a page or a document."""


_CONTROLS: Final = frozenset({"Cc", "Zl", "Zp"})
"""Unicode's categories of control characters and line breaks."""


class ExpirySettings(ExtractorSettings):
    """An expiry: where it stands, and what kind of number or text it is."""

    type: ExpiryType
    """datetime (ISO 8601), seconds or milliseconds from now, epoch or epoch_ms, or a jwt whose `exp` counts."""


class TokenExpirySettings(ExpirySettings):
    """The token is a JWT and says itself when it expires."""

    from_: Literal["token"] = Field("token", alias="from")
    """Look into the token itself."""
    type: Literal["jwt"]
    """The token is a JWT whose `exp` counts."""


def _kind(settings: type[Settings]) -> type:
    """Return a member of the table: all that a table wants is the settings."""
    return type(settings.__name__, (), {"Settings": settings})


def _found_by(kind: type[Extractor]) -> type:
    return _kind(create_model(f"{kind.__name__}Expiry", __base__=(kind.Settings, ExpirySettings), __doc__="An expiry."))


EXPIRIES: Final[Table[type]] = Table(
    "expiry",
    {word: _found_by(kind) for word, kind in extractors.KINDS.items()} | {"token": _kind(TokenExpirySettings)},
)


def _of_the_token(given: Any) -> Any:
    """Read `{type: jwt}` as `{from: token, type: jwt}`."""
    if isinstance(given, dict) and given.get("type") == "jwt" and "from" not in given:
        return {"from": "token", **given}
    return given


AnyExpiry = Annotated[ExpirySettings, OneOf(EXPIRIES, told_apart_by="from"), BeforeValidator(_of_the_token)]
"""A settings field that takes any extractor with the type of what it finds, or `{type: jwt}`."""


class TokenReader:
    """Made once from the settings `token` and `expiry`."""

    def __init__(self, token: ExtractorSettings, expiry: ExpirySettings | None) -> None:
        self.token = extractors.make_extractor(token)
        self.expiry = None if expiry is None or expiry.from_ == "token" else extractors.make_extractor(expiry)
        self.expiry_type: ExpiryType | None = None if expiry is None else expiry.type

    def read(self, subject: str, reply: Reply, variables: Mapping[str, Secret] = NO_VARIABLES) -> Token:
        """Return the token that the reply brings. `subject` is the request as a message may name it.

        `variables` are for the next fetch, whatever becomes of this one: they go with the token, or with the error.

        Raises:
            TokenRequestError: it brings none that can be used.
        """
        try:
            return replace(self._read(subject, reply), variables=variables)
        except TokenRequestError as error:
            error.variables = variables
            raise

    def _read(self, subject: str, reply: Reply) -> Token:
        value = self._value(subject, reply)
        try:
            at = expires_at(self._expiry(reply), self.expiry_type, reply=reply, token=value)
        except (ExpiryError, ExtractError) as error:
            place = f" at {self.expiry.place}" if self.expiry and not isinstance(error, SpentError) else ""
            raise TokenRequestError(Symptom.EXPIRY_WRONG, f"the reply to {subject} has{place} {error}") from None
        return Token(Secret(value), issued_at=reply.received_at, expires_at=at)

    def _value(self, subject: str, reply: Reply) -> str:
        try:
            return clean(self.token.extract(reply))
        except FormatError as error:
            raise unreadable(subject, reply, error, self.token.place) from None
        except ExtractError as error:
            raise TokenRequestError(Symptom.TOKEN_NOT_FOUND, f"in the reply to {subject} {error}") from None
        except UnusableError as error:
            raise TokenRequestError(error.symptom, f"the reply to {subject} has {error}") from None

    def _expiry(self, reply: Reply) -> Found | None:
        """Return what stands where the expiry should; a provider may leave it out (RFC 6749 §5.1)."""
        try:
            return None if self.expiry is None else self.expiry.extract(reply)
        except NotFoundError:
            return None


def found_in(reply: Reply, *places: Extractor) -> frozenset[str]:
    """Return what stands in these places, as texts; nothing for one where nothing can be found."""
    found: set[str] = set()
    for place in places:
        with suppress(ExtractError):
            found.add(str(place.extract(reply)).strip())
    return frozenset(found - {""})


class UnusableError(ValueError):
    """What was found can be no token (RFC 6749 App. A.12); the message never shows it."""

    def __init__(self, symptom: Symptom, message: str) -> None:
        super().__init__(message)
        self.symptom = symptom


def clean(found: Found) -> str:
    """Return a token's value without the white space around it.

    Raises:
        UnusableError: it cannot be a token.
    """
    value = str(found).strip()
    if not value:
        raise UnusableError(Symptom.TOKEN_EMPTY, "an empty text in the token's place")
    if isinstance(found, float):
        raise UnusableError(Symptom.TOKEN_UNUSABLE, "a fraction in the token's place, whose digits may be rounded")
    if len(value) > LONGEST_TOKEN:
        raise UnusableError(Symptom.TOKEN_UNUSABLE, f"more than {LONGEST_TOKEN // 1024} KiB in the token's place")
    if any(unicodedata.category(character) in _CONTROLS for character in value):
        raise UnusableError(Symptom.TOKEN_CONTROL, "a token with line breaks or control characters")
    if not value.isprintable() or any(character > "\xff" for character in value):
        raise UnusableError(Symptom.TOKEN_UNUSABLE, "a token with characters outside latin-1, or invisible ones")
    return value
