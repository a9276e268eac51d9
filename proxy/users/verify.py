"""How a person shows that they read their mailbox: the link in a refusal, the page behind it, and two calls for apps.

Theory. A request without a verification is refused with a link; in it stands a handle, which says for us alone who is
to be verified for what. Nothing is done by a GET, for mail scanners and browsers open links on their own.
"""

import hmac
import math
from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import urlencode

from proxy.core.errors import (
    CodeRefusedError,
    ProxyError,
    RequestInvalidError,
    UserUnprovenError,
    VerificationLimitedError,
    VerificationRequiredError,
)
from proxy.core.message import RequestHead
from proxy.core.person import Person
from proxy.users import verify_page
from proxy.users.codes import DIGITS, PAUSE
from proxy.users.codes import LIFETIME as CODE_LIFETIME
from proxy.users.counter import Counter
from proxy.users.handles import Handle
from proxy.users.portal import Answer, Call, Entry, redirect, told
from proxy.users.return_to import checked
from proxy.users.settings import UsersSettings
from proxy.users.verification import Verifications

PATH: Final = "/.countersign/verify"
AGAIN: Final = "again"

Prove = Callable[[RequestHead], Awaitable[str | None]]
"""Returns the user whom a call proves to be from; None: it claims nothing. May raise UserUnprovenError."""


class Verify:
    """The desk of one configuration; `verifications` outlive it."""

    def __init__(self, settings: UsersSettings, verifications: Verifications, counter: Counter, prove: Prove) -> None:
        self._settings = settings
        self.verifications = verifications
        self._handles = verifications.handles
        self._counter = counter
        self._prove = prove

    def entries(self) -> tuple[Entry, ...]:
        """Return what browsers, apps and bots reach."""
        return (
            Entry("GET", "verify", self._show),
            Entry("POST", "verify", self._take),
            Entry("POST", "verify/start", self._start, cross_origin=True),
            Entry("POST", "verify/check", self._check, cross_origin=True),
        )

    async def demand(self, person: Person, scope: str, valid_for: float) -> None:
        """Let a request go on whose user is verified for the scope, which is not known in this process.

        Raises:
            VerificationRequiredError: they are not, or not any more.
            DependencyUnavailableError: the store does not say.
        """
        if await self.verifications.look(person, scope, valid_for):
            return
        handle = self._handles.write(Handle(person.id, scope))
        raise VerificationRequiredError(
            "the user has to type a code that is sent to their e-mail address",
            verify_url=f"{self._settings.public_url}{PATH}?{urlencode({'handle': handle})}",
            handle=handle,
        )

    async def _start(self, call: Call) -> Answer:
        """Send a code, for an app or a bot."""
        handle = await self._named(call, call.json())
        await self._counter.send(call.head.peer, handle)
        return told(
            {"status": "accepted", "expires_in": round(CODE_LIFETIME), "resend_after": round(PAUSE)}, status=202
        )

    async def _check(self, call: Call) -> Answer:
        """Take a code from an app or a bot."""
        document = call.json()
        handle = await self._named(call, document)
        code = document.get("code")
        if not isinstance(code, str):
            raise RequestInvalidError(f"`code` is missing: a text of {DIGITS} digits")
        await self._counter.judge(call.head.peer, handle, code)
        return told({"status": "verified"})

    async def _named(self, call: Call, document: dict[str, object]) -> Handle:
        """Return whom the call is about; a proof of somebody else beside it is refused."""
        text = document.get("handle")
        if not isinstance(text, str):
            raise RequestInvalidError("`handle` is missing: the one that stood in the refusal")
        handle = self._handles.read(text)
        if await self._prove(call.head) not in (None, handle.user):
            raise UserUnprovenError("the handle is not this user's")
        return handle

    async def _show(self, call: Call) -> Answer:
        """Show the page. Changes nothing."""
        try:
            parameters = call.parameters()
            view = self._view(parameters)
        except RequestInvalidError as error:
            return verify_page.broken(_sentence(error))
        if "done" in parameters:
            return verify_page.done()
        if "sent" not in parameters:
            return verify_page.asking(view)
        return verify_page.entering(view, is_another=parameters["sent"] == AGAIN)

    async def _take(self, call: Call) -> Answer:
        """Take one of the page's forms."""
        try:
            parameters = call.parameters()
            view = self._view(parameters)
        except RequestInvalidError as error:
            return verify_page.broken(_sentence(error))
        if not _same(parameters.get("token", ""), view.token):
            return verify_page.broken("This form is not of our page.")
        handle = self._handles.read(view.handle)
        do = parameters.get("do", "")
        try:
            if do == "check":
                await self._counter.judge(call.head.peer, handle, parameters.get("code", ""))
                return redirect(view.return_to or view.link(done="1"))
            await self._counter.send(call.head.peer, handle)
        except ProxyError as error:
            return _told(error, view, do)
        return redirect(view.link(sent=AGAIN if do == AGAIN else "1"))

    def _view(self, parameters: dict[str, str]) -> verify_page.View:
        text = parameters.get("handle", "")
        handle = self._handles.read(text)
        return_to = parameters.get("return_to", "")
        if return_to:
            checked(return_to, self._settings.origins)
        return verify_page.View(text, self._handles.form_token(text), handle.shown, return_to)


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode("utf-8", "surrogatepass"), other.encode())


def _sentence(error: ProxyError) -> str:
    return f"{error.detail[:1].upper()}{error.detail[1:]}."


def _advice(error: ProxyError) -> str:
    """Return what a person can do."""
    match error:
        case CodeRefusedError():
            return "This code is wrong, or its time is over. Type the one that came last, or have another one sent."
        case VerificationLimitedError():
            return f"Too many codes were asked for or tried. Wait {_time(error.retry_after or 1.0)}, then try again."
        case _:
            return "Codes cannot be sent or checked now. Try again in a moment."


def _time(seconds: float) -> str:
    """Return how long that is in the words of people, rounded up."""
    count, unit = (math.ceil(seconds), "second") if seconds < 60 else (math.ceil(seconds / 60), "minute")
    return f"{count} {unit}{'s' * (count > 1)}"


def _told(error: ProxyError, view: verify_page.View, do: str) -> Answer:
    """Return the page that says what went wrong. Who has a code keeps the field for it."""
    why = _advice(error)
    if do not in {"check", AGAIN}:
        return _with_wait(error, verify_page.asking(view, problem=why, status=error.status))
    is_wrong = isinstance(error, CodeRefusedError)
    return _with_wait(error, verify_page.entering(view, problem=why, status=error.status, is_wrong=is_wrong))


def _with_wait(error: ProxyError, answer: Answer) -> Answer:
    if error.retry_after is None:
        return answer
    headers = {**answer.headers, "Retry-After": str(max(1, math.ceil(error.retry_after)))}
    return Answer(answer.status, answer.body, headers)
