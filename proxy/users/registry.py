"""The registry of users: what is known of each, sealed in the store, and the name under which the store knows them."""

import hmac
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, Self

from proxy.core.person import USER_ID, Person
from proxy.core.secret import Secret
from proxy.core.token import NO_VARIABLES
from proxy.stores.documents import Document, Documents

KEPT: Final = 10 * 365 * 86_400.0
"""Seconds that a user is kept who is not touched."""
PLACE: Final = "user/"
"""What the store's keys of users begin with; their pseudonyms follow."""


@dataclass(frozen=True, slots=True)
class User:
    """One user."""

    id: str
    email: str | None = None
    name: str | None = None
    variables: Mapping[str, Secret] = field(default_factory=lambda: NO_VARIABLES)
    """What the templates of a credential may use, besides USER_ID, USER_EMAIL and USER_NAME."""

    @property
    def values(self) -> Mapping[str, Secret]:
        """Return everything that templates may use of this user."""
        told = {USER_ID: self.id, "USER_EMAIL": self.email, "USER_NAME": self.name}
        return {**self.variables, **{name: Secret(value) for name, value in told.items() if value is not None}}

    @classmethod
    def read(cls, document: Document) -> Self:
        """Return the user that was written."""
        variables = {name: Secret(value) for name, value in document["variables"].items()}
        return cls(document["id"], document["email"], document["name"], variables)

    def written(self) -> dict[str, Any]:
        """Return the user as a document."""
        variables = {name: value.reveal() for name, value in self.variables.items()}
        return {"id": self.id, "email": self.email, "name": self.name, "variables": variables}


class Registry:
    """The users of one store. `key` is the same in every process that shares it, and nobody else's."""

    def __init__(self, documents: Documents, key: bytes) -> None:
        self._documents = documents
        self._key = key
        self.remembered = 10_000
        """How many pseudonyms are not reckoned again."""
        self._people: OrderedDict[str, Person] = OrderedDict()

    def pseudonym(self, user: str) -> str:
        """Return 32 hex digits that stand for a user in the store's keys and in logs: they tell nobody who it is."""
        return self.person(user).pseudonym

    def person(self, user: str) -> Person:
        """Return the user with that id, of whom perhaps nothing is known. Stands on the hot path."""
        person = self._people.get(user)
        if person is None:
            pseudonym = hmac.digest(self._key, user.encode(), "sha256").hex()[:32]
            person = self._people[user] = Person(user, pseudonym, partial(self._look_up, user))
            if len(self._people) > self.remembered:
                self._people.popitem(last=False)
        return person

    async def _look_up(self, user: str) -> Mapping[str, Secret]:
        return (await self.find(user) or User(user)).values

    async def find(self, user: str) -> User | None:
        """Return the user, or None: nothing is known of them. May raise StoreError."""
        document = await self._documents.read(self._place(user))
        return None if document is None else User.read(document)

    async def change(self, user: str, change: Callable[[User], User]) -> None:
        """Write down what that makes of what is known, whoever writes at the same time. May raise StoreError."""

        def write(document: Document | None) -> Document:
            return change(User(user) if document is None else User.read(document)).written()

        await self._documents.change(self._place(user), write, ttl=KEPT, durable=True)

    async def forget(self, user: str) -> bool:
        """Forget a user; False: nothing was known of them. May raise StoreError."""
        known = await self._documents.read(self._place(user)) is not None
        if known:
            await self._documents.change(self._place(user), lambda _: None, ttl=KEPT)
        return known

    def _place(self, user: str) -> str:
        return PLACE + self.pseudonym(user)
