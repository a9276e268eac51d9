"""Sends mail by SMTP: the connection is opened before anybody is told that mail is on its way, the rest is done behind.

Theory. Whoever wants a letter sent asks for a `Line` first, and gets one within seconds or learns that the server is
down. A line is good for one letter, or for none. The letter is handed over by a task; where the server puts it off, or
the connection breaks, it is tried a few times more on new lines, as long as the code in it would still be of use. When
the process ends, what is under way may land, and what waits for another try has its last one at once.
"""

import asyncio
import contextlib
import ssl
from collections.abc import Callable
from email.message import EmailMessage
from ipaddress import ip_address
from typing import Annotated, Final, Literal, Self

import aiosmtplib
from pydantic import Field, model_validator

from proxy.core.secret import Secret
from proxy.core.settings import ConfigFile, Duration, Settings
from proxy.net.runtime import Runtime
from proxy.users.letter import LetterSettings, Sender, envelope_sender

PORTS: Final = {"starttls": 587, "tls": 465, "none": 25}
"""Where mail is submitted (RFC 8314 §3.3), unless the settings say otherwise."""
WAITS: Final = (2.0, 10.0, 30.0)
"""Seconds before each further try."""
HANDING_OVER: Final = 60.0
"""Seconds that each of a server's answers to a letter may take. Nobody waits for them, and one that came too late would
be of a letter that was taken, and is sent again."""
LINES: Final = 8
"""Connections that may stand at once."""
COMMANDS: Final = 4
"""What a letter takes: MAIL, RCPT, DATA, and the letter itself."""
QUEUE: Final = 1000
"""Letters that may be under way at once."""

Write = Callable[[], EmailMessage]
"""Writes a letter; ValueError: that cannot be."""


class MailError(Exception):
    """The mail server is down, or does not take the letter. Says which, and repeats nothing that it said."""

    def __init__(self, message: str, *, permanent: bool = False) -> None:
        super().__init__(message)
        self.permanent = permanent
        """True: the server has refused the letter for good."""


Told = Callable[[MailError | None], None]
"""Is told how it went with a letter. None: the server has it."""


