"""A token in hand, with what it adds to a request and when it grows old: all that the hot path reads."""

from dataclasses import dataclass

from proxy.core.errors import FetchError, Reason
from proxy.core.message import Injection
from proxy.core.token import Lifetime, Token, TokenState
from proxy.injectors import inject_all
from proxy.injectors.base import InjectError, Injector


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """One generation of a token. Two are the same only if they are the same object."""

    token: Token
    injection: Injection
    stale_at: float
    """Unix seconds; inf: never."""
    expires_at: float
    """Unix seconds; inf: never."""

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
    return Held(token, injection, lifetime.stale_at, lifetime.expires_at)
