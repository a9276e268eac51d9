"""What beginning and ending a sign-in have in common: whose source gets what it brings, what is told, what is noted."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from proxy.core.errors import FetchError, ProxyError, RequestInvalidError
from proxy.core.seal import Seal
from proxy.credentials.sign_in import Errand, SignInError, SignsIn
from proxy.net.runtime import Runtime
from proxy.stores.base import StoreError
from proxy.stores.documents import Documents
from proxy.telemetry.events import EventLog, EventName
from proxy.telemetry.line import Level
from proxy.tokens.source import Source
from proxy.tokens.sources import Sources
from proxy.tokens.workshop import Workshop
from proxy.users import login_pages
from proxy.users.attempts import AttemptError, Attempts
from proxy.users.browser import Browsers
from proxy.users.id_tokens import IdTokens
from proxy.users.pace import Pace
from proxy.users.portal import Answer
from proxy.users.registry import Registry
from proxy.users.returns import Return, Returns
from proxy.users.tickets import TicketError, Tickets

REVOKED: Final = "revoked"
FAILED: Final = "failed"
NOT_OFFERED: Final = "not_offered"
"""What became of tokens at the provider: it took them back, it did not, or it cannot be asked to."""
MOST_TOLD: Final = 10
"""Times in ten minutes that the same is written down of one user's old or stolen links."""
_AWAY: Final = "The service cannot be reached now. Try again in a while."
_NOT_ACCEPTED: Final = "The service did not accept this sign-in."
_STORE_AWAY: Final = "This cannot be kept now. Try again in a while."
_GONE: Final = "this link leads nowhere any more"


