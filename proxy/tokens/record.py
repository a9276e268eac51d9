"""What the fleet knows of one credential: its token, whether that was rejected, and why there is no newer one.

Theory. A record is never changed, only followed by the next one. Its order grows with each step: `generation` counts
tokens, `step` counts what happened to this one. So a newer token beats whatever is said of an older one, and of two
accounts of the same token the longer one counts. Times are on this process's clocks; what travels are durations.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import inf
from typing import Final

from proxy.core.errors import Reason
from proxy.core.secret import Secret
from proxy.core.token import NO_VARIABLES, Token
from proxy.core.trust import refused, survived
from proxy.tokens.failures import Failure

STEPS: Final = 2**20
"""How many steps fit between two generations; what does not fit counts as the last one."""
ANSWERS: Final = frozenset({Reason.INVALID_CLIENT, Reason.PROVIDER_4XX})
"""Refusals after which what the token carries is as good as it was before."""


@dataclass(frozen=True, slots=True)
class TokenRecord:
    """One credential at one step."""

    identity: str = ""
    """Of the settings that fetched the token: under others it is not used, only what it carries is."""
    generation: int = 0
    """The token's, or of the last one that is known of."""
    step: int = 0
    """What has happened since that generation began."""
    token: Token | None = None
    is_rejected: bool = False
    """The upstream refused the token, or an operator revoked it: it is not to be used, what it carries is."""
    trusted: float | None = None
    """Seconds; the age up to which tokens of this credential have been seen to work. None: nothing was learned."""
    failure: Failure | None = None
    """Why the last fetch since brought nothing."""
    spending_since: float | None = None
    """Monotonic seconds; somebody wrote down that what the token carries is being used up, and what came of it is not
    known yet. None: nobody is at it."""
    may_be_spent: bool = False
    """What the token carries was sent once, and no reply said what became of it."""
    is_damaged: bool = False
    """Something of this order stands in the store, and nobody can read it."""

    @property
    def order(self) -> int:
        """Of two records the one with the higher order counts."""
        return self.generation * STEPS + min(self.step, STEPS - 1)

    @property
    def issued_at(self) -> float:
        """Return when the token was issued, in Unix seconds; 0: there is none."""
        return 0.0 if self.token is None else self.token.issued_at

    @property
    def variables(self) -> Mapping[str, Secret]:
        """Return what the next fetch may need."""
        return NO_VARIABLES if self.token is None else self.token.variables

    @property
    def is_blank(self) -> bool:
        """Return True when it says nothing of a token, not even that it is gone: the record before it was damaged."""
        return self.token is None and not self.is_rejected

    def reject(self, now: float) -> "TokenRecord":
        """Take the token out of use: the upstream refused it at that moment, in Unix seconds."""
        if self.token is None:
            return self._next(is_rejected=True)
        age, lifetime = _ages(self.token, now)
        return self._next(is_rejected=True, trusted=refused(self.trusted, age, lifetime))

    def revoke(self, *, durable: bool) -> "TokenRecord":
        """Forget the token, because somebody said so; if `durable`, what it carries is kept for the next fetch."""
        kept = replace(self.token, value=Secret("")) if durable and self.token is not None else None
        return self._next(is_rejected=True, token=kept)

    def end(self) -> "TokenRecord":
        """Forget the token and all that it carries: whoever brought it does not want it to be used any more."""
        return self._next(is_rejected=True, token=None, failure=None, spending_since=None, may_be_spent=False)

    @property
    def is_revoked(self) -> bool:
        """Return True when the token is to be used by nobody, not even for lack of a better one."""
        return self.token is None or not self.token.value.reveal()

    def spend(self, monotonic: float) -> "TokenRecord":
        """Write down that what the token carries is used up from now on."""
        return self._next(spending_since=monotonic, may_be_spent=True)

    def spend_since(self, known: "TokenRecord") -> "TokenRecord":
        """Return the same, being spent for as long as we have known it to be: the store's clock may have been set."""
        return replace(self, spending_since=min(self.spending_since or inf, known.spending_since or inf))

    def carry(self, variables: Mapping[str, Secret], now: float) -> "TokenRecord":
        """Keep what the next fetch needs, which came without a token that can be used; one that is held stays."""
        if self.token is None:
            return self._next(token=Token(Secret(""), now, variables=variables), is_rejected=True, may_be_spent=False)
        return self._next(token=replace(self.token, variables=variables), may_be_spent=False)

    def fail(self, failure: Failure, identity: str) -> "TokenRecord":
        """Remember why there is no newer token; a token that other settings fetched is not to be used with these."""
        return self._next(
            failure=failure,
            identity=identity,
            is_rejected=self.is_rejected or self.identity not in {"", identity},
            spending_since=None,
            may_be_spent=self.may_be_spent and failure.reason not in ANSWERS,
        )

    def succeed(self, token: Token, identity: str, now: float) -> "TokenRecord":
        """Begin the next generation with that token."""
        trusted = self.trusted
        if self.token is not None and not self.is_rejected:
            trusted = survived(trusted, *_ages(self.token, now))
        generation = self.generation + 1
        return TokenRecord(identity, generation, 0, replace(token, generation=generation), trusted=trusted)

    def renumber(self, generation: int) -> "TokenRecord":
        """Return the same account of the same token under that generation."""
        token = None if self.token is None else replace(self.token, generation=generation)
        return replace(self, generation=generation, token=token)

    def is_same_as(self, other: "TokenRecord") -> bool:
        """Tell whether both give the same account of the same token. What two begin to spend is never the same."""
        is_same = self.order == other.order and self.has_token_of(other)
        return self is other or (is_same and self.spending_since is None and other.spending_since is None)

    def has_token_of(self, other: "TokenRecord") -> bool:
        """Tell whether both have the same token, with the same things to carry."""
        return _content(self.token) == _content(other.token)

    def _next(self, **changes: object) -> "TokenRecord":
        return replace(self, step=self.step + 1, is_damaged=False, **changes)  # type: ignore[arg-type]


NOTHING: Final = TokenRecord()
"""Nobody has ever fetched a token."""


def _content(token: Token | None) -> object:
    return None if token is None else (token.value, token.variables)


def _ages(token: Token, now: float) -> tuple[float, float | None]:
    lifetime = None if token.expires_at is None else token.expires_at - token.issued_at
    return max(0.0, now - token.issued_at), lifetime
