"""Takes what had already arrived on a connection that broke while it was being written to.

An upstream that answers before it has read the request and closes resets the connection. The next write then fails,
and the event loop gives the socket up without reading it; the answer still lies there, and the system hands it out.
"""

import asyncio
import contextlib
import os
from typing import Final

LIMIT: Final = 1024 * 1024
"""Bytes at most: an answer that is longer breaks off there."""


def leftover(transport: asyncio.BaseTransport) -> bytes:
    """Return the bytes that nobody has read; call it in `connection_lost`, while the socket is still open.

    Over TLS there are none: what lies in the socket is ciphertext, and the layer that could read it is gone.
    """
    if transport.get_extra_info("ssl_object") is not None:
        return b""
    descriptor = transport.get_extra_info("socket").fileno()
    data = b""
    with contextlib.suppress(OSError):  # the reset itself, or nothing more: what came before counts
        while len(data) < LIMIT and (piece := os.read(descriptor, LIMIT - len(data))):
            data += piece
    return data
