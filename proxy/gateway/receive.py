"""Looks at a request's head and refuses what is malformed or could be read in two ways; nothing here waits.

aiohttp's parser has already refused ambiguous framing. What it lets pass and is refused here: odd versions, methods
that echo or tunnel, targets that are not a path, a Host that is not one, codings other than `chunked`, dot segments.
"""

import re
from typing import Final

from aiohttp.http_parser import RawRequestMessage

from proxy.core.errors import RequestInvalidError
from proxy.core.message import RequestHead
from proxy.gateway.inbound import Inbound

_HTTP_1: Final = ((1, 1), (1, 0))
_REFUSED_METHODS: Final = frozenset({"TRACE", "CONNECT"})
_TARGET: Final = re.compile(r"/[^\x00-\x20\x7f#]*")
_REG_NAME: Final = r"(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+"
_HOST: Final = re.compile(rf"(?P<name>{_REG_NAME}|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]{{1,5}}))?")
_SEPARATOR: Final = r"(?:[/\\]|%2f|%5c)"
_DOT_SEGMENT: Final = re.compile(rf"{_SEPARATOR}(?:\.|%2e){{1,2}}(?={_SEPARATOR}|;|%3b|$)", re.IGNORECASE)
_HOSTS_REMEMBERED: Final = 1024

_hosts: dict[str, str] = {}
"""Host headers that were found sound, with the name to match: a pure memory of `_parse_host`, bounded."""


def receive(inbound: Inbound) -> RequestHead:
    """Return the request's head, byte for byte, once it is found sound.

    Raises:
        RequestInvalidError: why it is refused; the message repeats nothing of the request.
    """
    message = inbound.message
    if message.version not in _HTTP_1:
        raise RequestInvalidError("only HTTP/1.1 and HTTP/1.0 are spoken here")
    if message.method in _REFUSED_METHODS:
        raise RequestInvalidError("TRACE and CONNECT are not served here")
    fields = message.headers
    target = message.path
    host = fields.get("Host")
    if target[:1] != "/":
        target, host = _absolute_form(target)
    if not _TARGET.fullmatch(target):
        raise RequestInvalidError("the request target is not a path of printable characters without a fragment")
    if host is None:
        if message.version == (1, 1):
            raise RequestInvalidError("the Host header is missing")
        name = ""
    else:
        name = _hosts.get(host) or _parse_host(host)
    if "Transfer-Encoding" in fields:
        _check_coding(message)
    if "Expect" in fields:
        _check_expectation(inbound)
    path, question_mark, query = target.partition("?")
    return RequestHead(message.method, path, question_mark + query, name, message.raw_headers, fields, inbound.peer)


def has_dot_segment(path: str) -> bool:
    """Tell whether a path has a `.` or `..` segment, plain or encoded, behind any separator that a server may know."""
    return ("." in path or "%2" in path) and _DOT_SEGMENT.search(path) is not None


def _absolute_form(target: str) -> tuple[str, str]:
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


def _check_coding(message: RawRequestMessage) -> None:
    codings = message.headers.getall("Transfer-Encoding")
    if message.version == (1, 0) or [coding.strip().lower() for coding in codings] != ["chunked"]:
        raise RequestInvalidError("the only transfer coding is `chunked`, once, on HTTP/1.1")
    if "Content-Length" in message.headers:
        raise RequestInvalidError("Content-Length and Transfer-Encoding exclude each other")


def _check_expectation(inbound: Inbound) -> None:
    if [value.lower() for value in inbound.message.headers.getall("Expect")] != ["100-continue"]:
        raise RequestInvalidError("the only expectation is `100-continue`")
    inbound.expects_continue = inbound.has_body and inbound.message.version == (1, 1) and not inbound.body_is_here
