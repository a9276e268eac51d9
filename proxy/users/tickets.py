"""A ticket lets one browser begin one sign-in: it says to us, and to nobody else, whose access is to be given to what.

It stands in a link (`login_url`), which travels through the application to the user's browser. It is sealed, so that no
id can be read in it or put into it, good for ten minutes, and used up when the sign-in begins. It proves nothing of the
browser: that the right person has opened the link is for the page to ask (`sign_in`).
"""

import hmac
import secrets
from dataclasses import dataclass
from typing import Final

from proxy.core.clock import Clock
from proxy.core.seal import Seal, SealError
from proxy.stores.documents import Document, Documents
from proxy.users.sealed_text import closed, opened

LIFETIME: Final = 600.0
"""Seconds."""
_CONTEXT: Final = b"sign-in ticket"
_USED: Final = {"used": True}


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


class Tickets:
    """Writes tickets, reads them, and sees to it that each is used once. `seal` is the fleet's."""

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

    async def use(self, ticket: Ticket) -> None:
        """Use it up.

        Raises:
            TicketError: it was used before.
            StoreError: nobody knows.
        """

        def used(before: Document | None) -> Document:
            if before is not None:
                raise TicketError("ticket_used", "This link has been used before.", ticket)
            return _USED

        await self._documents.change(f"ticket/{ticket.id}", used, ttl=LIFETIME)

    def form_token(self, ticket: Ticket, browser: str) -> str:
        """Return what our own page puts into its form for this ticket in that browser."""
        return hmac.digest(self._key, f"{ticket.id} {browser}".encode(), "sha256").hex()
