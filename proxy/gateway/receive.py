"""Looks at a request's head and refuses what is malformed or could be read in two ways; nothing here waits.

aiohttp's parser has already refused ambiguous framing. What it lets pass and is refused here: odd versions, methods
that echo or tunnel, targets that are not a path, a Host that is not one, codings other than `chunked`, dot segments.
"""

import re
from typing import Final

from multidict import CIMultiDictProxy

from proxy.core.errors import RequestInvalidError
from proxy.core.message import RequestHead
from proxy.gateway.inbound import Inbound

_HTTP_1: Final = ((1, 1), (1, 0))
METHODS: Final = frozenset({
    "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "QUERY", "SOURCE", "PURGE", "LINK", "UNLINK",
    "COPY", "LOCK", "MKCOL", "MOVE", "PROPFIND", "PROPPATCH", "SEARCH", "UNLOCK", "BIND", "REBIND", "UNBIND", "ACL",
    "REPORT", "MKACTIVITY", "CHECKOUT", "MERGE", "M-SEARCH", "NOTIFY", "SUBSCRIBE", "UNSUBSCRIBE", "MKCALENDAR",
})  # fmt: skip
"""What a caller may send: every method that aiohttp's parser reads, but TRACE, which echoes, and CONNECT, a tunnel."""
_TARGET: Final = re.compile(r"/[^\x00-\x20\x7f#]*")
_REG_NAME: Final = r"(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+"
_HOST: Final = re.compile(rf"(?P<name>{_REG_NAME}|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]{{1,5}}))?")
_SEPARATOR: Final = r"(?:[/\\]|%2f|%5c)"
_END: Final = r"(?:[/\\;]|%(?:2f|5c|3b|3f|23|20|7f|[01][0-9a-f])|$)"
"""Where a server may see a segment end: at a separator, or at what it cuts off or trims (`%00`, `%20`, `%3f`)."""
_DOT_SEGMENT: Final = re.compile(rf"{_SEPARATOR}(?:\.|%2e){{1,2}}(?={_END})", re.IGNORECASE)
_HOSTS_REMEMBERED: Final = 1024

_hosts: dict[str, str] = {}
"""Host headers that were found sound, with the name to match: a pure memory of `_parse_host`, bounded."""


def receive(inbound: Inbound) -> RequestHead:
    """Return the request's head, byte for byte, once it is found sound.

    Raises:
        RequestInvalidError: why it is refused; the message repeats nothing of the request.
    """
    message = inbound.message
    target, name = examine(message.version, message.method, message.path, message.headers)
    if "Expect" in message.headers:
        inbound.expects_continue = inbound.has_body and message.version == (1, 1) and not inbound.body_is_here
    path, question_mark, query = target.partition("?")
    return RequestHead(
        message.method, path, question_mark + query, name, message.raw_headers, message.headers, inbound.peer
    )


def examine(version: tuple[int, int], method: str, target: str, fields: CIMultiDictProxy[str]) -> tuple[str, str]:
    """Return path and query, and the lower-case name of the host that is asked for, empty when none is named.

    Raises:
        RequestInvalidError: why the head is refused; the message repeats nothing of it.
    """
    if version not in _HTTP_1:
        raise RequestInvalidError("only HTTP/1.1 and HTTP/1.0 are spoken here")
    if method not in METHODS:
        raise RequestInvalidError("this method is not served here")
    host = fields.get("Host")
    if target[:1] != "/":
        target, host = absolute_form(target)
    if not _TARGET.fullmatch(target):
        raise RequestInvalidError("the request target is not a path of printable characters without a fragment")
    if host is None and version == (1, 1):
        raise RequestInvalidError("the Host header is missing")
    if "Transfer-Encoding" in fields:
        _check_coding(version, fields)
    if "Expect" in fields and [value.lower() for value in fields.getall("Expect")] != ["100-continue"]:
        raise RequestInvalidError("the only expectation is `100-continue`")
    return target, "" if host is None else _hosts.get(host) or _parse_host(host)


def has_dot_segment(path: str) -> bool:
    """Tell whether a path has a `.` or `..` segment, plain or encoded, behind any separator that a server may know."""
    return ("." in path or "%2" in path) and _DOT_SEGMENT.search(path) is not None


def absolute_form(target: str) -> tuple[str, str]:
    """Take `http://host/path` apart (RFC 9112 §3.2.2): its authority wins over the Host header."""
    scheme, separator, rest = target.partition("://")
    if not separator or scheme.lower() not in {"http", "https"}:
        raise RequestInvalidError("the request target is neither a path nor an http(s) address")
    end = re.search(r"[/?#]", rest)
    authority, path = (rest[: end.start()], rest[end.start() :]) if end else (rest, "")
    return (path if path.startswith("/") else "/" + path), authority


def _parse_host(host: str) -> str:
    """Return the lower-case name in a Host header (RFC 9110 §7.2)."""
    match = _HOST.fullmatch(host)
    if match is None or (match["port"] is not None and not 0 < int(match["port"]) < 65536):
        raise RequestInvalidError("the Host header is not a host name with an optional port")
    if len(_hosts) >= _HOSTS_REMEMBERED:
        _hosts.clear()
    name = _hosts[host] = match["name"].lower().rstrip(".") or "."
    return name


def _check_coding(version: tuple[int, int], fields: CIMultiDictProxy[str]) -> None:
    codings = [coding.strip().lower() for coding in fields.getall("Transfer-Encoding")]
    if version == (1, 0) or codings != ["chunked"]:
        raise RequestInvalidError("the only transfer coding is `chunked`, once, on HTTP/1.1")
    if "Content-Length" in fields:
        raise RequestInvalidError("Content-Length and Transfer-Encoding exclude each other")
