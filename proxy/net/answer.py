"""Reads one answer of an upstream out of the bytes that arrive, and refuses what is not sound HTTP. Opens nothing.

The parser is llhttp (httptools), strict. What it leaves to us and is checked here: the size and count of header lines,
a Transfer-Encoding other than `chunked`, versions and statuses that are not HTTP/1's, the end of an answer to HEAD (the
parser does not know the request), bodies that last until the connection closes, interim answers or framing without end.
"""

from collections.abc import Callable
from typing import Final

import httptools

from proxy.core.errors import UpstreamProtocolError

MAX_HEAD: Final = 64 * 1024
"""Bytes of a head, and of anything else between two pieces of content (chunk extensions, trailers)."""
MAX_FIELDS: Final = 128
MAX_INFORMATIONAL: Final = 16

_VERSIONS: Final = ("1.1", "1.0")
_BLANK: Final = b"\r\n\r\n"

Fields = list[tuple[bytes, bytes]]
Informational = Callable[[int, Fields], None]


class AnswerReader:
    """One answer at a time: `begin`, then `feed` until `complete`, or `end` when the connection ends."""

    __slots__ = (
        "_chunks",
        "_error",
        "_head_only",
        "_informational",
        "_informational_seen",
        "_parser",
        "_silent",
        "_until_eof",
        "buffered",
        "complete",
        "has_head",
        "headers",
        "length",
        "names",
        "reusable",
        "started",
        "status",
    )

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self.begin(head_only=False, informational=None)

    def begin(self, *, head_only: bool, informational: Informational | None) -> None:
        """Expect an answer; `informational` hears of each 1xx that comes before it."""
        self._head_only = head_only
        self._informational = informational
        self._informational_seen = 0
        self._error: UpstreamProtocolError | None = None
        self._silent = 0
        self._until_eof = False
        self._chunks: list[bytes] = []
        self.buffered = 0
        """Bytes of the body that wait to be taken."""
        self.started = False
        """True once a byte of it has arrived."""
        self.has_head = False
        """True once status and header lines are known."""
        self.status = 0
        self.headers: Fields = []
        """Header lines as they stood on the wire."""
        self.names: list[bytes] = []
        """The lower-case names of those lines, in the same order."""
        self.length: bytes | None = None
        """The Content-Length, if there is one."""
        self.complete = False
        """True once all of it has arrived."""
        self.reusable = False
        """True when the connection may carry another request after this answer."""

    def feed(self, data: bytes) -> None:
        """Read what has arrived.

        Raises:
            UpstreamProtocolError: it is not a sound answer.
        """
        self.started = True
        self._silent += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            raise UpstreamProtocolError("the upstream changed the protocol without being asked") from None
        except httptools.HttpParserError:
            if not self.complete:
                raise self._error or UpstreamProtocolError("the upstream's answer is not valid HTTP") from None
            self.reusable = False  # rubbish behind a sound answer: the answer counts, the connection does not
        if self._error is not None:
            raise self._error
        if (self._head_only or self.status == 205) and not _BLANK.endswith(data[-len(_BLANK) :]):
            self.reusable = False  # bytes behind a head that ends the answer: the parser takes them for its body
        if self._silent > MAX_HEAD and not self.complete:
            raise UpstreamProtocolError("the upstream sends a head or framing without end")

    def end(self) -> bool:
        """Hear that the connection has ended in good order; return True when the answer is complete by that."""
        if self._until_eof and not self.complete:
            self._finish(reusable=False)
        return self.complete

    def take(self) -> bytes:
        """Return what has arrived of the body and was not taken yet."""
        chunks, self._chunks, self.buffered = self._chunks, [], 0
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def _unsound(self) -> str | None:
        """Say what is wrong with the head; note its framing."""
        names = self.names = [name.lower() for name, _ in self.headers]
        if len(names) > MAX_FIELDS:
            return "the upstream's answer has too many header lines"
        if self._parser.get_http_version() not in _VERSIONS:
            return "the upstream's answer is neither HTTP/1.1 nor HTTP/1.0"
        if self.status > 599:
            return "the upstream's status is not one of HTTP's"
        if self._silent > MAX_HEAD and sum(len(name) + len(value) for name, value in self.headers) > MAX_HEAD:
            return "the upstream's answer has too long a head"
        if b"content-length" in names:
            self.length = self.headers[names.index(b"content-length")][1]
        elif b"transfer-encoding" not in names:
            self._until_eof = self.status not in {204, 205, 304} and not self._head_only
        if b"transfer-encoding" in names and not self._is_chunked():
            return "the upstream's transfer coding is not `chunked` alone, on HTTP/1.1"
        return None

    def _is_chunked(self) -> bool:
        codings = [value for name, value in self.headers if name.lower() == b"transfer-encoding"]
        return b",".join(codings).strip().lower() == b"chunked" and self._parser.get_http_version() == "1.1"

    def _finish(self, *, reusable: bool) -> None:
        self.complete = True
        self.reusable = reusable

    # What follows is called by the parser, in the order of the wire.

    def on_message_begin(self) -> None:
        """A message starts: behind a complete answer it is nobody's (RFC 9112 §9.2)."""
        if self.complete:
            self.reusable = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header line, or a trailer: those end here, they are not merged into the head (RFC 9110 §6.5.1)."""
        if not self.has_head:
            self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """The head is whole."""
        if self.complete:
            return
        status = self._parser.get_status_code()
        if status < 200:
            self._interim(status)
            return
        self.status = status
        if problem := self._unsound():
            self._error = UpstreamProtocolError(problem)
        self.has_head = True
        self._silent = 0
        if self._head_only or status == 205:
            # RFC 9112 §6.3: no body follows whatever the header lines say, and the parser cannot know that.
            self._finish(reusable=self._parser.get_http_version() == "1.1" and not self._says_close())
            self._parser = httptools.HttpResponseParser(self)

    def _says_close(self) -> bool:
        fields = zip(self.names, self.headers, strict=True)
        return any(name == b"connection" and b"close" in value.lower() for name, (_, value) in fields)

    def _interim(self, status: int) -> None:
        self._informational_seen += 1
        if status < 100:
            self._error = UpstreamProtocolError("the upstream's status is not one of HTTP's")
        elif self._informational_seen > MAX_INFORMATIONAL:
            self._error = UpstreamProtocolError("the upstream sends interim answers without end")
        elif self._informational is not None and status not in {100, 101} and self._error is None:
            self._informational(status, self.headers)

    def on_body(self, data: bytes) -> None:
        """A piece of the body."""
        if self.complete:
            self.reusable = False  # where none may be: after the head of an answer to HEAD, say
            return
        self._silent = 0
        self.buffered += len(data)
        self._chunks.append(data)

    def on_message_complete(self) -> None:
        """The message is whole: an interim answer, or the one that was expected."""
        if self.complete:
            return
        if self.has_head:
            self._finish(reusable=self._parser.should_keep_alive())
        else:
            self.headers = []
