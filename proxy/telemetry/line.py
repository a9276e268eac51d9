"""How a line of the log is written: JSON for machines, one readable row for a terminal."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, Literal

import orjson

from proxy.telemetry.redaction import Value

Level = Literal["debug", "info", "warning", "error"]
LEVELS: Final[Mapping[Level, int]] = {"debug": 10, "info": 20, "warning": 30, "error": 40}
"""How grave each level is, in the numbers of the standard library."""
HEAD: Final = ("time", "level", "event")
"""The fields that every line begins with."""


def rfc3339(moment: float) -> str:
    """Return Unix seconds as RFC 3339 in UTC, to the millisecond."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def as_json(fields: Mapping[str, Value]) -> bytes:
    """Return the fields as one line of JSON."""
    return orjson.dumps(fields, option=orjson.OPT_APPEND_NEWLINE)


def as_text(fields: Mapping[str, Value]) -> bytes:
    """Return the fields as a row for people; what is empty is left out, what has lines of its own follows below."""
    time, level, event = (str(fields.get(name, "")) for name in HEAD)
    rest = {name: str(value) for name, value in fields.items() if name not in HEAD and value not in (None, "")}
    row = [time[11:23], f"{level:<7}", event, *(f"{name}={text}" for name, text in rest.items() if "\n" not in text)]
    below = [text for text in rest.values() if "\n" in text]
    # A terminal obeys escape sequences, and texts from outside may hold some: only printable characters reach it.
    lines = (_printable(line) for text in (" ".join(row), *below) for line in text.split("\n"))
    return "\n".join([*lines, ""]).encode("utf-8", "backslashreplace")


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)
