"""How an unquoted word of the file is read: as every YAML reader reads it, or not at all.

YAML 1.1 and 1.2 disagree about some words: `no` is false or a text, `012` is ten or twelve, `1:30` is ninety or a text.
Whoever wrote them meant one of the two, so they are refused with what to write instead. Messages never repeat a number
or a date: it may be a password.
"""

import re
from math import isfinite
from typing import Final

from proxy.config.positions import Scalar

_QUOTE: Final = "put it in quotes if it is a text"
_NULLS: Final = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLS: Final = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_SWITCHES: Final = {"y": "true", "yes": "true", "on": "true", "n": "false", "no": "false", "off": "false"}
_INT: Final = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_FLOAT: Final = re.compile(r"[-+]?(?:0|[1-9][0-9]*)\.[0-9]*(?:[eE][-+][0-9]+)?")
_LONGEST: Final = 18
"""Characters of a number that every reader holds exactly."""

_TRAPS: Final = (
    (r"[-+]?0o?[0-9_]+", f"readers disagree whether a leading 0 means octal; write it without the 0, or {_QUOTE}"),
    (
        r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?",
        f"digits with colons are a number in base 60 to some readers; write 90s for a duration, or {_QUOTE}",
    ),
    (
        r"[-+]?(?:0x[0-9a-fA-F_]+|0b[01_]+|(?:[0-9][0-9_]*\.?|\.[0-9])[0-9_]*(?:[eE][-+]?[0-9]+)?)",
        f"readers disagree about this way of writing a number; write plain digits, or {_QUOTE}",
    ),
    (
        r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        f"infinity and not-a-number mean nothing here; write a number, or {_QUOTE}",
    ),
    (
        r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:(?:[Tt]|[ \t]+)[0-9]{1,2}:.*)?",
        "readers disagree whether this is a date or a text; put it in quotes",
    ),
    (r"=|<<", f"this sign has a meaning of its own to some readers; {_QUOTE}"),
)
_BEGINS_A_TRAP: Final = frozenset("0123456789+-.=<")
"""No number, date or sign begins otherwise: most words need no further look."""
_COMPILED_TRAPS: Final = tuple((re.compile(pattern), message) for pattern, message in _TRAPS)


class AmbiguousError(ValueError):
    """Readers disagree about the word; the message says what to write instead."""


def read(word: str) -> Scalar:
    """Return what an unquoted word means.

    Raises:
        AmbiguousError: it depends on who reads it.
    """
    if word in _NULLS:
        return None
    if word in _BOOLS:
        return _BOOLS[word]
    if meant := _SWITCHES.get(word.lower()):
        raise AmbiguousError(f'`{word}` is a truth value to some readers; write {meant}, or "{word}" if it is a text')
    if word[0] not in _BEGINS_A_TRAP:
        return word
    if len(word) <= _LONGEST and _INT.fullmatch(word):
        return int(word)
    if len(word) <= _LONGEST and _FLOAT.fullmatch(word) and isfinite(number := float(word)):
        return number
    for trap, message in _COMPILED_TRAPS:
        if trap.fullmatch(word):
            raise AmbiguousError(message)
    return word
