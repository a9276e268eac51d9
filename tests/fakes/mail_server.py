"""A real SMTP server (aiosmtpd) on a port of this machine, whose mailboxes a test reads.

In a test: `async with MailServer(context=authority.server("127.0.0.1")) as server: letter = await server.letter_to(…)`.
With a context it wants STARTTLS before anything else, and a login when it has a password.
"""

import asyncio
import email
import re
import ssl
import warnings
from email.message import EmailMessage
from email.policy import default
from types import TracebackType
from typing import Any, Final, Self, cast

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword

from tests.fakes.process import free_ports

USER: Final = "countersign"
PASSWORD: Final = "a-mail-password-4711"
PATIENCE: Final = 10.0
"""Seconds until a letter must be there."""


class MailServer:
    """Takes letters while its block runs. `answers` are given to DATA in their order, before it takes any."""

    def __init__(
        self,
        *,
        context: ssl.SSLContext | None = None,
        wrapped: bool = False,
        login: bool = False,
        utf8: bool = False,
        answers: str = "",
    ) -> None:
        """`wrapped`: TLS from the first byte, not by STARTTLS; `utf8`: it takes addresses beyond ASCII."""
        (self.port,) = free_ports(1)
        self.letters: list[tuple[str, EmailMessage]] = []
        """Recipients' addresses, and what they got."""
        self.envelopes: list[Envelope] = []
        self.logins: list[str] = []
        self.connections = 0
        self.answers = answers.split("|") if answers else []
        self.looked_at = asyncio.Event()
        """Cleared: the answer to what was taken waits for it, as where a filter looks at mail first."""
        self.looked_at.set()
        self._context, self._wrapped, self._login, self._utf8 = context, wrapped, login, utf8
        self._news = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._sessions: list[SMTP] = []

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen."""
        loop = asyncio.get_running_loop()
        wrapping = self._context if self._wrapped else None
        self._server = await loop.create_server(self._session, "127.0.0.1", self.port, ssl=wrapping)

    async def stop(self) -> None:
        """Be gone: nobody listens any more, and connections are cut."""
        if self._server is not None:
            self._server.close()
            for session in self._sessions:
                if isinstance(session.transport, asyncio.WriteTransport):
                    session.transport.abort()
            self._sessions.clear()
            self._server = None
            for _ in range(3):  # what was cut is closed in the next turns of the loop
                await asyncio.sleep(0)

    async def letter_to(self, address: str, *, count: int = 1) -> EmailMessage:
        """Wait until that many letters for the address are there, and return the last of them."""
        async with asyncio.timeout(PATIENCE):
            while len(found := [letter for to, letter in self.letters if to == address]) < count:
                self._news.clear()
                await self._news.wait()
        return found[count - 1]

    async def code_for(self, address: str, *, count: int = 1) -> str:
        """Wait for that many letters, and return the code that stands in the last one."""
        return code_in(await self.letter_to(address, count=count))

    async def handle_DATA(  # noqa: N802 - aiosmtpd calls it so
        self, server: SMTP, session: Any, envelope: Envelope
    ) -> str:
        if self.answers:
            return self.answers.pop(0)
        content = cast("bytes", envelope.content)
        letter = email.message_from_bytes(content, policy=default)
        self.envelopes.append(envelope)
        self.letters += [(address, letter) for address in envelope.rcpt_tos]
        self._news.set()
        await self.looked_at.wait()
        return "250 taken"

    def _session(self) -> SMTP:
        self.connections += 1
        starttls = self._context is not None and not self._wrapped
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # it does not know of TLS that began before it did
            session = SMTP(
                self,
                hostname="mail.example",
                enable_SMTPUTF8=self._utf8,
                tls_context=self._context if starttls else None,
                require_starttls=starttls,
                auth_required=self._login,
                auth_require_tls=starttls,
                authenticator=self._check,
            )
        self._sessions.append(session)
        return session

    def _check(self, server: SMTP, session: Any, envelope: Envelope, mechanism: str, shown: Any) -> AuthResult:
        self.logins.append(mechanism)
        ok = isinstance(shown, LoginPassword) and shown == LoginPassword(USER.encode(), PASSWORD.encode())
        return AuthResult(success=ok, handled=False)


def code_in(letter: EmailMessage) -> str:
    """Return the code of six digits that stands in a letter's text."""
    part = letter.get_body(("plain",))
    assert part is not None
    (code,) = re.findall(r"(?<!\d)\d{6}(?!\d)", part.get_content())
    return str(code)
