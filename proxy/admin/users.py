"""What operators, and back ends with an admin key, ask and order about users: who they are, and what tokens they have.

Values go in and do not come out: of variables the names are shown, of tokens the fingerprints. What changes counts in
every process with the next request.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field

from proxy.admin.inspectable import Inspectable
from proxy.admin.operation import Call, Operation, Parameters
from proxy.admin.problem import DependencyUnavailableError, NotFoundError, OrderInvalidError, UserTokenRefusedError
from proxy.admin.views import UserTokenView, UserView, View
from proxy.core import errors
from proxy.core.expression import VariableName
from proxy.core.person import GIVEN, Person
from proxy.core.secret import Secret
from proxy.credentials.user_token import UserToken
from proxy.stores.base import StoreError
from proxy.telemetry.line import rfc3339
from proxy.tokens.sources import Sources
from proxy.users.identity import LONGEST_ID
from proxy.users.letter import is_address
from proxy.users.people import People
from proxy.users.registry import User

VIA: Final = "admin"
MOST: Final = 100
"""Variables of a user."""


def _address(text: str) -> str:
    if not is_address(text):
        raise ValueError("this is no address that mail can be sent to")
    return text


def _free(variables: Mapping[str, str]) -> Mapping[str, str]:
    if taken := sorted(GIVEN & variables.keys()):
        raise ValueError(f"{taken[0]} is known of every user; choose another name")
    return variables


class SecretParameters(Parameters):
    """What an order brings that no log may tell."""

    @property
    def noted(self) -> Mapping[str, Any]:
        """What is written down of an order: nothing."""
        return {}


class UserOrder(SecretParameters):
    """Everything that is to be known of a user."""

    email: Annotated[str, AfterValidator(_address)] | None = None
    """Their address; None: it is not known."""
    name: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    """Their name, for people; None: it is not known."""
    variables: Annotated[Mapping[VariableName, str], Field(max_length=MOST), AfterValidator(_free)] | None = None
    """What templates of credentials may use, all of it; None: what there is stays."""


class TokensOrder(SecretParameters):
    """Tokens of a user, which count together or not at all."""

    auth_tokens: Mapping[str, str]
    """By the names of credentials of kind user_token."""


class TokenOrder(SecretParameters):
    """A user's token of one credential."""

    value: str
    """The token."""


@contextmanager
def _told() -> Iterator[None]:
    """Say in an operator's words what goes wrong with users."""
    try:
        yield
    except StoreError as error:
        raise DependencyUnavailableError(f"{error}; repeat the order") from error
    except errors.UserTokenRefusedError as error:
        raise UserTokenRefusedError(error.detail, headers=None, **error.members) from error
    except errors.RequestInvalidError as error:
        raise OrderInvalidError(error.detail) from error
    except errors.ProxyError as error:
        raise DependencyUnavailableError(error.detail, error.retry_after) from error


Run = Callable[[Inspectable, Call], Awaitable[View]]


