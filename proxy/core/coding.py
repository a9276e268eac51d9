"""Undoes a Content-Encoding, never further than a limit: a kilobyte can unfold into a gigabyte."""

import zlib
from typing import Final

_AUTOMATIC: Final = 32 + zlib.MAX_WBITS
"""zlib's own words for `gzip or zlib, look at the first bytes`."""


class CodingError(ValueError):
    """The coding is unknown, or the bytes are not in it."""


def decode(body: bytes, coding: str | None, *, limit: int) -> bytes:
    """Return at most `limit` decoded bytes. A body that is cut short yields what it holds.

    Raises:
        CodingError: the coding is not gzip, deflate or identity, or the bytes are damaged.
    """
    match (coding or "identity").strip().lower():
        case "identity":
            return body[:limit]
        case "gzip" | "x-gzip":
            return _inflate(body, limit, _AUTOMATIC)
        case "deflate":
            # RFC 9110 §8.4.1.2: zlib's format, yet some servers send the bare stream; zlib's first nibble is 8.
            return _inflate(body, limit, _AUTOMATIC if body[:1] and body[0] & 0x0F == 8 else -zlib.MAX_WBITS)
        case _:
            raise CodingError("a content coding other than gzip, deflate or identity")


def _inflate(body: bytes, limit: int, window: int) -> bytes:
    try:
        return zlib.decompressobj(window).decompress(body, limit) if limit > 0 else b""
    except zlib.error:
        raise CodingError("the body is damaged, or not in the coding that it names") from None
