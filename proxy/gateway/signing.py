"""The credentials of one route, seen together: what they add to a request now, and which of them an answer refuses.

Some of them may be the users' own: then each user who was here lately has a signer.
"""

from collections import OrderedDict
from functools import reduce

from proxy.core.message import NOTHING, Injection
from proxy.core.person import Person
from proxy.tokens.held import Held
from proxy.tokens.pool import Pool
from proxy.tokens.source import Source

Signature = tuple[Held, ...]
"""The tokens that sign one request, in the order of the route's credentials."""


class Signer:
    """The sources of one route."""

    # Here as in `Source` and `Hand`: of one of many users, a request finds little in the processor's caches.
    __slots__ = ("_merged", "_only", "can_renew", "is_noted", "refusals", "sources")

    def __init__(self, sources: tuple[Source, ...], *, is_noted: bool = True) -> None:
        self.sources = sources
        self._only = sources[0] if len(sources) == 1 else None
        self._merged: tuple[Signature, Injection] = ((), NOTHING)
        self.is_noted = is_noted
        """That it was used is written down, or need not be."""
        self.can_renew = any(source.renewable and source.rejection.renews for source in sources)
        """Whether a request may have to be sent again."""
        statuses = [source.rejection.statuses_for(source.renewable) for source in sources]
        self.refusals = statuses[0] if self._only is not None else _union(statuses)
        """The only statuses of which a rule can make anything; None: any."""

    def is_at_work(self) -> bool:
        """Tell whether its sources still are; if so, they count as used."""
        for source in self.sources:
            if source.at_rest:
                return False
            source.was_used = True
        return True

    def current(self) -> Signature | None:
        """Return the tokens that may be used now, without waiting; None when one of them must be waited for."""
        if self._only is not None:
            held = self._only.current()
            return None if held is None else (held,)
        signature = []
        for source in self.sources:
            held = source.current()
            if held is None:
                return None
            signature.append(held)
        return tuple(signature)

    async def obtain(self) -> Signature:
        """Wait for the tokens that are missing.

        Raises:
            TokenUnavailableError: one of them cannot be had.
            CircuitOpenError: the token endpoint kept failing and is left alone for now.
        """
        return tuple([source.current() or await source.obtain() for source in self.sources])

    def injection(self, signature: Signature) -> Injection:
        """Return what these tokens add to a request; rendered once per combination of generations."""
        if len(signature) == 1:
            return signature[0].injection
        known, merged = self._merged
        if known != signature:
            merged = _merge([held.injection for held in signature])
            self._merged = (signature, merged)
        return merged


Part = Source | Pool
"""One credential: everybody's, or each user's own."""


class Signers:
    """The signers of one route whose credentials include users' own; each counts as long as none of its sources rests.

    As many are held as sources in a pool; of more, the one goes that was made first: to make it again costs little.
    """

    def __init__(self, parts: tuple[Part, ...]) -> None:
        self._parts = parts
        self._pools = tuple(part for part in parts if isinstance(part, Pool))
        self._by_user: OrderedDict[str, Signer] = OrderedDict()

    def current(self, person: Person) -> Signer | None:
        """Return the user's signer, if all its sources are here. Stands on the hot path."""
        signer = self._by_user.get(person.pseudonym)
        return signer if signer is not None and signer.is_at_work() else None

    async def obtain(self, person: Person) -> Signer:
        """Return it, with sources made for the user if need be. May raise ProxyError."""
        sources = [part if isinstance(part, Source) else await part.obtain(person) for part in self._parts]
        signer = self._by_user[person.pseudonym] = Signer(tuple(sources), is_noted=False)
        most = min(pool.most for pool in self._pools)  # a signer keeps the tokens of those whom a pool let go
        while len(self._by_user) > most:
            self._by_user.popitem(last=False)
        return signer


def _union(statuses: list[frozenset[int] | None]) -> frozenset[int] | None:
    return None if None in statuses else frozenset[int]().union(*filter(None, statuses))


def _merge(injections: list[Injection]) -> Injection:
    return reduce(Injection.joined, injections, NOTHING)
