"""The token of a workflow that has no steps: it lives on what another credential saves to it."""

from collections.abc import Callable, Mapping

from proxy.core.errors import FetchError, Reason
from proxy.core.secret import Secret
from proxy.core.token import NO_VARIABLES, Token
from proxy.credentials.workflow_course import Ask

Make = Callable[[Token, Mapping[str, Secret]], Token]
"""Makes our token of the giver's, and of the variables that we had before."""


async def from_giver(ask: Ask | None, previous: Token | None, make: Make, *, renews: bool) -> Token:
    """Return what the giver's run brought; it is made to run if that makes no new token.

    `renews`: there are steps of our own that renew what was given.

    Raises:
        FetchError: nobody gives, or they have nothing.
    """
    if ask is None:
        why = "it has no steps: it gets its token when another credential runs that saves to it, so try that one"
        raise FetchError(Reason.NO_REFRESH_TOKEN, why, asked=False)
    former = previous.variables if previous else NO_VARIABLES
    if previous is not None and _was_revoked(previous, renews=renews):
        return make(await ask(fresh=True), former)
    token = make(await ask(fresh=False), former)
    if previous is not None and token.value == previous.value:
        token = make(await ask(fresh=True), former)
    return token


def _was_revoked(previous: Token, *, renews: bool) -> bool:
    """Tell whether what the giver has may be the very token that was revoked; what it merely carried was none."""
    return not previous.value.reveal() and (renews or not previous.variables)
