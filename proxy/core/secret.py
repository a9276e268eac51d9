"""A secret is a value that prints as `***`, and that every text on its way out can be cleaned of.

Theory. A `Secret` is made when configuration is parsed or a token arrives, and dies with its owner. While it lives it
stands in `_ENDS`, so that `scrub` can remove its value from a text that somebody else composed (an exception of a
library, say), and with it the last few texts that were made of it: an encoding or a digest of a secret is one, too.
There it is found by the last characters of its spellings, so that what a text costs hangs on its length and not on how
many users have tokens. `reveal()` is the only way to the value; it is called on the line that puts it on the wire.
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


class _Known(weakref.ref["Secret"]):
    """A secret that lives, and the ends under which it is found."""

    __slots__ = ("ends",)
    ends: frozenset[str]


_ENDS: Final[dict[str, dict[int, _Known]]] = {}
"""The secrets that live, by the last `SHORTEST_SCRUBBED` characters of each of their spellings, and there by identity:
of two with the same value, either may outlive the other."""


def _forget(known: _Known, ends: frozenset[str] | None = None, found: dict[str, dict[int, _Known]] = _ENDS) -> None:
    """Find it no more under these ends. `found` is at hand though the interpreter has begun to take modules apart."""
    for end in known.ends if ends is None else ends:
        del found[end][id(known)]
        if not found[end]:
            del found[end]


class Secret:
    """A text that must not be seen."""

    __slots__ = ("__weakref__", "_known", "_made", "_spellings", "_value")

    def __init__(self, value: str) -> None:
        self._value = value
        self._made: dict[str, frozenset[str]] = {}
        self._known = _Known(self, _forget)
        self._known.ends = frozenset()
        self._spell(_spellings(value))

    def _spell(self, spellings: frozenset[str]) -> None:
        """Be found under these spellings from now on, and under no others."""
        self._spellings = spellings
        before, self._known.ends = self._known.ends, frozenset(one[-SHORTEST_SCRUBBED:] for one in spellings)
        for end in self._known.ends - before:
            _ENDS.setdefault(end, {})[id(self._known)] = self._known
        _forget(self._known, before - self._known.ends)

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
            self._spell(_spellings(self._value).union(*self._made.values()))

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
    found: list[tuple[int, int]] = []
    for at in range(SHORTEST_SCRUBBED, len(text) + 1):
        if (ending := _ENDS.get(text[at - SHORTEST_SCRUBBED : at])) is not None:
            found += [(at - length, at) for length in _lengths(tuple(ending.values()), text, at)]
    scrubbed, since = [], 0
    for start, end in _joined(sorted(found)):
        scrubbed += [text[since:start], MASK]
        since = end
    return "".join((*scrubbed, text[since:]))


def _lengths(ending: tuple[_Known, ...], text: str, at: int) -> set[int]:
    """Return how long the spellings are that end there."""
    secrets_ = (secret for known in ending if (secret := known()) is not None)
    return {len(one) for secret in secrets_ for one in secret._spellings if text.endswith(one, 0, at)}


def _joined(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the same, sorted, without overlaps."""
    joined: list[tuple[int, int]] = []
    for start, end in spans:
        if joined and start < joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def _spellings(value: str) -> frozenset[str]:
    """Return how a value may be written in a text that somebody else composed; none when it is too short to tell."""
    if len(value) < SHORTEST_SCRUBBED:
        return frozenset()
    return frozenset({value, *(encode(value, safe="", errors="surrogatepass") for encode in (quote, quote_plus))})
