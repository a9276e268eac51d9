"""Sign-ins that a browser has come back from, and that count when the application says whose they are.

Theory. A return is found by its code, of which the store knows only the hash. It WAITS for two minutes, for providers'
codes live hardly longer, and is OVER as soon as somebody has brought the code, whatever comes of it. Who brings it
proves a user: the application that this user is logged in to. A sign-in that was begun for somebody else brings that
user nothing, nor the one for whom it was begun: somebody was talked into it.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

from proxy.stores.documents import Document, Documents
from proxy.users.attempts import Attempt, hashed

PARAMETER: Final = "countersign_code"
"""What the code is called in the address to which a browser goes back."""
LIFETIME: Final = 120.0
"""Seconds."""
_CODE_BYTES: Final = 32
_OVER: Final = {"over": True}


class ReturnError(Exception):
    """Nobody waits for that code, or not this user. `reason` says what is wrong; the message is for the application."""

    def __init__(self, reason: str, sentence: str, attempt: Attempt | None = None) -> None:
        super().__init__(sentence)
        self.reason = reason
        self.attempt = attempt
        """Whose sign-in it was, if it was one."""


@dataclass(frozen=True, slots=True)
class Return:
    """What a browser came back with."""

    attempt: Attempt
    state: str = field(repr=False)
    parameters: Mapping[str, str] = field(repr=False)
    own: str
    """The credential whose own address it came to; empty: everybody's."""

    @classmethod
    def read(cls, document: Document) -> Self:
        """Return what was written."""
        return cls(Attempt.read(document), document["state"], document["parameters"], document["own"])

    def written(self) -> dict[str, Any]:
        """Return it as a document."""
        return {**self.attempt.written(), "state": self.state, "parameters": dict(self.parameters), "own": self.own}


class Returns:
    """The returns that wait, of one store."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents

    async def keep(self, returned: Return) -> str:
        """Return the code by which it is found. May raise StoreError."""
        code = secrets.token_urlsafe(_CODE_BYTES)
        await self._documents.change(_place(code), lambda _: returned.written(), ttl=LIFETIME)
        return code

    async def take(self, code: str, user: str) -> Return:
        """Return what waits for this user under that code, and waits no more.

        Raises:
            ReturnError: nothing does.
            StoreError: nobody knows.
        """
        found: list[Return] = []

        def end(document: Document | None) -> Document:
            if document is None:
                raise ReturnError("code_unknown", "this sign-in is not known here, or it took too long")
            if "over" in document:
                raise ReturnError("code_used", "this sign-in is over already")
            found[:] = [Return.read(document)]
            return _OVER

        await self._documents.change(_place(code), end, ttl=LIFETIME)
        (returned,) = found
        if returned.attempt.user != user:
            raise ReturnError("other_user", "this sign-in was begun for another user", returned.attempt)
        return returned


def _place(code: str) -> str:
    return f"sign-in-return/{hashed(code)}"
