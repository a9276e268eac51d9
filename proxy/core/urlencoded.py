"""The pairs of a query or a form (application/x-www-form-urlencoded), taken apart without being written anew."""

from collections.abc import Collection, Iterator
from urllib.parse import unquote_to_bytes


def without(encoded: str, names: Collection[bytes]) -> str:
    """Return the pairs whose percent-decoded name is none of these; they keep their bytes and order."""
    return "&".join([part for part in encoded.split("&") if name_of(part) not in names])


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
