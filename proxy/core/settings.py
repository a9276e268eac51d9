"""The record that every piece of configuration is: frozen, strict about unknown keys, its units in its types."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, WithJsonSchema

from proxy.core import descriptions

_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SIZES: Final = {"B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}
_DURATION: Final = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,12})?)(ms|s|m|h|d)")
_SIZE: Final = re.compile(r"([0-9]{1,15})(B|KiB|MiB|GiB)")


class Settings(BaseModel):
    """Base of every settings record. The object that reads a record reads the very one that was parsed."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        use_attribute_docstrings=descriptions.wanted,
        hide_input_in_errors=True,
        defer_build=True,  # the configuration builds all that it needs at once; a record alone, when it is first used
    )


def parse_duration(value: Any) -> Any:
    """Turn `500ms`, `30s`, `5m`, `1h`, `2d` into seconds; leave a float that is one already.

    Raises:
        ValueError: the text is not a duration.
    """
    if isinstance(value, float):
        return value
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"{value!r} is not a duration; write a number with its unit: 500ms, 30s, 5m, 1h")
    return float(match[1]) * _UNITS[match[2]]


def spell_duration(seconds: float) -> str:
    """Return the seconds as an operator writes them, in the largest unit that needs no fraction."""
    milliseconds = round(seconds * 1000)
    unit = next(unit for unit in ("h", "m", "s", "ms") if milliseconds % round(_UNITS[unit] * 1000) == 0)
    return f"{milliseconds // round(_UNITS[unit] * 1000)}{unit}" if milliseconds else "0s"


def parse_size(value: Any) -> Any:
    """Turn `256KiB`, `64MiB` into bytes; leave an int that came from a default.

    Raises:
        ValueError: the text is not a size.
    """
    match = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"{value!r} is not a size; write a number with its unit: 512B, 256KiB, 64MiB, 1GiB")
    return int(match[1]) * _SIZES[match[2]]


def spell_size(size: int) -> str:
    """Return the bytes as an operator writes them, in the largest unit that needs no fraction."""
    unit = next(unit for unit in ("GiB", "MiB", "KiB", "B") if size % _SIZES[unit] == 0)
    return f"{size // _SIZES[unit]}{unit}" if size else "0B"


def find_file(value: Any, info: ValidationInfo) -> Any:
    """Turn a path into one that does not depend on the working directory.

    Whoever validates may say how, by `context={"find": …}`: the loader does, relative to the configuration file.

    Raises:
        ValueError: the value is not a path.
    """
    if isinstance(value, Path):
        return value
    if not isinstance(value, str) or not value:
        raise ValueError("must be the path of a file, as a text")
    find: Callable[[str], Path] = (info.context or {}).get("find", Path)
    return find(value)


def place_file(value: Any, info: ValidationInfo) -> Any:
    """Turn a path into one that does not depend on the working directory, as `find_file` does, of a file of our own.

    Raises:
        ValueError: the value is not a path.
    """
    if isinstance(value, Path):
        return value
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError("must be the path of a file, as a text")
    place: Callable[[str], Path] = (info.context or {}).get("place", Path)
    return place(value)


Duration = Annotated[
    float,
    BeforeValidator(parse_duration),
    Field(allow_inf_nan=False),
    WithJsonSchema({"type": "string", "pattern": rf"^{_DURATION.pattern}$", "examples": ["500ms", "30s", "5m"]}),
]
"""Seconds, written with a unit."""

Size = Annotated[
    int,
    BeforeValidator(parse_size),
    WithJsonSchema({"type": "string", "pattern": rf"^{_SIZE.pattern}$", "examples": ["256KiB", "64MiB"]}),
]
"""Bytes, written with a unit."""

ConfigFile = Annotated[Path, BeforeValidator(find_file), WithJsonSchema({"type": "string", "examples": ["ca.pem"]})]
"""A file that belongs to the configuration: relative to it, and watched with it."""

DataFile = Annotated[Path, BeforeValidator(place_file), WithJsonSchema({"type": "string", "examples": ["tokens.db"]})]
"""A file that Countersign itself writes: relative to the configuration, and not a part of it."""
