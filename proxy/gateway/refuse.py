"""Turns a `ProxyError` into the answer a caller gets: a problem document that names our fault and nothing secret.

RFC 9457 (problem details) and RFC 9209 (Proxy-Status): a caller can tell our 401 from the upstream's.
"""

import json
import math
from http import HTTPStatus
from typing import Final

import orjson

from proxy.core.errors import DOCUMENTATION, ProxyError

REASONS: Final = {status.value: status.phrase.encode("ascii") for status in HTTPStatus}
STATUS_LINES: Final = {status: b"HTTP/1.1 %d %s\r\n" % (status, REASONS.get(status, b"")) for status in range(200, 600)}
"""The upstream's own reason phrase is not passed on: it carries no meaning (RFC 9112 §4) and may carry bytes."""

_OURS: Final = frozenset({"Content-Type", "Cache-Control"})
"""Headers that stand in every refusal already, in the spelling that errors use."""
_UNAUTHORIZED: Final = 401


def problem(error: ProxyError, identifier: str) -> bytes:
    """Return the problem document."""
    document: dict[str, str | int] = {
        "type": DOCUMENTATION + error.code,
        "title": error.title,
        "status": error.status,
    }
    if error.detail:
        document["detail"] = error.detail
    if identifier:
        document["instance"] = identifier
    try:
        return orjson.dumps(document | error.members)
    except orjson.JSONEncodeError:  # half of a surrogate pair stands in it, which came from outside
        return json.dumps(document | error.members).encode("ascii")


def refusal(error: ProxyError, identifier: str, *, keep_alive: bool, with_body: bool = True) -> bytes:
    """Return the whole answer as it goes over the wire."""
    body = problem(error, identifier)
    lines = [
        STATUS_LINES[error.status],
        b"Content-Type: application/problem+json\r\nCache-Control: no-store\r\n",
        b"Proxy-Status: countersign; error=%s\r\n" % error.proxy_error.encode("ascii"),
        b"Content-Length: %d\r\n" % len(body),
    ]
    if identifier:
        lines.append(b"X-Request-Id: %s\r\n" % identifier.encode("ascii"))
    if error.retry_after is not None:
        lines.append(b"Retry-After: %d\r\n" % max(1, math.ceil(error.retry_after)))
    if error.status == _UNAUTHORIZED:
        lines.append(b'WWW-Authenticate: Bearer realm="countersign"\r\n')  # RFC 9110 §15.5.2 asks for it
    lines += [
        b"%s: %s\r\n" % (name.encode("ascii"), value.encode("latin-1"))
        for name, value in error.headers.items()
        if name not in _OURS
    ]
    if not keep_alive:
        lines.append(b"Connection: close\r\n")
    lines.append(b"\r\n")
    if with_body:
        lines.append(body)
    return b"".join(lines)
