"""Filters of templates: what may be done to a text before it goes into its place. Pure functions in one table."""

import hashlib
import hmac
import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple
from urllib.parse import quote

Value = str | bytes
"""A text, or the bytes of a digest, which print as hex digits in lower case."""


class Filter(NamedTuple):
    """One filter."""

    apply: Callable[[Value, str], Value]
    """Takes the value and the argument, which is empty where none is taken."""
    has_argument: bool = False


def text_of(value: Value) -> str:
    """Return the value as it is printed."""
    return value.hex() if isinstance(value, bytes) else value


def _bytes_of(value: Value) -> bytes:
    return value if isinstance(value, bytes) else value.encode()


def _on_text(change: Callable[[str], Value]) -> Filter:
    return Filter(lambda value, _: change(text_of(value)))


FILTERS: Final[Mapping[str, Filter]] = {
    "base64": Filter(lambda value, _: b64encode(_bytes_of(value)).decode("ascii")),
    "base64url": Filter(lambda value, _: urlsafe_b64encode(_bytes_of(value)).decode("ascii").rstrip("=")),
    "urlencode": _on_text(lambda text: quote(text, safe="")),
    "json": _on_text(json.dumps),
    "upper": _on_text(str.upper),
    "lower": _on_text(str.lower),
    "sha256": _on_text(lambda text: hashlib.sha256(text.encode()).digest()),
    "hmac_sha256": Filter(
        lambda value, key: hmac.digest(key.encode(), text_of(value).encode(), "sha256"), has_argument=True
    ),
    "md5": _on_text(lambda text: hashlib.md5(text.encode(), usedforsecurity=False).digest()),
}
"""In the order in which they are listed for people. Texts are UTF-8 wherever bytes are needed."""
