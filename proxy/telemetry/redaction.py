"""What may be said aloud: texts without secrets, and errors without what they carry along.

Theory. Secrets of ours are known by value (`core.secret.scrub`). A caller's own keys, and whatever a library quotes in
its messages, are not; they are known by where they stand: after `Bearer`, in a header that is printed, in a URL before
its `@` or after its `?`. An error is told as types, messages and places, never with the values of variables.
"""

import re
from collections.abc import Iterator, Mapping
from enum import Enum
from itertools import islice
from traceback import extract_tb
from typing import Any, Final

from proxy.core.secret import MASK, scrub

Value = str | int | float | bool | None

LONGEST: Final = 8192
"""Characters that one text may have; what is longer is cut."""
DEEPEST: Final = 5
"""How many errors are told that stand behind one error."""
FRAMES: Final = 20
"""How many places are told per error: the innermost."""

_BETWEEN: Final = "\n\0\n"
"""Parts the texts of one line while they are cleaned together; no pattern below reaches across it."""
_PLACES: Final = (
    (re.compile(r"\b((?i:bearer|basic)(?:\s+|%20))(?=\S*[\dA-Z=])[\w.~+/=-]+"), rf"\1{MASK}"),
    (
        re.compile(
            r"(?i)\b((?:proxy-)?authorization|(?:set-)?cookie|x-countersign-key|x-api-key)"
            r"(['\"]?\s*[:=]\s*(?:b?['\"])?|['\"]\s*,\s*b?['\"])[^'\"\r\n]+"
        ),
        rf"\1\2{MASK}",
    ),
    (
        re.compile(r"(?i)((?:token|secret|password|api[-_]?key)(?:=|['\"]\s*[:,]\s*b?['\"]))[^\s'\"&;,)}>]+"),
        rf"\1{MASK}",
    ),
    (re.compile(r"(://)[^\s/?#'\"@]+@"), rf"\1{MASK}@"),
    (re.compile(r"(://[^\s?#'\"<>]*\?)[^\s#'\"<>]+"), rf"\1{MASK}"),
)
_QUOTING: Final = frozenset({"aiohttp", "httptools", "multidict", "pydantic", "pydantic_core", "yarl"})
"""Libraries whose errors quote what they were given: URLs, headers, values. Only their types are told."""


def clean(text: str) -> str:
    """Return the text without secrets, and not longer than `LONGEST`."""
    return _shorten(_without_secrets(_bounded(text)))


def clean_fields(fields: Mapping[str, Any]) -> dict[str, Value]:
    """Return the fields as plain values, their texts clean. One pass for all of them: secrets may be many."""
    plain = {name: _plain(value) for name, value in fields.items()}
    texts = {name: _bounded(value) for name, value in plain.items() if isinstance(value, str)}
    cleaned = _without_secrets(_BETWEEN.join(texts.values())).split(_BETWEEN)
    return plain | dict(zip(texts, map(_shorten, cleaned), strict=False))


def tell(error: BaseException) -> str:
    """Return the error's type and message in one line, its message left out when its library quotes requests there."""
    kind = type(error)
    if kind.__module__.partition(".")[0] in _QUOTING:
        return kind.__qualname__
    try:
        message = str(error)
    except Exception:  # noqa: BLE001 - somebody's __str__ is broken, and we are on the way to say what went wrong
        message = ""
    return f"{kind.__qualname__}: {message}" if message else kind.__qualname__


def describe(error: BaseException) -> str:
    """Return the error, where it was raised, and the errors behind it. Not clean yet: `clean_fields` sees to that."""
    return "\ncaused by ".join("\n".join([tell(one), *_places(one)]) for one in islice(_chain(error), DEEPEST))


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    behind: BaseException | None = error
    while behind is not None and id(behind) not in seen:
        yield behind
        seen.add(id(behind))
        if isinstance(behind, BaseExceptionGroup):
            behind = behind.exceptions[0]
        else:
            behind = behind.__cause__ or (None if behind.__suppress_context__ else behind.__context__)


def _places(error: BaseException) -> Iterator[str]:
    for frame in extract_tb(error.__traceback__)[-FRAMES:]:
        yield f"  at {frame.filename}:{frame.lineno} in {frame.name}"


def _plain(value: Any) -> Value:
    match value:
        case Enum():
            return _plain(value.value)
        case str():
            return value.encode("utf-8", "backslashreplace").decode()
        case bool() | float() | None:
            return value
        case int():
            return value if -(2**53) < value < 2**53 else str(value)
        case bytes():
            return value.decode("utf-8", "backslashreplace")
        case BaseException():
            return tell(value)
        case list() | tuple() | set() | frozenset():
            return ", ".join(str(_plain(item)) for item in value)
        case _:
            return str(value)


def _bounded(text: str) -> str:
    # Far behind what is shown, so that no secret is shown in half; NUL parts texts, so it must not stand in one.
    return text[: 4 * LONGEST].replace("\0", "\\0")


def _shorten(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def _without_secrets(text: str) -> str:
    text = scrub(text)
    for place, replacement in _PLACES:
        text = place.sub(replacement, text)
    return text