@dataclass(frozen=True, slots=True)
class Desk:
    """One user, and everything that an order about them needs."""

    people: People
    sources: Sources
    person: Person
    call: Call

    async def shown(self) -> UserView:
        """Return what is known of the user."""
        user = await self.people.registry.find(self.person.id) or User(self.person.id)
        return UserView(
            id=user.id,
            pseudonym=self.person.pseudonym,
            email=user.email,
            name=user.name,
            variables=tuple(sorted(user.variables)),
            tokens=tuple([await self.token(name) for name in self.sources.pools]),
        )

    async def token(self, name: str) -> UserTokenView:
        """Return the user's token of that credential."""
        token = (await self.sources.pools[name].obtain(self.person)).status()
        return UserTokenView(
            credential=name,
            kind=self.sources.settings[name].kind,
            state=token.state,
            fingerprint=token.fingerprint,
            issued_at=None if token.issued_at is None else rfc3339(token.issued_at),
            expires_at=None if token.expires_at is None else rfc3339(token.expires_at),
        )

    async def take(self, tokens: Mapping[str, str]) -> None:
        """Push tokens."""
        if self.people.pushes is not None:
            await self.people.pushes.take(self.person, tokens, via=VIA)

    async def end(self, names: Iterable[str]) -> None:
        """Let the user's tokens of these credentials be used no more."""
        for name in names:
            source = await self.sources.pools[name].obtain(self.person)
            if isinstance(source.credential, UserToken) and self.people.pushes is not None:
                await self.people.pushes.take_back(self.person, (name,), via=VIA)
            elif source.credential.sign_in is not None and self.people.sign_ins is not None:
                await self.people.sign_ins.end(name, self.person.id, ordered_by=self.call.who)
            else:
                await source.revoke()

    @property
    def named(self) -> str:
        """Return the credential that the path names. Raises NotFoundError: it is none that is per user."""
        if self.call.part not in self.sources.pools:
            raise NotFoundError("there is no credential of this name of which each user has a token")
        return self.call.part


def _of_user(run: Callable[[Desk], Awaitable[None]]) -> Run:
    """Return what does that for the user whom the call names, and shows them."""

    async def carry_out(app: Inspectable, call: Call) -> View:
        people = app.graph.people
        if people is None:
            raise NotFoundError("there are no users here: see `users` in the configuration")
        if len(call.name) > LONGEST_ID or not call.name.isprintable():
            raise OrderInvalidError(f"a user's id has 1 to {LONGEST_ID} printable characters")
        desk = Desk(people, app.sources, people.registry.person(call.name), call)
        with _told():
            await run(desk)
            return await desk.shown()

    return carry_out


@_of_user
async def _get(desk: Desk) -> None:
    shown = await desk.shown()
    if await desk.people.registry.find(shown.id) is None and not any(token.fingerprint for token in shown.tokens):
        raise NotFoundError("nothing is known of this user")


@_of_user
async def _put(desk: Desk) -> None:
    order: UserOrder = desk.call.parameters
    given = None if order.variables is None else {name: Secret(value) for name, value in order.variables.items()}

    def ordered(known: User) -> User:
        return User(known.id, order.email, order.name, known.variables if given is None else given)

    await desk.people.registry.change(desk.person.id, ordered)


@_of_user
async def _delete(desk: Desk) -> None:
    await desk.end(desk.sources.pools)  # first, for what they are kept under may hang on what is known of the user
    await desk.people.registry.forget(desk.person.id)


@_of_user
async def _put_tokens(desk: Desk) -> None:
    await desk.take(desk.call.parameters.auth_tokens)


@_of_user
async def _delete_tokens(desk: Desk) -> None:
    await desk.end(desk.sources.pools)


@_of_user
async def _put_token(desk: Desk) -> None:
    await desk.take({desk.named: desk.call.parameters.value})


@_of_user
async def _delete_token(desk: Desk) -> None:
    await desk.end((desk.named,))


_of = partial(Operation, shows=UserView, subject="user")


USERS: Final = (
    _of("getUser", "GET", "/users/{id}", "What is known of a user", _get),
    _of("putUser", "PUT", "/users/{id}", "Write down what is to be known of a user", _put, takes=UserOrder),
    _of("deleteUser", "DELETE", "/users/{id}", "Forget a user, and all their tokens", _delete),
    _of("putUserTokens", "PUT", "/users/{id}/tokens", "Push tokens of a user", _put_tokens, takes=TokensOrder),
    _of("deleteUserTokens", "DELETE", "/users/{id}/tokens", "Use none of a user's tokens any more", _delete_tokens),
    _of("putUserToken", "PUT", "/users/{id}/tokens/{credential}", "Push a user's token", _put_token, takes=TokenOrder),
    _of("deleteUserToken", "DELETE", "/users/{id}/tokens/{credential}", "Use a user's token no more", _delete_token),
)
"""The part of the API that is about users."""
