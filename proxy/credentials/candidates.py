"""Where in a reply a token or an expiry might stand that was not found, and as what an expiry there would be read.

Names are shown, values never are: a candidate is a place and, of an expiry, a type.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl

from proxy.core.message import Reply
from proxy.credentials import claims
from proxy.credentials.expiry import LONGEST_LIFETIME, ExpiryType
from proxy.credentials.showing import is_name
from proxy.extractors.base import FormatError
from proxy.extractors.json import parse

_CANDIDATES: Final = 10
_DEPTH: Final = 8
_BREADTH: Final = 50
_SHORTEST_TOKEN: Final = 5
"""Characters. A shorter text is not taken for a token that was missed."""
_LONGEST_FORM: Final = 16 * 1024
"""Characters."""
_FIVE_MINUTES: Final = 300
_DAY: Final = 86_400

_DATE: Final = re.compile(r"\d{4}-?\d\d-?\d\d(?:[T ].*)?")
_PLAIN_KEY: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_COOKIE: Final = re.compile(r"\s*([A-Za-z0-9_.~-]{1,60})\s*=")
_FORM: Final = re.compile(r"[A-Za-z0-9_.-]{1,60}=[^&=\s]*(?:&[A-Za-z0-9_.-]{1,60}=[^&=\s]*)*")
_DIGITS: Final = re.compile(r"[0-9]{1,18}(?:\.[0-9]{1,9})?")
_LIKE_TOKEN: Final = re.compile(r"token|jwt|session|ticket|key|bearer|auth|sid|value", re.IGNORECASE)
_LIKE_EXPIRY: Final = re.compile(r"exp|ttl|valid|until|life|age|timeout", re.IGNORECASE)
_NO_TOKEN: Final = frozenset({"www-authenticate", "proxy-authenticate", "proxy-authentication-info", "set-cookie"})


@dataclass(frozen=True, slots=True)
class Candidate:
    """A place where something might stand."""

    place: str
    """A JSONPath, or in the words of another extractor: `header X-Auth-Token`."""
    type: ExpiryType | None = None
    """As what an expiry there would be read; None: it is the candidate for a token."""

    def __str__(self) -> str:
        return self.place if self.type is None else f"{self.place} looks like {self.type}"


def token_candidates(reply: Reply) -> tuple[Candidate, ...]:
    """Return the places where a token might stand, the likeliest first."""
    found = [
        (path, key) for path, key, value in _leaves(reply) if isinstance(value, str) and len(value) >= _SHORTEST_TOKEN
    ]
    places = [*_likeliest(found, _LIKE_TOKEN), *_in_a_form(reply), *_in_the_head(reply)]
    return tuple(map(Candidate, places[:_CANDIDATES]))


def expiry_candidates(reply: Reply) -> tuple[Candidate, ...]:
    """Return the places where an expiry might stand, the likeliest first, each with the type that it looks like."""
    types = {path: (key, looks_like(value, reply)) for path, key, value in _leaves(reply)}
    found = [(path, key) for path, (key, type_) in types.items() if type_ is not None]
    return tuple(Candidate(path, types[path][1]) for path in _likeliest(found, _LIKE_EXPIRY))


def likely_expiries(reply: Reply) -> tuple[Candidate, ...]:
    """Return those of them whose names say so."""
    return tuple(one for one in expiry_candidates(reply) if _LIKE_EXPIRY.search(one.place.rpartition(".")[2]))


def looks_like(value: Any, reply: Reply) -> ExpiryType | None:
    """Return as what that value of a reply would most sensibly be read; None: it is no expiry."""
    if isinstance(value, str):
        if not _DIGITS.fullmatch(value.strip()):
            is_date = _DATE.fullmatch(value.strip()) is not None
            return "datetime" if is_date else "jwt" if claims.ends_at(value, reply) else None
        value = float(value)
    number = claims.finite(value)
    if number is None or number <= 0:
        return None
    if abs(number - reply.received_at) <= LONGEST_LIFETIME:
        return "epoch"
    if abs(number / 1000 - reply.received_at) <= LONGEST_LIFETIME:
        return "epoch_ms"
    if number > LONGEST_LIFETIME * 1000:
        return None
    return "milliseconds" if number > LONGEST_LIFETIME or reads_like_milliseconds(number) else "seconds"


def reads_like_milliseconds(number: float) -> bool:
    """Return True for a number that, as milliseconds, is a life of whole five minutes, up to a day.

    Lives of whole days in seconds are none of these: 2 592 000 ms would be 43.2 min.
    """
    seconds = number / 1000
    return _FIVE_MINUTES <= seconds <= _DAY and seconds % _FIVE_MINUTES == 0


def _likeliest(paths: list[tuple[str, str]], like: re.Pattern[str]) -> list[str]:
    ranked = sorted(paths, key=lambda pair: like.search(pair[1]) is None)
    return [path for path, _ in ranked[:_CANDIDATES]]


def _in_a_form(reply: Reply) -> Iterator[str]:
    text = reply.text()[:_LONGEST_FORM].strip()
    if _FORM.fullmatch(text):
        yield from (f"form {name}" for name, value in parse_qsl(text) if len(value) >= _SHORTEST_TOKEN)


def _in_the_head(reply: Reply) -> Iterator[str]:
    for name, value in reply.headers:
        if name.lower() == "set-cookie" and (cookie := _COOKIE.match(value)):
            yield f"cookie {cookie[1]}"
        elif name.lower() not in _NO_TOKEN and _LIKE_TOKEN.search(name) and len(value) >= _SHORTEST_TOKEN:
            yield f"header {name}"


def _leaves(reply: Reply) -> Iterator[tuple[str, str, Any]]:
    try:
        document = parse(reply)
    except FormatError:
        return
    yield from _walk(document, "$", "", 0)


def _walk(value: Any, path: str, key: str, depth: int) -> Iterator[tuple[str, str, Any]]:
    if depth > _DEPTH:
        return
    if isinstance(value, dict):
        for name, child in ((name, child) for name, child in value.items() if is_name(name)):
            yield from _walk(child, path + _step(name), name, depth + 1)
    elif isinstance(value, list):
        for index, child in enumerate(value[:_BREADTH]):
            yield from _walk(child, f"{path}[{index}]", key, depth + 1)
    else:
        yield path, key, value


def _step(name: str) -> str:
    if _PLAIN_KEY.fullmatch(name):
        return f".{name}"
    return f'["{name}"]' if "'" in name else f"['{name}']"
