"""How a sign-in ends: the browser comes back from the provider, and what it brings is made into a token.

Theory. Only the browser in which a sign-in began can end it, once, within ten minutes. What it brings counts on every
replica before the person is told so, and it counts for those, too, who do not wait for that: their code is spent. Where
the address has no `state`, or nothing else, the provider may have put its answer behind the `#`, which browsers keep to
themselves: a page with a script hands it over.
"""

from collections.abc import Mapping
from typing import Final

from proxy.core.errors import FetchError, ProxyError
from proxy.credentials.sign_in import Errand, SignInError
from proxy.stores.base import StoreError
from proxy.telemetry.events import EventName
from proxy.users import login_pages
from proxy.users.attempts import Attempt, AttemptError
from proxy.users.portal import PREFIX, Answer, Call, Entry, redirect
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
        return await self._sign_ins.see_through(self._end(call, state, parameters), "end a sign-in")

    async def _end(self, call: Call, state: str, parameters: Mapping[str, str]) -> Answer:
        """Take it, once, and say what came of it."""
        sign_ins = self._sign_ins
        try:
            attempt = await sign_ins.attempts.take(state, sign_ins.browsers.mark(call))
        except (AttemptError, StoreError) as error:
            return sign_ins.turned_away(error)
        try:
            await self._arrive(attempt, state, parameters, call.rest)
        except (SignInError, FetchError, StoreError, ProxyError) as error:
            return sign_ins.failed(error, attempt.credential, attempt.user, attempt.return_to)
        ordered_by = attempt.ordered_by
        sign_ins.record("info", EventName.SIGNED_IN, attempt.credential, attempt.user, ordered_by=ordered_by)
        cookies = () if attempt.user is None else (sign_ins.browsers.remembering(attempt.user),)
        if call.head.method == "POST":
            return login_pages.signed_in(attempt.return_to).with_cookies(*cookies)
        return redirect(attempt.return_to or f"{self._settings.public_url}{PREFIX}{DONE}", cookies=cookies)

    async def _arrive(self, attempt: Attempt, state: str, parameters: Mapping[str, str], own: str) -> None:
        """Make what came back into a token that counts.

        Raises:
            SignInError: it is not what it should be.
            FetchError: the provider gives no token for it.
            StoreError: it cannot be kept.
            ProxyError: the credential is not there any more.
        """
        source, signs_in = await self._sign_ins.source(attempt.credential, attempt.user)
        if own != (attempt.credential if signs_in.own_callback else ""):
            sentence = "This answer has come to an address that is not meant for it."
            raise SignInError("wrong_issuer", sentence, detail="it came to another credential's callback address")
        errand = Errand(state, attempt.redirect_uri)
        arrival = await signs_in.arrive(errand, attempt.kept, parameters)
        if arrival.id_token is not None:
            await self._sign_ins.id_tokens.check(arrival.id_token)
        await source.plant(arrival.token)

    async def _done(self, _: Call) -> Answer:
        return login_pages.signed_in()
