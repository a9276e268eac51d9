"""A secret is a value that prints as `***`, and that every text on its way out can be cleaned of.

Theory. A `Secret` is made when configuration is parsed or a token arrives, and dies with its owner. While it lives it
stands in `_KNOWN`, so that `scrub` can remove its value from a text that somebody else composed (an exception of a
library, say), and with it the last few texts that were made of it: an encoding or a digest of a secret is one, too.
`reveal()` is the only way to the value; it is called on the line that puts the value on the wire.
"""

import hashlib
import hmac
import secrets
import weakref
from typing import Any, Final, NoReturn
from urllib.parse import quote, quote_plus

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import core_schema

MASK: Final = "***"
SHORTEST_SCRUBBED: Final = 5
"""Shorter values stand in innocent words too often; scrubbing them would only garble texts."""
MOST_REMEMBERED: Final = 32
"""Texts made of one secret that are scrubbed with it."""

_FINGERPRINT_KEY: Final = secrets.token_bytes(32)
_KNOWN: Final["weakref.WeakValueDictionary[int, Secret]"] = weakref.WeakValueDictionary()
"""By identity: of two secrets with the same value, either may outlive the other."""


class Secret:
    """A text that must not be seen."""

    __slots__ = ("__weakref__", "_made", "_spellings", "_value")

    def __init__(self, value: str) -> None:
        self._value = value
        self._made: dict[str, frozenset[str]] = {}
        self._spellings = _spellings(value)
        _KNOWN[id(self)] = self

    def reveal(self) -> str:
        """Return the value itself, for the line that sends it."""
        return self._value

    def remember(self, made: str) -> None:
        """Scrub, from now on, a text that was made of the value: an encoding, a digest, a signature.

        The last `MOST_REMEMBERED` are known for as long as the secret lives.
        """
        is_known = made in self._made
        self._made[made] = self._made.pop(made, frozenset()) or _spellings(made)  # the latest stands last
        if not is_known:
            if len(self._made) > MOST_REMEMBERED:
                del self._made[next(iter(self._made))]
            self._spellings = _spellings(self._value).union(*self._made.values())

    def matches(self, other: str) -> bool:
        """Compare in constant time."""
        return hmac.compare_digest(self._value.encode("utf-8", "surrogatepass"), other.encode("utf-8", "surrogatepass"))

    def fingerprint(self) -> str:
        """Return eight hex digits that tell two values apart in logs; keyed per process, so they give no oracle."""
        return hmac.new(_FINGERPRINT_KEY, self._value.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()[:8]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self.matches(other._value)

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __bool__(self) -> bool:
        return bool(self._value)

    def __repr__(self) -> str:
        return MASK

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return MASK

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not pickled: seal it first")

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        """Parse from a string; print as the mask."""
        parse = core_schema.no_info_after_validator_function(cls, core_schema.str_schema(strict=True))
        return core_schema.json_or_python_schema(
            json_schema=parse,
            python_schema=core_schema.union_schema([core_schema.is_instance_schema(cls), parse], mode="left_to_right"),
            serialization=core_schema.plain_serializer_function_ser_schema(lambda _: MASK),
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"type": "string"}


def scrub(text: str) -> str:
    """Return the text with every living secret's value replaced by the mask, plain or as it stands in a URL."""
    spellings = {one for known in _KNOWN.valuerefs() if (secret := known()) is not None for one in secret._spellings}
    for spelling in sorted(spellings, key=len, reverse=True):
        if spelling in text:
            text = text.replace(spelling, MASK)
    return text


def _spellings(value: str) -> frozenset[str]:
    """Return how a value may be written in a text that somebody else composed; none when it is too short to tell."""
    if len(value) < SHORTEST_SCRUBBED:
        return frozenset()
    return frozenset({value, *(encode(value, safe="", errors="surrogatepass") for encode in (quote, quote_plus))})
