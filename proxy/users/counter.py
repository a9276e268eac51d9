"""The counter at which codes are asked for and handed in, whoever asks: limits, letters, and the record of it all.

Theory. Whoever asks for a code gets the same answer in about the same time, whether or not there is a user and an
address: the mail server is called for everybody, and the letter is written and handed over by a task, after the answer;
where none may be sent, one is written all the same, for what keeps us busy can be felt from outside.
"""

from email.message import EmailMessage
from functools import partial
from typing import Final, NoReturn

from proxy.core.errors import CodeRefusedError, DependencyUnavailableError, VerificationLimitedError
from proxy.net.runtime import Runtime
from proxy.telemetry.events import EventLog, EventName
from proxy.telemetry.line import Level
from proxy.telemetry.metrics import Metrics
from proxy.users.codes import LIFETIME
from proxy.users.handles import Handle
from proxy.users.letter import envelope_sender, letter
from proxy.users.mail import Mailer, MailError, MailSettings
from proxy.users.pace import Pace, neighbourhood
from proxy.users.verification import Issued, Verifications

_LONGEST_CODE: Final = 40


class Counter:
    """Of one configuration. `per_peer`: how many calls one network address may make."""

    def __init__(
        self,
        mail: MailSettings,
        per_peer: int | None,
        *,
        verifications: Verifications,
        runtime: Runtime,
        events: EventLog,
        metrics: Metrics,
    ) -> None:
        self._mail = mail
        self._mailer = Mailer(mail, runtime)
        self._peers = Pace(per_peer)
        self._tellings = Pace(1)
        self._verifications = verifications
        self._clock = runtime.clock
        self._events = events
        self._metrics = metrics

    async def send(self, peer: str, handle: Handle) -> None:
        """Have a code sent, if there is an address; nobody learns whether there is. `peer`: as of `judge`.

        Raises:
            VerificationLimitedError: there were too many.
            DependencyUnavailableError: the mail server or the store does not answer.
        """
        try:
            self._heed(peer)
            await self._verifications.check_limits(handle)
            line = await self._mailer.open()
        except VerificationLimitedError as error:
            self._limited(peer, handle, error)
        except MailError as error:
            self._sent(handle, error)
            raise DependencyUnavailableError("no code can be sent now", retry_after=5.0) from None
        try:
            issued = await self._verifications.issue(handle)
        except VerificationLimitedError as error:
            self._mailer.post(line, None, _nothing)
            self._limited(peer, handle, error)
        except BaseException:
            self._mailer.post(line, None, _nothing)
            raise
        write = partial(self._letter, issued, handle.shown)
        self._mailer.post(line, write, partial(self._sent, handle), sends=not issued.withheld)
        if issued.withheld:
            self._metrics.verifications("withheld")
            self._record("warning", EventName.VERIFICATION_FAILED, handle, reason=issued.withheld)

    def _letter(self, issued: Issued, scope: str) -> EmailMessage:
        """Write the letter: after the answer, for it takes some time."""
        return letter(
            self._mail.templates,
            sender=self._mail.from_,
            address=issued.user.email or envelope_sender(self._mail.from_),
            code=issued.code,
            scope=scope,
            minutes=round(LIFETIME / 60),
            name=issued.user.name,
        )

    def _sent(self, handle: Handle, error: MailError | None) -> None:
        if error is None:
            self._metrics.verifications("sent")
            self._record("info", EventName.VERIFICATION_SENT, handle)
        else:
            self._metrics.verifications("failed")
            if not self._tellings.wait(str(error), self._clock.monotonic()):
                self._record("error", EventName.VERIFICATION_FAILED, handle, reason="mail_server", detail=str(error))

    async def judge(self, peer: str, handle: Handle, code: str) -> None:
        """Take a code. `peer`: the network address from which it comes.

        Raises:
            CodeRefusedError: it is not right, or not any more.
            VerificationLimitedError: there were too many.
            DependencyUnavailableError: the store does not answer.
        """
        try:
            self._heed(peer)
            await self._verifications.check(handle, "".join(code[:_LONGEST_CODE].split()))
        except VerificationLimitedError as error:
            self._limited(peer, handle, error)
        except CodeRefusedError:
            self._metrics.verifications("refused")
            self._record("warning", EventName.VERIFICATION_REFUSED, handle, peer=peer)
            raise
        self._metrics.verifications("verified")
        self._record("info", EventName.VERIFIED, handle)

    def _heed(self, peer: str) -> None:
        """Raise VerificationLimitedError when too much comes from one address."""
        wait = self._peers.wait(neighbourhood(peer), self._clock.monotonic())
        if wait:
            raise VerificationLimitedError("too many calls come from this address", retry_after=wait)

    def _limited(self, peer: str, handle: Handle, error: VerificationLimitedError) -> NoReturn:
        self._metrics.verifications("limited")
        if not self._tellings.wait(handle.user, self._clock.monotonic()):
            self._record("warning", EventName.VERIFICATION_LIMITED, handle, detail=error.detail, peer=peer)
        raise error

    def _record(
        self,
        level: Level,
        event: EventName,
        handle: Handle,
        *,
        reason: str | None = None,
        detail: str = "",
        **fields: str,
    ) -> None:
        user = self._verifications.pseudonym(handle.user)
        self._events.record(level, event, user=user, reason=reason, detail=detail, scope=handle.scope, **fields)


def _nothing(error: MailError | None) -> None:
    """Nobody is told."""
