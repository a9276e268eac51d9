"""What may stand in a header line that the configuration writes: its name and its value, by the grammar of HTTP."""

import re
from typing import Annotated, Final

from pydantic import AfterValidator, WithJsonSchema

TOKEN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
"""RFC 9110 §5.6.2: methods, header names and cookie names are tokens."""

RESERVED: Final = frozenset(
    {
        "connection",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""Lower-case names that the connection itself needs: framing, routing, and RFC 9110 §7.6.1's hop-by-hop fields."""

_VALUE: Final = re.compile(r"[\t\x20-\x7e\xa0-\xff]*")


def check_name(name: str) -> str:
    """Return the name of a header that a configuration may set.

    Raises:
        ValueError: it is not a header name, or one that is not the configuration's to set.
    """
    if not TOKEN.fullmatch(name):
        raise ValueError("a header name consists of letters, digits and !#$%&'*+-.^_`|~ (RFC 9110 §5.6.2)")
    if name.lower() in RESERVED:
        raise ValueError(f"{name} belongs to the connection itself and cannot be set; choose another header")
    return name


def encode_value(value: str) -> bytes:
    """Return a header value as bytes (RFC 9110 §5.5, in latin-1).

    Raises:
        ValueError: it holds CR, LF, NUL, another control character, or one outside latin-1; the message never shows it.
    """
    if not _VALUE.fullmatch(value):
        raise ValueError("a header value cannot hold line breaks, control characters or characters outside latin-1")
    return value.encode("latin-1")


HeaderName = Annotated[
    str, AfterValidator(check_name), WithJsonSchema({"type": "string", "pattern": f"^{TOKEN.pattern}$"})
]
"""A header's name in the configuration."""
