"""A token in hand, with what it adds to a request and when it grows old: all that the hot path reads."""

from collections.abc import Callable
from dataclasses import dataclass

from proxy.core.errors import FetchError, Reason
from proxy.core.message import Injection
from proxy.core.token import FOREVER, Lifetime, Token, TokenState, plan
from proxy.injectors import inject_all
from proxy.injectors.base import InjectError, Injector

Render = Callable[[Token, float | None], "Held"]
"""Makes a token ready for use, in view of the age up to which its kind is trusted. Raises FetchError."""


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """One generation of a token. Two are the same only if they are the same object."""

    token: Token
    injection: Injection
    stale_at: float
    """Unix seconds; inf: never."""
    expires_at: float
    """Unix seconds; inf: never."""
    generation: int
    """The token's, here too for the log's line of each request."""

    def is_same_token_as(self, other: "Held") -> bool:
        """Tell whether both are the same token, however often it was made ready."""
        mine, theirs = self.token, other.token
        return self is other or (mine.generation == theirs.generation and mine.value == theirs.value)

    def state(self, now: float) -> TokenState:
        """Return how old the token is at that moment."""
        return Lifetime(self.stale_at, self.expires_at).state(now)


def hold(token: Token, injectors: tuple[Injector, ...], lifetime: Lifetime) -> Held:
    """Render what the token adds to requests, once for its generation.

    Raises:
        FetchError: malformed_response, when the token cannot stand where it is to be put.
    """
    try:
        injection = inject_all(injectors, token)
    except InjectError as error:
        raise FetchError(Reason.MALFORMED_RESPONSE, f"the token cannot be put into a request: {error}") from error
    return Held(token, injection, lifetime.stale_at, lifetime.expires_at, token.generation)


def renderer(
    injectors: tuple[Injector, ...], *, window: float | None, renewable: bool, random: Callable[[], float]
) -> Render:
    """Return what makes a credential's tokens ready for use; each time its planned refresh is jittered anew."""

    def render(token: Token, trusted: float | None) -> Held:
        if not renewable:
            return hold(token, injectors, FOREVER)
        return hold(token, injectors, plan(token, window=window, jitter=2.0 * random() - 1.0, trusted=trusted))

    return render
