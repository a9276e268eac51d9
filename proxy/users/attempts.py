"""Sign-ins under way: what has to be known when a person comes back, kept where every replica finds it.

Theory. An attempt is found by its `state`, of which the store knows only the hash, and belongs to one browser. It is
OPEN for ten minutes, and OVER as soon as that browser has come back once, whatever comes of it. Another browser that
brings the same state is refused, and changes nothing.
"""

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

from proxy.core.secret import Secret
from proxy.stores.documents import Document, Documents

LIFETIME: Final = 600.0
"""Seconds that a person gets at the provider."""
_STATE_BYTES: Final = 32


class AttemptError(Exception):
    """Nobody is expected back like this. `reason` says what is wrong; the message is for people."""

    def __init__(self, reason: str, sentence: str, credential: str | None = None, user: str | None = None) -> None:
        super().__init__(sentence)
        self.reason = reason
        self.credential = credential
        self.user = user
        """The id of the user whose attempt it is or was; None: nobody's, or everybody's."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One sign-in under way."""

    credential: str
    user: str | None
    """The user's id; None: the access is for everybody who may use the credential."""
    redirect_uri: str
    return_to: str = ""
    """Where the browser goes in the end; empty: nowhere."""
    ordered_by: str = ""
    """The operator who asked for it."""
    kept: Mapping[str, Secret] = field(default_factory=dict)
    """What the credential wants to know again."""

    @classmethod
    def read(cls, document: Document) -> Self:
        """Return the attempt that was written."""
        known = {name: document[name] for name in ("credential", "user", "redirect_uri", "return_to", "ordered_by")}
        return cls(**known, kept={name: Secret(value) for name, value in document["kept"].items()})

    def written(self) -> dict[str, Any]:
        """Return the attempt as a document."""
        return {
            "credential": self.credential,
            "user": self.user,
            "redirect_uri": self.redirect_uri,
            "return_to": self.return_to,
            "ordered_by": self.ordered_by,
            "kept": {name: value.reveal() for name, value in self.kept.items()},
        }


class Attempts:
    """The sign-ins under way of one store."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents

    async def keep(self, state: str, attempt: Attempt, browser: str) -> None:
        """Expect that browser back with that state. May raise StoreError."""
        document = {"browser": hashed(browser), **attempt.written()}
        await self._documents.change(_place(state), lambda _: document, ttl=LIFETIME)

    async def is_open(self, state: str) -> bool:
        """Tell whether somebody is still expected back. May raise StoreError."""
        document = await self._documents.read(_place(state))
        return document is not None and "over" not in document

    async def take(self, state: str, browser: str | None) -> Attempt:
        """Return the attempt, which is over now.

        Raises:
            AttemptError: there is none, it is over, or it is another browser's.
            StoreError: nobody knows.
        """
        found: list[Attempt] = []

        def end(document: Document | None) -> Document:
            if document is None:
                raise AttemptError("state_unknown", "This sign-in is not known here, or it took too long.")
            if "over" in document:
                sentence = "This sign-in is over already."
                raise AttemptError("state_used", sentence, document["credential"], document["user"])
            attempt = Attempt.read(document)
            if browser is None or not hmac.compare_digest(hashed(browser), document["browser"]):
                sentence = "This sign-in was begun in another browser."
                raise AttemptError("other_browser", sentence, attempt.credential, attempt.user)
            found[:] = [attempt]
            return {"over": True, "credential": attempt.credential, "user": attempt.user}

        await self._documents.change(_place(state), end, ttl=LIFETIME)
        return found[0]


def new_state() -> str:
    """Return a state that nobody can guess."""
    return secrets.token_urlsafe(_STATE_BYTES)


def _place(state: str) -> str:
    return f"sign-in/{hashed(state)}"


def hashed(text: str) -> str:
    """Return what is kept of a text that only somebody else has to know."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