@dataclass(frozen=True, slots=True)
class SignIns:
    """What outlives a reload. One per process."""

    sources: Callable[[], Sources]
    """Returns those that are in use now."""
    registry: Registry
    tickets: Tickets
    attempts: Attempts
    returns: Returns
    browsers: Browsers
    id_tokens: IdTokens
    events: EventLog
    runtime: Runtime
    pace: Pace = field(default_factory=lambda: Pace(MOST_TOLD))
    """Of what is written down of links, forms and returns that lead nowhere."""

    async def source(self, credential: str, user: str | None) -> tuple[Source, SignsIn]:
        """Return the source that gets what a sign-in brings, and its credential.

        Raises:
            RequestInvalidError: there is none any more.
            TokenUnavailableError: what is known of the user cannot be looked up.
        """
        sources = self.sources()
        source = None if user is not None else sources.by_name.get(credential)
        if user is not None and credential in sources.pools:
            source = await sources.pools[credential].obtain(self.registry.person(user))
        if source is None or source.credential.sign_in is None:
            raise RequestInvalidError(_GONE)
        return source, source.credential.sign_in

    async def arrive(self, returned: Return) -> None:
        """Make what a browser came back with into a token that counts.

        Raises:
            SignInError: it is not what it should be.
            FetchError: the provider gives no token for it.
            StoreError: it cannot be kept.
            ProxyError: the credential is not there any more.
        """
        attempt = returned.attempt
        source, signs_in = await self.source(attempt.credential, attempt.user)
        if returned.own != (attempt.credential if signs_in.own_callback else ""):
            sentence = "This answer has come to an address that is not meant for it."
            raise SignInError("wrong_issuer", sentence, detail="it came to another credential's callback address")
        errand = Errand(returned.state, attempt.redirect_uri)
        arrival = await signs_in.arrive(errand, attempt.kept, returned.parameters)
        if arrival.id_token is not None:
            await self.id_tokens.check(arrival.id_token)
        await source.plant(arrival.token)
        self.record("info", EventName.SIGNED_IN, attempt.credential, attempt.user, ordered_by=attempt.ordered_by)

    async def end(self, credential: str, user: str | None, ordered_by: str = "") -> str:
        """End the access that a sign-in gave; return what the provider made of it. Here it is gone in any case.

        Raises:
            RequestInvalidError: nobody signs in for this.
            StoreError: other replicas may still use it.
        """
        source, signs_in = await self.source(credential, user)
        work = self._end(source, signs_in, user, ordered_by=ordered_by)
        return await self.runtime.see_through(work, name=f"end the access to {credential}", expected=(StoreError,))

    async def _end(self, source: Source, signs_in: SignsIn, user: str | None, *, ordered_by: str) -> str:
        token = await source.revoke()
        outcome, detail = NOT_OFFERED, ""
        if token is not None:
            try:
                outcome = REVOKED if await signs_in.give_back(token) else NOT_OFFERED
            except FetchError as error:
                outcome, detail = FAILED, str(error)
        level: Level = "warning" if outcome == FAILED else "info"
        self.record(
            level, EventName.SIGNED_OUT, source.name, user, detail=detail, ordered_by=ordered_by, outcome=outcome
        )
        return outcome

    def turned_away(self, error: Exception) -> Answer:
        """Tell why a link, a form or a return leads nowhere; if it is known whose it was, somebody may be at work.

        What is old can be sent as often as somebody likes: that is written down a few times in ten minutes.
        """
        if isinstance(error, TicketError) and error.ticket is not None:
            self._note(error.ticket.credential, error.ticket.user, error.reason)
        if isinstance(error, AttemptError) and error.credential is not None:
            self._note(error.credential, error.user, error.reason)
        if isinstance(error, StoreError):
            return login_pages.refused(_STORE_AWAY, status=503)
        status = error.status if isinstance(error, ProxyError) else 400
        sentence = str(error)
        return login_pages.refused(f"{sentence[:1].upper()}{sentence[1:].rstrip('.')}.", status=status)

    def failed(self, error: Exception, credential: str, user: str | None, return_to: str) -> Answer:
        """Tell that nothing came of a sign-in, and why; write it down."""
        reason, detail, sentence, status = "store_away", str(error), _STORE_AWAY, 503
        if isinstance(error, SignInError):
            reason, detail, sentence, status = error.reason, error.detail, str(error), 400
        elif isinstance(error, FetchError):
            reason, sentence, status = error.reason.value, _NOT_ACCEPTED if error.permanent else _AWAY, 502
        self.refused(credential, user, reason, detail)
        return login_pages.refused(sentence, return_to=return_to, status=status)

    def refused(self, credential: str, user: str | None, reason: str, detail: str = "") -> None:
        """Write down that nothing came of a sign-in."""
        level: Level = "info" if reason == "access_denied" else "warning"
        self.record(level, EventName.SIGN_IN_REFUSED, credential, user, reason=reason, detail=detail)

    def _note(self, credential: str, user: str | None, reason: str) -> None:
        if not self.pace.wait(f"{reason} {credential} {user}", self.runtime.clock.monotonic()):
            self.refused(credential, user, reason)

    def record(
        self,
        level: Level,
        event: EventName,
        credential: str,
        user: str | None,
        *,
        reason: str | None = None,
        detail: str = "",
        ordered_by: str = "",
        **more: str,
    ) -> None:
        """Write down what became of a sign-in. `ordered_by`: the operator who asked for it."""
        who = None if user is None else self.registry.pseudonym(user)
        more |= {"who": ordered_by} if ordered_by else {}
        self.events.record(level, event, credential=credential, user=who, reason=reason, detail=detail, **more)


def sign_ins(
    sources: Callable[[], Sources], registry: Registry, documents: Documents, seal: Seal, workshop: Workshop
) -> SignIns:
    """Return what a process has for sign-ins."""
    clock = workshop.runtime.clock
    return SignIns(
        sources,
        registry,
        Tickets(documents, seal, clock),
        Attempts(documents),
        Returns(documents),
        Browsers(seal, clock),
        IdTokens(workshop.endpoint, workshop.runtime),
        workshop.events,
        workshop.runtime,
    )
