"""One credential's sources, one for each user who was here lately: a million users do not fill the memory.

Theory. A source is made when its user is first seen, and learns at once what the store knows of their token. Of those
that are not fetching, the one unused for longest goes when there are too many: what it held stays in the store, and its
user finds it there. A source that something changed for (the user's variables, say) is dismissed the same way; one that
was being made meanwhile may have been made of what was before, and is made again.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from itertools import islice

from proxy.core.person import Person
from proxy.telemetry.counts import CredentialMetrics
from proxy.tokens.source import Source

Make = Callable[[Person, CredentialMetrics], Awaitable[Source]]
"""Makes the source of that user, which counts into these numbers. May raise ProxyError."""


class Pool:
    """The sources of one credential. `most`: how many are held; `identity` tells whether a reload changes anything."""

    def __init__(self, name: str, identity: str, make: Make, metrics: CredentialMetrics, *, most: int) -> None:
        self.name = name
        self.identity = identity
        self._make = make
        self._metrics = metrics
        self.most = most
        self._sources: OrderedDict[str, tuple[Source, CredentialMetrics]] = OrderedDict()
        self._changes = 0
        self._closed = False

    def __len__(self) -> int:
        return len(self._sources)

    def __repr__(self) -> str:
        return f"<Pool {self.name}: {len(self)} users>"

    def current(self, user: str) -> Source | None:
        """Return the source of the user with that pseudonym, if it is here. Stands on the hot path."""
        found = self._sources.get(user)
        if found is None:
            return None
        self._sources.move_to_end(user)
        return found[0]

    async def obtain(self, person: Person) -> Source:
        """Return it, made if need be. May raise ProxyError."""
        if (here := self.current(person.pseudonym)) is not None:
            return here
        counts, changes = self._metrics.part(), self._changes
        try:
            made = await self._make(person, counts)
        except BaseException:
            self._metrics.absorb(counts)
            raise
        if (first := self.current(person.pseudonym)) is not None:  # another request was quicker
            made.rest()
            self._metrics.absorb(counts)
            return first
        if changes != self._changes and not self._closed:
            made.rest()
            self._metrics.absorb(counts)
            return await self.obtain(person)
        self._sources[person.pseudonym] = made, counts
        if self._closed:  # a request that began before the reload: it is served, and nothing stays of it
            self._let_go(person.pseudonym)
        self._make_room()
        return made

    def dismiss(self, user: str | None) -> None:
        """Let the user's source go, or everybody's, for something has changed; the next request makes a new one."""
        self._changes += 1
        for one in tuple(self._sources) if user is None else (user,):
            self._let_go(one)

    def _let_go(self, user: str) -> None:
        if (found := self._sources.pop(user, None)) is not None:
            source, counts = found
            source.rest()
            self._metrics.absorb(counts)

    def sources(self) -> tuple[Source, ...]:
        """Return every source that is here."""
        return tuple(source for source, _ in self._sources.values())

    def close(self) -> None:
        """Let all of them go, now and as soon as they are made."""
        self._closed = True
        for user in tuple(self._sources):
            self._let_go(user)

    def _make_room(self) -> None:
        surplus = len(self._sources) - self.most
        if surplus > 0:
            idle = (user for user, (source, _) in self._sources.items() if not source.is_fetching)
            for user in tuple(islice(idle, surplus)):
                self._let_go(user)
