"""Who is calling: the first of the route's callers that recognises its proof in the request."""

from collections.abc import Iterable

from proxy.callers.base import Caller
from proxy.core.errors import CallerForbiddenError, CallerUnauthenticatedError
from proxy.core.message import RequestHead
from proxy.core.principal import Principal


def identify(head: RequestHead, allowed: tuple[Caller, ...], known: Iterable[Caller]) -> Principal:
    """Return who is calling, if it may use the route.

    `allowed` are the route's callers in their order, `known` all that the configuration has. One that shows a proof
    comes before one of whom none is asked: the proof of the latter would go upstream.

    Raises:
        CallerForbiddenError: the caller is known, but not allowed here.
        CallerUnauthenticatedError: no proof, or none that anybody knows.
    """
    unproven = None
    for caller in allowed:
        principal = caller.authenticate(head)
        if principal is not None and principal.proof_headers:
            return principal
        unproven = unproven or principal
    if unproven is not None:
        return unproven
    for caller in known:
        principal = caller.authenticate(head)
        if principal is not None and principal.proof_headers:
            raise CallerForbiddenError(f"caller {principal.name!r} may not use this route")
    raise CallerUnauthenticatedError(
        "send a caller key in Proxy-Authorization: Bearer, X-Countersign-Key or Authorization: Bearer"
    )
