"""One credential's sources, one for each user who was here lately: a million users do not fill the memory.

Theory. A source is made when its user is first seen, and learns at once what the store knows of their token. When there
are too many, the one goes that was made or spared the longest ago: what it held stays in the store, and its user finds
it there. One that was used since it was looked at last is spared once, and one that is fetching stays until it is done.
To know who was used for the longest time would cost every request more than that. A source that something changed for
(the user's variables, say) is dismissed the same way; one that was being made meanwhile may have been made of what was
before, and is made again.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from proxy.core.person import Person
from proxy.tokens.circuit import Circuit
from proxy.tokens.source import Source

Make = Callable[[Person], Awaitable[Source]]
"""Makes the source of that user. May raise ProxyError."""
MOST_SPARED: Final = 100
"""How many are spared until the next one goes all the same: nobody waits for a walk through all of them."""


@dataclass(slots=True)
class _Making:
    """A user's source that is not here yet."""

    requests: int = 0
    """How many are making one."""
    changes: int = 0
    """How often something about the user has changed since the first of them began."""


class Pool:
    """The sources of one credential. `most`: how many are held; `identity` tells whether a reload changes anything."""

    def __init__(self, name: str, identity: str, make: Make, *, most: int, circuit: Circuit | None = None) -> None:
        self.name = name
        self.identity = identity
        self._make = make
        self.most = most
        self.circuit = circuit
        """The one that all of them share."""
        self._sources: OrderedDict[str, Source] = OrderedDict()
        self._making: dict[str, _Making] = {}
        self._closed = False

    def __len__(self) -> int:
        return len(self._sources)

    def __repr__(self) -> str:
        return f"<Pool {self.name}: {len(self)} users>"

    def current(self, user: str) -> Source | None:
        """Return the source of the user with that pseudonym, if it is here."""
        source = self._sources.get(user)
        if source is not None:
            source.was_used = True
        return source

    async def obtain(self, person: Person) -> Source:
        """Return it, made if need be. May raise ProxyError."""
        made: Source | None = None
        while made is None:
            if (here := self.current(person.pseudonym)) is not None:
                return here
            made = await self._made(person)
        if (first := self.current(person.pseudonym)) is not None:  # another request was quicker
            made.rest()
            return first
        self._sources[person.pseudonym] = made
        if self._closed:  # a request that began before the reload: it is served, and nothing stays of it
            self._let_go(person.pseudonym)
        self._make_room()
        return made

    async def _made(self, person: Person) -> Source | None:
        """Return a new source; None: something about the user has changed since it was begun."""
        making = self._making.setdefault(person.pseudonym, _Making())
        making.requests += 1
        changes = making.changes
        try:
            made = await self._make(person)
        finally:
            making.requests -= 1
            if not making.requests:
                del self._making[person.pseudonym]
        if changes == making.changes or self._closed:
            return made
        made.rest()
        return None

    def dismiss(self, user: str | None) -> None:
        """Let the user's source go, or everybody's, for something has changed; the next request makes a new one."""
        for name, making in self._making.items():
            making.changes += user in (None, name)
        for one in tuple(self._sources) if user is None else (user,):
            self._let_go(one)

    def _let_go(self, user: str) -> None:
        if (source := self._sources.pop(user, None)) is not None:
            source.rest()

    def sources(self) -> tuple[Source, ...]:
        """Return every source that is here."""
        return tuple(self._sources.values())

    def close(self) -> None:
        """Let all of them go, now and as soon as they are made."""
        self._closed = True
        for user in tuple(self._sources):
            self._let_go(user)

    def _make_room(self) -> None:
        spared = 0
        while len(self._sources) > self.most:
            idle = next(((user, one) for user, one in self._sources.items() if not one.is_fetching), None)
            if idle is None:
                return
            user, source = idle
            if source.was_used and spared < MOST_SPARED:
                source.was_used, spared = False, spared + 1
                self._sources.move_to_end(user)
            else:
                self._let_go(user)
