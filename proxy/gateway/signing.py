"""The credentials of one route, seen together: what they add to a request now, and which of them an answer refuses."""

from functools import reduce

from proxy.core.message import NOTHING, Injection
from proxy.tokens.held import Held
from proxy.tokens.source import Source

Signature = tuple[Held, ...]
"""The tokens that sign one request, in the order of the route's credentials."""


class Signer:
    """The sources of one route."""

    def __init__(self, sources: tuple[Source, ...]) -> None:
        self.sources = sources
        self._only = sources[0] if len(sources) == 1 else None
        self._merged: tuple[Signature, Injection] = ((), NOTHING)
        self.can_renew = any(source.renewable and source.rejection.renews for source in sources)
        """Whether a request may have to be sent again."""
        statuses = [source.rejection.statuses_for(source.renewable) for source in sources]
        self.refusals = None if None in statuses else frozenset[int]().union(*filter(None, statuses))
        """The only statuses of which a rule can make anything; None: any."""

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


def _merge(injections: list[Injection]) -> Injection:
    return reduce(Injection.joined, injections, NOTHING)
