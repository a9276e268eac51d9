"""How a sign-in ends: the browser comes back from the provider, and what it brings is made into a token.

Theory. Only the browser in which a sign-in began can end it, once, within ten minutes. What it brings counts on every
replica before the person is told so, and it counts for those, too, who do not wait for that: their code is spent. Where
the application finishes sign-ins, it is kept, and counts for nobody until the application says whose it is (`finish`).
Where the address has no `state`, or nothing else, the provider may have put its answer behind the `#`, which browsers
keep to themselves: a page with a script hands it over.
"""

from collections.abc import Mapping
from typing import Final

from proxy.core.errors import FetchError, ProxyError
from proxy.credentials.sign_in import SignInError
from proxy.stores.base import StoreError
from proxy.users import login_pages
from proxy.users.attempts import AttemptError
from proxy.users.portal import PREFIX, Answer, Call, Entry, redirect
from proxy.users.return_to import with_parameter
from proxy.users.returns import PARAMETER, Return
from proxy.users.settings import UsersSettings
from proxy.users.sign_ins import SignIns

CALLBACK: Final = "callback"
DONE: Final = "signed-in"


class Callback:
    """The desk of one configuration."""

    def __init__(self, settings: UsersSettings, sign_ins: SignIns) -> None:
        self._settings = settings
        self._sign_ins = sign_ins

    def entries(self) -> tuple[Entry, ...]:
        """Return what browsers reach."""
        paths = CALLBACK, f"{CALLBACK}/"
        returns = tuple(Entry(method, path, self._return) for method in ("GET", "POST") for path in paths)
        return (*returns, Entry("GET", DONE, self._done))

    async def _return(self, call: Call) -> Answer:
        """Take what the person comes back with."""
        try:
            parameters = call.parameters()
        except ProxyError as error:
            return self._sign_ins.turned_away(error)
        state = parameters.pop("state", "")
        if call.head.method == "HEAD" or (call.head.method == "GET" and not (state and parameters)):
            return login_pages.fragment()
        return await self._sign_ins.runtime.see_through(self._end(call, state, parameters), name="end a sign-in")

    async def _end(self, call: Call, state: str, parameters: Mapping[str, str]) -> Answer:
        """Take it, once, and say what came of it."""
        sign_ins = self._sign_ins
        try:
            attempt = await sign_ins.attempts.take(state, sign_ins.browsers.mark(call))
        except (AttemptError, StoreError) as error:
            return sign_ins.turned_away(error)
        returned = Return(attempt, state, parameters, call.rest)
        try:
            if self._settings.hands_over(attempt.user):
                return _back(call, await self._handed_over(returned))
            await sign_ins.arrive(returned)
        except (SignInError, FetchError, StoreError, ProxyError) as error:
            return sign_ins.failed(error, attempt.credential, attempt.user, attempt.return_to)
        back = _back(call, attempt.return_to or f"{self._settings.public_url}{PREFIX}{DONE}")
        if attempt.user is None:
            return back
        return back.with_cookies(sign_ins.browsers.remembering(call, attempt.user, attempt.credential))

    async def _handed_over(self, returned: Return) -> str:
        """Keep it for the application, and return the address where that one learns of it.

        Raises:
            SignInError: there is no such address.
            StoreError: it cannot be kept.
        """
        if not returned.attempt.return_to:  # the sign-in began under a configuration that did not want one
            raise SignInError("misconfigured", "This sign-in has no page to go back to.")
        code = await self._sign_ins.returns.keep(returned)
        return with_parameter(returned.attempt.return_to, PARAMETER, code)

    async def _done(self, _: Call) -> Answer:
        return login_pages.signed_in()


def _back(call: Call, address: str) -> Answer:
    """Send the browser on: with a page if it sent a form, for a redirect would be held to where forms may go."""
    return login_pages.going_back(address) if call.head.method == "POST" else redirect(address)
