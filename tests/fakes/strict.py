"""Reads requests as strictly as RFC 9112 is written: whatever could be read in two ways fails the test.

h11 does the framing. Where h11 forgives (bare LF, folded lines, repeated lengths), the head is held against the grammar
first.
"""

import re
from dataclasses import dataclass
from typing import Final

import h11

_REQUEST_LINE: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+ [\x21-\x7e\x80-\xff]+ HTTP/1\.1")
_FIELD: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[ \t]*(?:[\x21-\x7e\x80-\xff](?:[\t \x21-\x7e\x80-\xff]*)?)?")
_HEAD_LIMIT: Final = 256 * 1024


class AmbiguousError(AssertionError):
    """The bytes are not a sequence of well-formed requests."""


@dataclass(frozen=True)
class Request:
    """One request as it stood on the wire."""

    method: str
    target: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes

    def all(self, name: str) -> list[bytes]:
        """Return the values of every header line of that name."""
        return [value for key, value in self.headers if key.lower() == name.lower().encode()]

    def one(self, name: str) -> bytes | None:
        """Return the only value of that header, None when there is none; two fail the test."""
        values = self.all(name)
        if len(values) > 1:
            raise AmbiguousError(f"{name} came {len(values)} times: {values}")
        return values[0] if values else None


class StrictReader:
    """Takes bytes as they arrive and yields the requests that are whole."""

    def __init__(self) -> None:
        self._h11 = h11.Connection(h11.SERVER, max_incomplete_event_size=_HEAD_LIMIT)
        self._pending = b""
        self._head: h11.Request | None = None
        self._body = b""

    def feed(self, data: bytes) -> list[Request]:
        """Return the requests that these bytes complete; AmbiguousError when they are not sound."""
        self._pending += data
        requests = []
        while (request := self._next()) is not None:
            requests.append(request)
        return requests

    @property
    def is_idle(self) -> bool:
        """Return True when no part of a request waits for its rest."""
        return self._head is None and not self._pending

    @property
    def wants_continue(self) -> bool:
        """Return True when the client waits for `100 Continue`."""
        return self._h11.they_are_waiting_for_100_continue

    def _next(self) -> Request | None:
        if self._head is None:
            if not self._read_head():
                return None
        elif self._pending:
            self._h11.receive_data(self._pending)
            self._pending = b""
        while True:
            try:
                event = self._h11.next_event()
            except h11.RemoteProtocolError as error:
                raise AmbiguousError(str(error)) from error
            if isinstance(event, h11.Data):
                self._body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                if event.headers:
                    raise AmbiguousError(f"trailers arrived: {list(event.headers)}")
                return self._finish()
            else:
                return None

    def _read_head(self) -> bool:
        end = self._pending.find(b"\r\n\r\n")
        if end < 0:
            if re.search(rb"(?<!\r)\n|\r(?!\n|$)", self._pending):
                raise AmbiguousError(f"a bare CR or LF in {self._pending!r}")
            return False
        request_line, *fields = self._pending[:end].split(b"\r\n")
        if not _REQUEST_LINE.fullmatch(request_line):
            raise AmbiguousError(f"not a request line: {request_line!r}")
        for line in fields:
            if not _FIELD.fullmatch(line):
                raise AmbiguousError(f"not a header line: {line!r}")
        _check_framing(fields)
        try:
            self._h11.receive_data(self._pending)
            event = self._h11.next_event()
        except h11.RemoteProtocolError as error:
            raise AmbiguousError(str(error)) from error
        if not isinstance(event, h11.Request):
            raise AmbiguousError(f"not a request: {event!r}")
        self._pending = b""
        self._head = event
        return True

    def _finish(self) -> Request:
        head, self._head = self._head, None
        body, self._body = self._body, b""
        assert head is not None
        self._pending = bytes(self._h11.trailing_data[0])
        if self._pending and (b"connection", b"close") in list(head.headers):
            raise AmbiguousError(f"bytes behind a request with Connection: close: {self._pending!r}")
        self._h11 = h11.Connection(h11.SERVER, max_incomplete_event_size=_HEAD_LIMIT)
        headers = tuple((bytes(name), bytes(value)) for name, value in head.headers.raw_items())
        return Request(head.method.decode(), bytes(head.target), headers, body)


def _check_framing(fields: list[bytes]) -> None:
    names = [line.partition(b":")[0].lower() for line in fields]
    for name in (b"host", b"content-length", b"transfer-encoding"):
        if names.count(name) > 1:
            raise AmbiguousError(f"{name!r} came more than once")
    if b"host" not in names:
        raise AmbiguousError("no Host")
    if b"content-length" in names and b"transfer-encoding" in names:
        raise AmbiguousError("Content-Length and Transfer-Encoding together")


def read_all(data: bytes) -> list[Request]:
    """Return the requests in these bytes; AmbiguousError when one is unsound or something is left over."""
    reader = StrictReader()
    requests = reader.feed(data)
    if not reader.is_idle:
        raise AmbiguousError(f"left over: {data!r}")
    return requests
