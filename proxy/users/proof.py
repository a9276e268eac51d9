"""The part of a call's body that names a user and proves it.

A proof does not travel in headers or cookies, so that a page of a foreign origin has nothing to borrow.
"""

from collections.abc import Awaitable, Mapping
from typing import Any, Final, Protocol

from proxy.core.errors import RequestInvalidError, UserRequiredError
from proxy.core.person import Person
from proxy.users.identity import Claim

FIELDS: Final = ("user_id", "user_hash", "user_jwt")


class Prove(Protocol):
    """Returns the user whom the body of a call names and proves; `others` is what it may say besides."""

    def __call__(self, document: Mapping[str, Any], *others: str) -> Awaitable[Person]:
        """May raise ProxyError."""


def claim_in(document: Mapping[str, Any], *others: str) -> Claim:
    """Return who the call says that it is from. `others`: what it may say besides.

    Raises:
        RequestInvalidError: it says more than that, or something else than texts.
        UserRequiredError: it does not say.
    """
    if unknown := sorted(document.keys() - {*FIELDS, *others}):
        raise RequestInvalidError(
            f"{unknown[0][:40]!r} is not known here; this call has {', '.join((*FIELDS, *others))}"
        )
    said = [document.get(name) for name in FIELDS]
    if not all(one is None or isinstance(one, str) for one in said):
        raise RequestInvalidError(f"{', '.join(FIELDS)} are texts")
    if said[0] is said[2] is None:
        raise UserRequiredError("name the user in `user_id`, with a `user_hash`, or send a `user_jwt`")
    return Claim(*said)