class MailSettings(Settings):
    """The mail server that sends codes."""

    host: Annotated[str, Field(pattern=r"^[A-Za-z0-9.:_-]{1,253}$")]
    """Its name or address."""
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """Its port. None: 587 for starttls, 465 for tls, 25 for none."""
    tls: Literal["starttls", "tls", "none"] = "starttls"
    """How the connection is encrypted; a server that does not offer it is not used."""
    allow_plain: bool = False
    """Let `tls: none` be used with a server that is not on this machine; codes then travel readable."""
    ca: ConfigFile | None = None
    """A PEM file with the authorities to believe instead of the system's."""
    username: str | None = None
    """The user to log in as."""
    password: Secret | None = None
    """Its password."""
    from_: Sender = Field(alias="from")
    """The sender: an address, or a name and an address."""
    timeout: Annotated[Duration, Field(gt=0, le=4.5)] = 4.0
    """How long it may take until the connection stands, login included; who asks for a code waits for that."""
    templates: LetterSettings = LetterSettings()
    """What the mail says; `${file:…}` takes a template from a file."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.username is None) != (self.password is None):
            raise ValueError("username and password go together; give both, or neither")
        if self.tls == "none" and not (self.allow_plain or _is_here(self.host)):
            raise ValueError(
                "codes would travel readable to another machine; say tls: starttls or tls, or allow_plain: true"
            )
        return self


def _is_here(host: str) -> bool:
    with contextlib.suppress(ValueError):
        return ip_address(host).is_loopback
    return host == "localhost"


class Line:
    """A connection to the mail server, logged in."""

    def __init__(self, client: aiosmtplib.SMTP, free: Callable[[], None]) -> None:
        self._client = client
        self._free: Callable[[], None] | None = free

    async def send(self, letter: EmailMessage, sender: str) -> None:
        """Hand one letter over.

        Raises:
            MailError: it was not taken.
        """
        to = str(letter["To"])
        options = () if to.isascii() else ("SMTPUTF8",)
        try:
            await self._client.sendmail(sender, [to], letter.as_bytes(), mail_options=options, timeout=HANDING_OVER)
        except aiosmtplib.SMTPNotSupported:
            raise MailError("the mail server takes no addresses beyond ASCII (SMTPUTF8)", permanent=True) from None
        except (aiosmtplib.SMTPException, OSError) as error:
            raise failure(error) from None

    async def rehearse(self, letter: EmailMessage) -> None:
        """Do what a letter takes, and send nothing: who watches how busy we are learns nothing of whether one goes."""
        letter.as_bytes()
        with contextlib.suppress(aiosmtplib.SMTPException, OSError):
            for _ in range(COMMANDS):
                await self._client.noop(timeout=HANDING_OVER)

    async def close(self) -> None:
        """Hang up; doing it twice is no error."""
        if self._free is None:
            return
        self._free()
        self._free = None
        with contextlib.suppress(aiosmtplib.SMTPException, OSError):
            await self._client.quit(timeout=1.0)
        self._client.close()


class Mailer:
    """Sends letters by one mail server."""

    def __init__(self, settings: MailSettings, runtime: Runtime) -> None:
        self._settings = settings
        self._runtime = runtime
        self._lines = asyncio.Semaphore(LINES)
        self._letters = 0

    def __repr__(self) -> str:
        return f"<Mailer, {self._settings.host}>"

    async def open(self) -> Line:
        """Return a line.

        Raises:
            MailError: there is none within the time that is given.
        """
        settings = self._settings
        try:
            async with asyncio.timeout(settings.timeout):
                await self._lines.acquire()
                try:
                    client = await self._connected()
                except BaseException:
                    self._lines.release()
                    raise
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
            raise failure(error) from None
        return Line(client, self._lines.release)

    async def _connected(self) -> aiosmtplib.SMTP:
        settings = self._settings
        context = None if settings.tls == "none" else await asyncio.to_thread(_context, settings)
        client = aiosmtplib.SMTP(
            hostname=settings.host,
            port=settings.port or PORTS[settings.tls],
            username=settings.username,
            password=None if settings.password is None else settings.password.reveal(),
            local_hostname=envelope_sender(settings.from_).rpartition("@")[2],
            use_tls=settings.tls == "tls",
            start_tls=settings.tls == "starttls",
            tls_context=context,
            timeout=settings.timeout,
        )
        try:
            await client.connect()
        except BaseException:
            client.close()
            raise
        return client

    def post(self, line: Line, write: Write | None, told: Told, *, sends: bool = True) -> None:
        """Have a letter written and sent, the line hung up, and somebody told how it went. None: only hang up.

        `sends`: False to do all that but the sending; nobody is told then.
        """
        if write is not None and self._letters >= QUEUE:
            write = None
            told(MailError("too many letters are under way"))
        self._letters += 1
        self._runtime.spawn(self._deliver(line, write, told, sends=sends), name="send mail", lands=sends)

    async def _deliver(self, line: Line, write: Write | None, told: Told, *, sends: bool) -> None:
        try:
            if write is not None and sends:
                told(await self._tried(line, write()))
            elif write is not None:
                await line.rehearse(write())
        except ValueError as error:
            told(MailError(str(error), permanent=True))
        except asyncio.CancelledError:
            if write is not None and sends:
                told(MailError("the process ended before the mail server had taken the letter"))
            raise
        finally:
            self._letters -= 1
            await line.close()

    async def _tried(self, line: Line, letter: EmailMessage) -> MailError | None:
        """Try until it is taken, or refused for good, or there is no use in it any more; return why it failed."""
        problem = await self._sent(line, letter)
        for wait in WAITS:
            if problem is None or problem.permanent or self._runtime.closing.is_set():
                break
            await self._wait(wait)
            try:
                problem = await self._sent(await self.open(), letter)
            except MailError as error:
                problem = error
        return problem

    async def _wait(self, seconds: float) -> None:
        """Let that much time pass, or less if the process ends."""
        spawn, clock, closing = self._runtime.spawn, self._runtime.clock, self._runtime.closing
        waits = [spawn(one, name="wait to send mail again") for one in (clock.sleep(seconds), closing.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waits:
                one.cancel()

    async def _sent(self, line: Line, letter: EmailMessage) -> MailError | None:
        try:
            await line.send(letter, envelope_sender(self._settings.from_))
        except MailError as error:
            return error
        finally:
            await line.close()
        return None


def _context(settings: MailSettings) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=settings.ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def failure(error: BaseException) -> MailError:
    """Return what is said of an error. A server's own words may repeat the address, and are left out."""
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
        codes = [refused.code for refused in error.recipients]
        return MailError(f"the mail server refuses the recipient ({codes[0]})", permanent=codes[0] >= 500)
    if isinstance(error, aiosmtplib.SMTPAuthenticationError):
        return MailError(f"the mail server refuses the login ({error.code})")
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return MailError(f"the mail server answers {error.code}", permanent=error.code >= 500)
    if isinstance(error, TimeoutError):
        return MailError("the mail server does not answer in time")
    return MailError(f"the mail server cannot be used: {type(error).__name__}")
