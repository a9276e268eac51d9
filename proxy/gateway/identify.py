"""Who is calling: the first of the route's callers that recognises its proof in the request."""

from collections.abc import Iterable
from dataclasses import replace

from proxy.callers.api_key import KeyRing
from proxy.callers.base import Caller
from proxy.core.errors import CallerForbiddenError, CallerUnauthenticatedError
from proxy.core.message import RequestHead
from proxy.core.principal import Principal


def identify(
    head: RequestHead, allowed: tuple[Caller, ...], known: Iterable[Caller], keys: KeyRing | None = None
) -> Principal:
    """Return who is calling, if it may use the route.

    `allowed` are the route's callers in their order; one that shows a proof comes before one that needs none. `known`
    are all that the configuration has, and `keys` what they know, unless there is but one: a key never goes upstream,
    whoever it belongs to and whether or not the route asks for it.

    Raises:
        CallerForbiddenError: the caller is known, but not allowed here.
        CallerUnauthenticatedError: no proof, or none that anybody knows.
    """
    principal = _first(head, allowed)
    if principal is None:
        raise _refusal(head, known)
    if keys is None:
        return principal
    carriers = keys.carriers(head)
    if carriers <= principal.proof_headers:
        return principal
    return replace(principal, proof_headers=principal.proof_headers | carriers)


def _first(head: RequestHead, allowed: tuple[Caller, ...]) -> Principal | None:
    unproven = None
    for caller in allowed:
        principal = caller.authenticate(head)
        if principal is not None:
            if principal.proof_headers:
                return principal
            unproven = unproven or principal
    return unproven


def _refusal(head: RequestHead, known: Iterable[Caller]) -> CallerForbiddenError | CallerUnauthenticatedError:
    for caller in known:
        principal = caller.authenticate(head)
        if principal is not None and principal.proof_headers:
            return CallerForbiddenError(f"caller {principal.name!r} may not use this route")
    return CallerUnauthenticatedError(
        "send a caller key in Proxy-Authorization: Bearer, X-Countersign-Key or Authorization: Bearer"
    )
