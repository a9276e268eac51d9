"""How a user begins to give access: the link in a refusal, a question, and off to the provider.

Theory. The link holds a ticket, which says whose access is to be given to what. A GET changes nothing, for mail
scanners and browsers open links on their own: a page asks, and its form begins the sign-in. Only a browser in which
that same user has signed in before is not asked.
"""

import hmac
from typing import Final
from urllib.parse import urlencode

from proxy.core.errors import FetchError, LoginRequiredError, ProxyError, RequestInvalidError
from proxy.core.person import Person
from proxy.credentials.sign_in import Errand, SignInError, SignsIn
from proxy.stores.base import StoreError
from proxy.users import login_pages
from proxy.users.attempts import Attempt, new_state
from proxy.users.browser import new_mark
from proxy.users.callback import CALLBACK
from proxy.users.portal import PREFIX, Answer, Call, Entry, redirect
from proxy.users.registry import User
from proxy.users.return_to import checked
from proxy.users.settings import UsersSettings
from proxy.users.sign_ins import SignIns
from proxy.users.tickets import Ticket, TicketError, Way, used_before

LOGIN: Final = "login/"


class Login:
    """The desk of one configuration."""

    def __init__(self, settings: UsersSettings, sign_ins: SignIns) -> None:
        self._settings = settings
        self._sign_ins = sign_ins

    def entries(self) -> tuple[Entry, ...]:
        """Return what browsers reach."""
        return Entry("GET", LOGIN, self._ask), Entry("POST", LOGIN, self._confirm)

    def address(self, credential: str, user: str | None, ordered_by: str = "") -> str:
        """Return a link with which one sign-in can begin. Asks no store."""
        ticket = self._sign_ins.tickets.issue(credential, user, ordered_by)
        return f"{self._settings.public_url}{PREFIX}{LOGIN}{credential}?{urlencode({'ticket': ticket})}"

    def invite(self, error: LoginRequiredError, person: Person) -> None:
        """Put a link into what a request is told, if its user can do something about it."""
        credential = error.members.get("credential", "")
        if self._settings.public_url is not None and credential in self._sign_ins.sources().pools:
            error.members["login_url"] = self.address(credential, person.id)

    async def _ask(self, call: Call) -> Answer:
        """Ask whether this is meant; begin at once where the browser is known to be the user's."""
        sign_ins, browsers = self._sign_ins, self._sign_ins.browsers
        try:
            ticket, return_to = self._read(call)
            _, signs_in = await sign_ins.source(ticket.credential, ticket.user)
        except (TicketError, ProxyError) as error:
            return sign_ins.turned_away(error)
        mark, known = browsers.mark(call) or new_mark(), browsers.user(call)
        if browsers.has_signed_in(call, ticket.user, ticket.credential) and call.head.method == "GET":
            return await self._begin(ticket, mark, return_to, by_form=False)
        question = login_pages.Question(
            signs_in.service,
            await self._known_of(ticket.user),
            ticket.ordered_by,
            call.parameters()["ticket"],
            sign_ins.tickets.form_token(ticket, mark),
            return_to,
            is_another=known not in (None, ticket.user),
        )
        return login_pages.asking(question).with_cookies(browsers.marked(mark))

    async def _confirm(self, call: Call) -> Answer:
        """Take the page's form."""
        try:
            ticket, return_to = self._read(call)
            mark = self._checked_mark(call, ticket)
        except (TicketError, ProxyError) as error:
            return self._sign_ins.turned_away(error)
        return await self._begin(ticket, mark, return_to, by_form=True)

    async def _begin(self, ticket: Ticket, mark: str, return_to: str, *, by_form: bool) -> Answer:
        """Send the browser to the provider."""
        sign_ins, credential, user = self._sign_ins, ticket.credential, ticket.user
        try:
            _, signs_in = await sign_ins.source(credential, user)
            way = await self._begun(ticket, mark) or await self._anew(ticket, mark, return_to, signs_in)
        except (TicketError, ProxyError) as error:
            return sign_ins.turned_away(error)
        except (SignInError, FetchError, StoreError) as error:
            return sign_ins.failed(error, credential, user, return_to)
        cookie = sign_ins.browsers.marked(mark)
        if by_form:
            return login_pages.leaving(signs_in.service, way.address).with_cookies(cookie)
        return redirect(way.address, cookies=(cookie,))

    async def _begun(self, ticket: Ticket, mark: str) -> Way | None:
        """Return what this browser has begun with the ticket, as long as it is not over: people go back, and on again.

        Nobody is asked for anything on behalf of whoever comes with a ticket that is used up.

        Raises:
            TicketError: it is used up.
            StoreError: nobody knows.
        """
        way = await self._sign_ins.tickets.begun(ticket, mark)
        if way is not None and not await self._sign_ins.attempts.is_open(way.state):
            raise used_before(ticket)
        return way

    async def _anew(self, ticket: Ticket, mark: str, return_to: str, signs_in: SignsIn) -> Way:
        """Begin it. Raises what `_begun`, `SignsIn.begin` and the store do."""
        errand = Errand(new_state(), self._redirect_uri(ticket.credential, signs_in))
        departure = await signs_in.begin(errand)
        attempt = Attempt(
            ticket.credential, ticket.user, errand.redirect_uri, return_to, ticket.ordered_by, departure.kept
        )
        await self._sign_ins.attempts.keep(errand.state, attempt, mark)
        return await self._sign_ins.tickets.use(ticket, mark, Way(errand.state, departure.address))

    def _read(self, call: Call) -> tuple[Ticket, str]:
        parameters = call.parameters()
        ticket = self._sign_ins.tickets.read(parameters.get("ticket", ""), call.rest)
        return_to = parameters.get("return_to", "")
        if not return_to and self._settings.hands_over(ticket.user):
            raise RequestInvalidError("this link needs a page to go back to: append `return_to`, percent-encoded")
        return ticket, checked(return_to, self._settings.origins) if return_to else ""

    def _checked_mark(self, call: Call, ticket: Ticket) -> str:
        """Return the mark of the browser in which our page was shown. Raises TicketError: it was not, or not in it."""
        mark, token = self._sign_ins.browsers.mark(call), call.parameters().get("token", "")
        if mark is None or not _same(token, self._sign_ins.tickets.form_token(ticket, mark)):
            sentence = "This page was opened in another browser, or this one keeps no cookies."
            raise TicketError("other_browser", sentence, ticket)
        return mark

    def _redirect_uri(self, credential: str, signs_in: SignsIn) -> str:
        end = f"/{credential}" if signs_in.own_callback else ""
        return f"{self._settings.public_url}{PREFIX}{CALLBACK}{end}"

    async def _known_of(self, user: str | None) -> User | None:
        if user is None:
            return None
        try:
            return await self._sign_ins.registry.find(user) or User(user)
        except StoreError:
            return User(user)


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode("utf-8", "surrogatepass"), other.encode())
