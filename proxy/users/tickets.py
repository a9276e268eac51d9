"""A ticket lets one browser begin one sign-in: it says to us, and to nobody else, whose access is to be given to what.

Theory. It stands in a link (`login_url`), which travels through the application to the user's browser. It is sealed, so
that no id can be read in it or put into it, and good for ten minutes. It is UNUSED, and no store knows of it, until a
browser begins a sign-in with it; from then on it leads that browser to that very sign-in, and another one nowhere. It
proves nothing of the browser: that the right person has opened the link is for the page to ask (`login`).
"""

import hmac
import secrets
from dataclasses import dataclass, field
from typing import Final

from proxy.core.clock import Clock
from proxy.core.seal import Seal, SealError
from proxy.stores.documents import Document, Documents
from proxy.users.attempts import hashed
from proxy.users.sealed_text import closed, opened

LIFETIME: Final = 600.0
"""Seconds."""
_CONTEXT: Final = b"sign-in ticket"


class TicketError(Exception):
    """This is no ticket, or it counts no more. `reason` says which of the two; the message is for people."""

    def __init__(self, reason: str, sentence: str, ticket: "Ticket | None" = None) -> None:
        super().__init__(sentence)
        self.reason = reason
        self.ticket = ticket
        """What it was, if it was one."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """What one sign-in is for."""

    id: str
    credential: str
    user: str | None
    """The user's id; None: the access is for everybody who may use the credential."""
    until: float
    """Unix seconds."""
    ordered_by: str = ""
    """The operator who asked for it; empty: a request did."""


@dataclass(frozen=True, slots=True)
class Way:
    """The sign-in that has begun with a ticket: the way to the provider."""

    state: str = field(repr=False)
    address: str = field(repr=False)


class Tickets:
    """Writes tickets, reads them, and sees to it that each leads to one sign-in. `seal` is the fleet's."""

    def __init__(self, documents: Documents, seal: Seal, clock: Clock) -> None:
        self._documents = documents
        self._seal = seal
        self._key = seal.derive("forms of sign-in")
        self._clock = clock

    def issue(self, credential: str, user: str | None, ordered_by: str = "") -> str:
        """Return a new ticket as text. Asks no store: it stands in refusals."""
        ticket = [secrets.token_urlsafe(12), credential, user, self._clock.now() + LIFETIME, ordered_by]
        return closed(self._seal, ticket, _CONTEXT)

    def read(self, text: str, credential: str) -> Ticket:
        """Return a ticket for that credential, which may have been used.

        Raises:
            TicketError: this is none, or it is too old.
        """
        try:
            ticket = Ticket(*opened(self._seal, text, _CONTEXT))
        except SealError:
            raise TicketError("ticket_invalid", "This link is not valid.") from None
        if ticket.credential != credential:
            raise TicketError("ticket_invalid", "This link is not valid.", ticket)
        if ticket.until <= self._clock.now():
            raise TicketError("ticket_expired", "This link is too old.", ticket)
        return ticket

    async def begun(self, ticket: Ticket, browser: str) -> Way | None:
        """Return what that browser has begun with it; None: nobody has begun anything.

        Raises:
            TicketError: another browser has.
            StoreError: nobody knows.
        """
        document = await self._documents.read(_place(ticket))
        return None if document is None else _way(ticket, browser, document)

    async def use(self, ticket: Ticket, browser: str, way: Way) -> Way:
        """Begin that with it; return what has begun, if the same browser was quicker by another call.

        Raises:
            TicketError: another browser was.
            StoreError: nobody knows.
        """
        begun = {"browser": hashed(browser), "state": way.state, "address": way.address}

        def used(before: Document | None) -> Document:
            if before is None:
                return begun
            _way(ticket, browser, before)
            return before

        # by the clock of another replica, a ticket may be good for longer than by ours
        lives = ticket.until - self._clock.now() + LIFETIME
        document = await self._documents.change(_place(ticket), used, ttl=lives)
        return way if document is None else _way(ticket, browser, document)

    def form_token(self, ticket: Ticket, browser: str) -> str:
        """Return what our own page puts into its form for this ticket in that browser."""
        return hmac.digest(self._key, f"{ticket.id} {browser}".encode(), "sha256").hex()


def used_before(ticket: Ticket) -> TicketError:
    """Return why a ticket begins nothing any more."""
    return TicketError("ticket_used", "This link has been used before.", ticket)


def _way(ticket: Ticket, browser: str, document: Document) -> Way:
    if not hmac.compare_digest(hashed(browser), document["browser"]):
        raise used_before(ticket)
    return Way(document["state"], document["address"])


def _place(ticket: Ticket) -> str:
    return f"ticket/{ticket.id}"
