"""The call by which a user takes back what they allowed: `POST /.countersign/logout/{credential}`.

Its body names the user and proves it, as a push does. The access is gone when it answers, whatever the provider says.
"""

from collections.abc import Mapping
from typing import Any, Final

from proxy.core.errors import DependencyUnavailableError, RequestInvalidError, UserRequiredError
from proxy.stores.base import StoreError
from proxy.users.browser import forgetting
from proxy.users.identity import Claim, Identifier
from proxy.users.portal import Answer, Call, Entry, told
from proxy.users.push_call import FIELDS
from proxy.users.sign_ins import REVOKED, SignIns

LOGOUT: Final = "logout/"


def logout_entry(sign_ins: SignIns, identifier: Identifier) -> Entry:
    """Return what the portal serves."""

    async def sign_out(call: Call) -> Answer:
        user = await identifier.find(_claim(call.json()), believed=False)
        try:
            outcome = await sign_ins.end(call.rest, user)
        except StoreError:
            raise DependencyUnavailableError(
                "the store cannot be reached now; repeat the call", retry_after=1
            ) from None
        answer = told({"status": "signed_out", "revoked": outcome == REVOKED})
        return answer.with_cookies(forgetting())

    return Entry("POST", LOGOUT, sign_out, cross_origin=True)


def _claim(document: Mapping[str, Any]) -> Claim:
    """Return who the call says that it is from.

    Raises:
        RequestInvalidError: it says more than that, or something else than texts.
        UserRequiredError: it does not say.
    """
    if document.keys() - set(FIELDS) or not all(isinstance(one, str) for one in document.values()):
        raise RequestInvalidError(f"this call has {', '.join(FIELDS)}, which are texts")
    if not document.keys() & {FIELDS[0], FIELDS[2]}:
        raise UserRequiredError("name the user in `user_id`, with a `user_hash`, or send a `user_jwt`")
    return Claim(*(document.get(name) for name in FIELDS))
