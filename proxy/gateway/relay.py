"""Passes an upstream's answer on to the caller: header lines byte for byte, the body as it arrives.

Once the first byte of it is out there is no way back: whatever fails then ends in a cut connection, so that half an
answer never looks like a whole one and no second status line is ever written into the first answer's body.
"""

from typing import Final

from proxy.core.errors import ProxyError
from proxy.gateway.forward import Exchange
from proxy.gateway.inbound import CallerGoneError
from proxy.gateway.prepare import HOP_BY_HOP, PSEUDONYM
from proxy.gateway.privacy import made_private
from proxy.gateway.refuse import STATUS_LINES
from proxy.gateway.request import Request
from proxy.net.answer import AnswerReader, Fields
from proxy.users.browser import OURS

_VIA: Final = f"Via: 1.1 {PSEUDONYM}\r\n".encode("ascii")
_NOT_OURS: Final = HOP_BY_HOP | {b"content-length"}
_OUR_COOKIES: Final = OURS.encode("ascii")
_WITHOUT_COOKIES: Final = _NOT_OURS | {b"set-cookie", b"set-cookie2"}
_ADDRESSES: Final = frozenset({b"location", b"content-location", b"link", b"refresh"})
"""Header lines in which an address may stand."""
_ENDS: Final = tuple(b"%c" % end for end in b"&#>\"', ;\t")
"""What ends a parameter in such a line, beside the line's own end."""
_USUAL: Final = (b"keep-alive", b"close")
"""Connection headers that bind no other line to this hop."""
_BODILESS: Final = frozenset({204, 304})


class Relay:
    """One answer on its way to one caller."""

    __slots__ = ("_chunked", "_exchange", "_inbound", "_request")

    def __init__(self, request: Request, exchange: Exchange) -> None:
        self._request = request
        self._inbound = request.inbound
        self._exchange = exchange
        self._chunked = False

    @property
    def is_endless(self) -> bool:
        """Whether the answer does not say how long it is."""
        return self._exchange.answer.length is None

    def at_once(self) -> None:
        """Pass a complete answer on in one write.

        Raises:
            CallerGoneError: the caller has left.
        """
        body = self._exchange.prefix + self._exchange.connection.body()
        self._inbound.answered = True
        self._inbound.write(self._head(self._exchange.answer, len(body)) + body)

    async def stream(self, patience: float) -> None:
        """Pass the answer on as it comes; `patience` is how many seconds the caller may take none of it.

        Raises:
            CallerGoneError: it has left.
            ProxyError: the upstream broke off; the caller's connection has been cut.
        """
        inbound, connection = self._inbound, self._exchange.connection
        first = self._exchange.prefix + connection.body()
        head = self._head(connection.answer, None)
        inbound.answered = True
        inbound.write(head + self._framed(first) if first else head)
        try:
            await inbound.drained(patience)
            while piece := await connection.more():
                inbound.write(self._framed(piece))
                await inbound.drained(patience)
        except ProxyError:
            inbound.abort()
            raise
        if self._chunked:
            inbound.write(b"0\r\n\r\n")

    def _framed(self, piece: bytes) -> bytes:
        return b"%x\r\n%b\r\n" % (len(piece), piece) if self._chunked else piece

    def _head(self, answer: AnswerReader, size: int | None) -> bytes:
        """Return status line and header lines. `size`: of the whole body in bytes, when it is known."""
        request = self._request
        drops = _WITHOUT_COOKIES if request.plan.drops_cookies else _NOT_OURS
        names, fields = answer.names, answer.headers
        if b"connection" in names and _names_others(names, fields):
            drops = drops | connection_named(fields)
        fields = without_echo(fields, request.signed_query)
        kept = [field for name, field in zip(names, fields, strict=True) if name not in drops]
        if b"set-cookie" in names and b"set-cookie" not in drops:
            kept = [field for field in kept if not _sets_ours(field)]
        if request.plan.is_personal:
            kept = made_private(kept)
        if b"x-request-id" not in names:  # the API's own word for this request comes first: its support asks for it
            kept.append((b"X-Request-Id", request.trace.identifier.encode("ascii")))
        return b"".join(
            (
                STATUS_LINES[answer.status],
                b"\r\n".join(map(b": ".join, kept)),
                b"\r\n" if kept else b"",
                _VIA,
                request.note,
                self._framing(answer.status, answer.length, size),
                b"\r\n" if self._inbound.keep_alive else b"Connection: close\r\n\r\n",
            )
        )

    def _framing(self, status: int, announced: bytes | None, size: int | None) -> bytes:
        if self._request.head.method == "HEAD" or status in _BODILESS:
            # RFC 9110 §8.6: here the length describes what is not sent; a 204 may not carry one.
            return b"Content-Length: %b\r\n" % announced if announced is not None and status != 204 else b""
        if size is not None:
            return b"Content-Length: %d\r\n" % size
        if announced is not None:
            return b"Content-Length: %b\r\n" % announced
        if self._inbound.message.version == (1, 1):
            self._chunked = True
            return b"Transfer-Encoding: chunked\r\n"
        self._inbound.keep_alive = False  # RFC 9112 §6.3: to an HTTP/1.0 caller the end of the connection is the end
        return b""


def _sets_ours(field: tuple[bytes, bytes]) -> bool:
    """Tell whether an API sets a cookie of ours: it could have its visitors taken for other people's browsers."""
    return field[0].lower() == b"set-cookie" and field[1].lstrip().startswith(_OUR_COOKIES)


def _names_others(names: list[bytes], fields: Fields) -> bool:
    return names.count(b"connection") > 1 or fields[names.index(b"connection")][1] not in _USUAL


def connection_named(fields: Fields) -> frozenset[bytes]:
    """Return the lower-case names that the Connection header binds to this hop (RFC 9110 §7.6.1)."""
    return frozenset(
        token.strip().lower() for name, value in fields if name.lower() == b"connection" for token in value.split(b",")
    )


def without_echo(fields: Fields, signed_query: bytes) -> Fields:
    """Return the header lines; where an API repeats the address it was asked for, without what the token added."""
    if not signed_query:
        return fields
    return [(name, _unsigned(value, signed_query) if name.lower() in _ADDRESSES else value) for name, value in fields]


def _unsigned(address: bytes, signed_query: bytes) -> bytes:
    for parameter in signed_query.split(b"&"):
        begin = address.find(parameter)
        while begin > 0:
            end = begin + len(parameter)
            if address[begin - 1] not in b"?&" or not (address.startswith(_ENDS, end) or end == len(address)):
                begin = address.find(parameter, begin + 1)  # a part of another one
                continue
            goes_on = address.startswith(b"&", end)
            address = address[:begin] + address[end + 1 :] if goes_on else address[: begin - 1] + address[end:]
            begin = address.find(parameter, begin - 1)
    return address


def interim(request: Request, status: int, fields: Fields) -> None:
    """Pass a 1xx answer on (RFC 9110 §15.2); a caller that has left will be noticed later."""
    drops = _WITHOUT_COOKIES | connection_named(fields)
    kept = without_echo(fields, request.signed_query)
    lines = [b"%b: %b\r\n" % field for field in kept if field[0].lower() not in drops]
    try:
        request.inbound.interim(b"HTTP/1.1 %d \r\n%b\r\n" % (status, b"".join(lines)))
    except CallerGoneError:
        return
