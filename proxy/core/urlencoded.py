"""The pairs of a query or a form (application/x-www-form-urlencoded), taken apart without being written anew."""

from collections.abc import Collection, Iterator
from typing import Final
from urllib.parse import unquote_to_bytes

_BLANK: Final = b" \t\r\n\v\f\0"


def without(encoded: str, names: Collection[bytes]) -> str:
    """Return the pairs whose name nobody can take for one of these; they keep their bytes and order.

    For the URL standard names are the same if every byte is, once decoded. Some servers read them with less care, and
    what stands in the place of a caller's value must stand there for those, too.
    """
    taken = {_carelessly(name) for name in names}
    return "&".join([part for part in encoded.split("&") if _carelessly(name_of(part)) not in taken])


def _carelessly(name: bytes) -> str:
    """Return a decoded name as a server reads it that trims it, ends it at a NUL, and is blind to case."""
    shown = name.lstrip(_BLANK).partition(b"\0")[0].rstrip(_BLANK)
    return shown.decode("utf-8", "surrogateescape").casefold()


def has(encoded: str, name: bytes) -> bool:
    """Tell whether a pair of that percent-decoded name is there."""
    return any(name_of(part) == name for part in encoded.split("&"))


def name_of(part: str) -> bytes:
    """Return the percent-decoded name of one pair."""
    return decoded(part.partition("=")[0])


def decoded(text: str) -> bytes:
    """Return what a name or a value stands for: `+` is a space, as forms have it."""
    return unquote_to_bytes(text.replace("+", " ").encode("utf-8", "surrogateescape"))


def pairs(encoded: str) -> Iterator[tuple[bytes, bytes]]:
    """Yield names and values, decoded; empty parts are none."""
    for part in encoded.split("&"):
        if part:
            name, _, value = part.partition("=")
            yield decoded(name), decoded(value)
