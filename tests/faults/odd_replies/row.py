"""One row of the table of odd token replies, and how its bytes are written."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from proxy.core.symptom import Symptom

NOW: Final = 1_800_000_000
"""Fri, 15 Jan 2027 08:00:00 GMT: what the clocks show when a reply arrives."""
DATE: Final = "Fri, 15 Jan 2027 08:00:00 GMT"
TOKEN: Final = "abc-def"

Outcome = float | Symptom | None
"""The seconds that the token lives, or why there is none; None: it is not tried with this kind."""
End = Literal["close", "reset", "stay"]


@dataclass(frozen=True)
class Odd:
    """One reply, and what becomes of it."""

    words: str
    """What is odd about it."""
    wire: bytes
    """All that the server sends."""
    plain: Outcome
    """What becomes of it with kind `http_request`."""
    oauth: Outcome = None
    """What becomes of it with the kinds of OAuth 2."""
    given: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the credential, where they differ from `USUAL`."""
    token: str = TOKEN
    """The token that is found."""
    end: End = "close"
    """What the server does with the connection then."""
    drips: bool = False
    """The bytes come one by one."""
    doubtful: bool = False
    """`countersign test` doubts the lifetime."""


USUAL: Final[Mapping[str, Any]] = {
    "token": {"from": "json", "path": "access_token"},
    "expiry": {"from": "json", "path": "expires_in", "type": "seconds"},
}


def reply(body: str | bytes, *lines: str, status: str = "200 OK", kind: str = "application/json") -> bytes:
    """Return a whole message, dated and with its length."""
    raw = body if isinstance(body, bytes) else body.encode()
    head = [f"Content-Type: {kind}", f"Date: {DATE}", f"Content-Length: {len(raw)}", "Connection: close", *lines]
    return f"HTTP/1.1 {status}\r\n{''.join(f'{line}{CRLF}' for line in head)}{CRLF}".encode("latin-1") + raw


CRLF: Final = "\r\n"


def expiring(value: str, *lines: str) -> bytes:
    """Return a good reply with that text as its `expires_in`."""
    return reply(f'{{"access_token": "{TOKEN}", "token_type": "Bearer", "expires_in": {value}}}', *lines)


def holding(value: str, *lines: str) -> bytes:
    """Return a good reply with that text as its `access_token`."""
    return reply(f'{{"access_token": {value}, "token_type": "Bearer", "expires_in": 3600}}', *lines)


def typed(kind: str) -> Mapping[str, Any]:
    """Return settings by which `expires_in` is of that type."""
    return {"expiry": {"from": "json", "path": "expires_in", "type": kind}}


GOOD_BODY: Final = f'{{"access_token": "{TOKEN}", "token_type": "Bearer", "expires_in": 3600}}'
GOOD: Final = reply(GOOD_BODY)
