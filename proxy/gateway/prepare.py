"""Turns a caller's request head into the one that goes upstream: bytes in, bytes out, nothing re-encoded.

What the configuration knows is prepared when the route is loaded (`Preparer`); what a token adds comes rendered with
the token; per request there is one pass over the header lines.
"""

import re
import secrets
from itertools import count
from typing import Final

from proxy.core import urlencoded
from proxy.core.errors import RequestInvalidError
from proxy.core.message import Injection, RequestHead
from proxy.core.origin import Origin
from proxy.core.principal import Principal
from proxy.users.browser import OURS
from proxy.users.identity import HEADERS as USER_HEADERS

PSEUDONYM: Final = f"countersign-{secrets.token_hex(4)}"
"""Our name in Via (RFC 9110 §7.6.3): this process's own, so that only a request that comes back to *it* is a loop."""

HOP_BY_HOP: Final = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-connection",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
"""RFC 9110 §7.6.1, with the older names that are still seen."""

_REWRITTEN: Final = frozenset({b"host", b"content-length", b"expect", b"via", b"x-request-id"})
NEVER_PASSED: Final = HOP_BY_HOP | _REWRITTEN | USER_HEADERS | {b"x-countersign-key"}
"""Lower-case names of headers of which the upstream never gets the caller's copy."""
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._:+/=-]{1,128}")
_ID_PREFIX: Final = secrets.token_hex(6)
_next_id: Final = count(1).__next__


def request_id(head: RequestHead) -> str:
    """Return the caller's X-Request-Id if it is harmless, else a new one."""
    given = head.fields.get("X-Request-Id")
    if given is not None and _REQUEST_ID.fullmatch(given):
        return given
    return new_id()


def new_id() -> str:
    """Return a request id of our own: unlike any other of this process, and very likely of any other."""
    return f"{_ID_PREFIX}-{_next_id():x}"


def connection_named(head: RequestHead) -> frozenset[bytes]:
    """Return the lower-case names that the Connection header binds to this hop (RFC 9110 §7.6.1)."""
    return frozenset(
        token.strip().lower()
        for name, value in head.headers
        if name.lower() == b"connection"
        for token in value.split(b",")
    )


def hops_left(head: RequestHead) -> int | None:
    """Return how many more hops an OPTIONS request may take (RFC 9110 §7.6.2); None: it does not say."""
    given = head.fields.get("Max-Forwards", "")
    return int(given) if given.isascii() and given.isdigit() and len(given) < 10 else None


class Preparer:
    """What is known of a route's requests before the first one comes."""

    def __init__(self, origin: Origin, base: str, prefix: str, *, strip_prefix: bool) -> None:
        self._host_line = f" HTTP/1.1\r\nHost: {origin.authority}\r\n".encode("ascii")
        self._base = base
        self._cut = len(prefix) if strip_prefix else 0
        self._joins_with_slash = strip_prefix and prefix.endswith("/")
        self._drops: dict[tuple[frozenset[bytes], frozenset[bytes]], frozenset[bytes]] = {}

    def target(self, path: str) -> str:
        """Return the path under the upstream's base path, byte for byte."""
        rest = path[self._cut :]
        if self._joins_with_slash:
            return f"{self._base}/{rest}"
        return f"{self._base}{rest}" or "/"

    def head(
        self, head: RequestHead, principal: Principal, injection: Injection, *, identifier: str, length: int | None
    ) -> bytes:
        """Return the whole request head. `length`: of the body in bytes; None: chunked; -1: no body.

        Raises:
            RequestInvalidError: the request has been through this proxy already.
        """
        query = head.query if not injection.query_names else _without(head.query, injection)
        target = (self.target(head.path) + query).encode("utf-8", "surrogateescape")
        if injection.query:
            target += (b"&" if b"?" in target else b"?") + injection.query
        parts = [head.method.encode("ascii"), b" ", target, self._host_line]
        self._copy(head, principal, injection, parts)
        parts += (
            injection.lines,
            self._via(head),
            b"X-Request-Id: ",
            identifier.encode("ascii"),
            b"\r\n\r\n"
            if length == -1
            else b"\r\nTransfer-Encoding: chunked\r\n\r\n"
            if length is None
            else b"\r\nContent-Length: %d\r\n\r\n" % length,
        )
        return b"".join(parts)

    def _copy(self, head: RequestHead, principal: Principal, injection: Injection, parts: list[bytes]) -> None:
        drops = self._dropped(injection, principal)
        if "Connection" in head.fields:
            drops |= connection_named(head)
        if head.method == "OPTIONS" and (hops := hops_left(head)) is not None:
            drops |= {b"max-forwards"}
            parts.append(b"Max-Forwards: %d\r\n" % (hops - 1))
        cookies: list[bytes] = []
        for name, value in head.headers:
            lowered = name.lower()
            if lowered in drops or (b"_" in lowered and lowered.replace(b"_", b"-") in drops):
                continue  # a server that turns `-` into `_` must not find the caller's copy either
            if lowered == b"cookie" and (injection.cookies or _OURS in value):
                cookies.append(_without_cookies(value, injection.cookie_names))
            else:
                parts += (name, b": ", value, b"\r\n")
        cookies += [b"%s=%s" % cookie for cookie in injection.cookies]
        if any(cookies):
            parts += (b"Cookie: ", b"; ".join(filter(None, cookies)), b"\r\n")

    def _dropped(self, injection: Injection, principal: Principal) -> frozenset[bytes]:
        key = (injection.replaces, principal.proof_headers)
        drops = self._drops.get(key)
        if drops is None:
            spellings = {name.replace(b"_", b"-") for name in injection.replaces}
            drops = self._drops[key] = NEVER_PASSED | injection.replaces | spellings | principal.proof_headers
        return drops

    @staticmethod
    def _via(head: RequestHead) -> bytes:
        if "Via" not in head.fields:
            return _VIA
        given = b", ".join(value for name, value in head.headers if name.lower() == b"via")
        if PSEUDONYM.encode("ascii") in given:
            raise RequestInvalidError("this request has been here before: the route leads back to this proxy")
        return b"Via: " + given + b", 1.1 " + PSEUDONYM.encode("ascii") + b"\r\n"


_OURS: Final = OURS.encode("ascii")
_VIA: Final = b"Via: 1.1 " + PSEUDONYM.encode("ascii") + b"\r\n"


def _without(query: str, injection: Injection) -> str:
    """Return the query without the parameters that the injection sets."""
    rest = urlencoded.without(query[1:], injection.query_names)
    return f"?{rest}" if rest else ""


def _without_cookies(value: bytes, names: frozenset[bytes]) -> bytes:
    pairs = ((pair.strip(), pair.partition(b"=")[0].strip()) for pair in value.split(b";"))
    return b"; ".join(pair for pair, name in pairs if pair and name not in names and not name.startswith(_OURS))
