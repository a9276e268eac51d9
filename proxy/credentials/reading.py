"""Reads a token out of a reply: where it stands, whether it can be one, and when it expires."""

import unicodedata
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Annotated, Any, Final, Literal, NamedTuple

from pydantic import AfterValidator, BeforeValidator, Field, create_model

from proxy import extractors
from proxy.core.kinds import OneOf, Table
from proxy.core.message import Reply
from proxy.core.secret import Secret
from proxy.core.settings import Settings
from proxy.core.symptom import Symptom, TokenRequestError
from proxy.core.token import NO_VARIABLES, Token
from proxy.credentials.expiry import ExpiryError, ExpiryType, SpentError, expires_at
from proxy.credentials.unreadable import is_page, page, unreadable
from proxy.extractors.alternatives import Alternatives
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
    default: None = None
    """None goes with it; a place before it in a list may be asked first."""


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


def _one_or_several(given: Any) -> Any:
    return [_of_the_token(one) for one in given] if isinstance(given, list) else _of_the_token(given)


Expiries = ExpirySettings | tuple[ExpirySettings, ...]
"""Where an expiry may stand: one place, or several in the order in which they are asked."""


def _in_order(places: Expiries) -> Expiries:
    extractors.default_last(places)
    if isinstance(places, tuple) and any(place.from_ == "token" for place in places[:-1]):
        raise ValueError("`type: jwt` without `from` ends the search: put it last")
    return places


AnyExpiry = Annotated[
    Expiries,
    OneOf(EXPIRIES, told_apart_by="from", or_several=True),
    BeforeValidator(_one_or_several),
    AfterValidator(_in_order),
]
"""A settings field that takes any extractor with the type of what it finds, `{type: jwt}`, or a list of them."""


class Told(NamedTuple):
    """What a reply says of an expiry."""

    place: str
    """Where, as a message may name it."""
    found: Found | None
    """None: nothing stands there; if it is the token that was asked, its `exp` does."""
    type: ExpiryType


class ExpiryPlaces:
    """The places where an expiry may stand, each with the type of what stands there."""

    def __init__(self, settings: Expiries) -> None:
        several = settings if isinstance(settings, tuple) else (settings,)
        self._types = {extractors.make_extractor(one): one.type for one in several if one.from_ != "token"}
        self._alternatives = Alternatives(tuple(self._types))
        self._last = several[-1]
        self.place = " or ".join([one.place for one in self._types] + ["the token"] * self._asks_token)

    @property
    def _asks_token(self) -> bool:
        return self._last.from_ == "token"

    def find(self, reply: Reply) -> Told:
        """Return what the first place says that says something.

        Raises:
            ExtractError: none does, or one says what is no text or number.
        """
        if not self._types:
            return Told(self.place, None, self._last.type)
        try:
            if len(self._types) == 1:
                (extractor,) = self._types
                return Told(*extractor.found(reply), self._types[extractor])
            extractor, place, found = self._alternatives.first(reply)
        except (NotFoundError, FormatError):
            if not self._asks_token:
                raise
            return Told("the token", None, self._last.type)
        return Told(place, found, self._types[extractor])

    def told(self, reply: Reply) -> Told:
        """Return what `find` does; a provider may leave an expiry out (RFC 6749 §5.1).

        Raises:
            ExtractError: a place says what is no text or number.
        """
        try:
            return self.find(reply)
        except NotFoundError:
            return Told(self.place, None, self._last.type)


class TokenReader:
    """Made once from the settings `token` and `expiry`."""

    def __init__(self, token: extractors.Places, expiry: Expiries | None) -> None:
        self.token = extractors.make_extractor(token)
        self.expiry = None if expiry is None else ExpiryPlaces(expiry)

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
        told = None
        try:
            told = self.expiry.told(reply) if self.expiry else None
            at = expires_at(told and told.found, told and told.type, reply=reply, token=value)
        except ExtractError as error:
            raise TokenRequestError(Symptom.EXPIRY_WRONG, f"in the reply to {subject} {error}") from None
        except ExpiryError as error:
            place = f" at {told.place}" if told and not isinstance(error, SpentError) else ""
            raise TokenRequestError(Symptom.EXPIRY_WRONG, f"the reply to {subject} has{place} {error}") from None
        return Token(Secret(value), issued_at=reply.received_at, expires_at=at)

    def _value(self, subject: str, reply: Reply) -> str:
        try:
            found = self.token.extract(reply)
            if is_page(str(found)):  # whoever takes the whole body for the token takes a login form, too
                raise page(subject, reply)
            return clean(found)
        except FormatError as error:
            raise unreadable(subject, reply, error, self.token.place) from None
        except ExtractError as error:
            raise TokenRequestError(Symptom.TOKEN_NOT_FOUND, f"in the reply to {subject} {error}") from None
        except UnusableError as error:
            raise TokenRequestError(error.symptom, f"the reply to {subject} has {error}") from None


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
