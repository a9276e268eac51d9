"""All that one configuration knows of users: how they prove who they are, what is known of them, what they see."""

from collections.abc import Mapping
from typing import Any, Final

from proxy.core.errors import LoginRequiredError, UserUnprovenError
from proxy.core.message import RequestHead
from proxy.core.person import Person
from proxy.core.principal import Principal
from proxy.net.endpoint import Endpoint
from proxy.net.runtime import Runtime
from proxy.telemetry.events import EventLog
from proxy.telemetry.metrics import Metrics
from proxy.users.callback import Callback
from proxy.users.counter import Counter
from proxy.users.doubts import Doubts
from proxy.users.finish import finish_entry
from proxy.users.identity import Claim, Identifier, claimed
from proxy.users.login import Login
from proxy.users.logout import logout_entry
from proxy.users.mail import MailSettings
from proxy.users.portal import Portal
from proxy.users.proof import claim_in
from proxy.users.push import Pushes
from proxy.users.push_call import push_entry
from proxy.users.registry import Registry
from proxy.users.script import script_entries
from proxy.users.settings import UsersSettings
from proxy.users.sign_ins import SignIns
from proxy.users.verification import Verifications
from proxy.users.verify import Verify

VIA: Final = "request"
BROWSER: Final = "browser"


class People:
    """The users of one configuration; the registry outlives it."""

    def __init__(
        self, settings: UsersSettings, registry: Registry, endpoint: Endpoint, runtime: Runtime, doubts: Doubts
    ) -> None:
        self.settings = settings
        self.registry = registry
        self.identifier = Identifier(settings, endpoint, runtime, registry.person)
        self._doubts = doubts
        self.portal = Portal((), settings.own_origin, settings.origins)
        self.pushes: Pushes | None = None
        self.sign_ins: SignIns | None = None
        self.login: Login | None = None
        """None: nobody can sign in."""
        self.verify: Verify | None = None
        """None: nobody is asked for one-time codes."""

    def known(self, head: RequestHead, principal: Principal) -> Person | None:
        """Return for whom a request is, if that can be told at once.

        Raises:
            UserRequiredError: it names nobody.
            UserUnprovenError: it names somebody, and does not prove it.
        """
        claim = claimed(head)
        try:
            return self.identifier.known(claim, believed=principal.acts_for_any)
        except UserUnprovenError as error:
            self._doubts.tell(claim.user, self.registry.pseudonym, error, via=VIA)
            raise

    async def find(self, head: RequestHead, principal: Principal) -> Person:
        """Do the same, and wait for what has to be asked. Raises the same, or DependencyUnavailableError."""
        claim = claimed(head)
        with self._doubts.of_user(claim.user, self.registry.pseudonym, via=VIA):
            return await self.identifier.find(claim, believed=principal.acts_for_any)

    async def proven(self, head: RequestHead) -> str | None:
        """Return the user whom a call proves to be from; None: it names nobody.

        Raises:
            UserUnprovenError: it names somebody, and does not prove it.
        """
        claim = claimed(head)
        with self._doubts.of_user(claim.user, self.registry.pseudonym, via=VIA):
            return None if claim == Claim() else (await self.identifier.find(claim, believed=False)).id

    async def named_in(self, document: Mapping[str, Any], *others: str) -> Person:
        """Return the user whom the body of a browser's call names and proves. `others`: what else it may say.

        Raises:
            RequestInvalidError: it says something else.
            UserRequiredError: it names nobody.
            UserUnprovenError: it names somebody, and does not prove it.
            DependencyUnavailableError: nobody can tell now.
        """
        claim = claim_in(document, *others)
        with self._doubts.of_user(claim.user, self.registry.pseudonym, via=BROWSER):
            return await self.identifier.find(claim, believed=False)

    def let_push(self, pushes: Pushes) -> None:
        """Have users' tokens taken there."""
        self.pushes = pushes
        self.portal.add(push_entry(pushes, self.named_in), *script_entries())

    def let_sign_in(self, sign_ins: SignIns) -> None:
        """Have users sign in at providers, if browsers know where we are."""
        self.sign_ins = sign_ins
        if self.settings.public_url is not None:
            self.login = Login(self.settings, sign_ins)
            self.portal.add(*self.login.entries(), *Callback(self.settings, sign_ins).entries())
        self.portal.add(logout_entry(sign_ins, self.named_in), finish_entry(sign_ins, self.named_in))

    def invite(self, error: LoginRequiredError, person: Person | None) -> None:
        """Put a link into what the user's request is told, with which they can sign in."""
        if self.login is not None and person is not None:
            self.login.invite(error, person)

    def let_verify(
        self, verifications: Verifications, mail: MailSettings, runtime: Runtime, events: EventLog, metrics: Metrics
    ) -> None:
        """Have codes sent to users, and checked, at a counter of this configuration."""
        settings = self.settings
        per_peer = settings.verification.per_peer
        counter = Counter(mail, per_peer, verifications=verifications, runtime=runtime, events=events, metrics=metrics)
        self.verify = Verify(settings, verifications, counter, self.proven)
        self.portal.add(*self.verify.entries())
