"""The call by which a user takes back what they allowed: `POST /.countersign/logout/{credential}`.

Its body names the user and proves it, as a push does. The access is gone when it answers, whatever the provider says.
"""

from typing import Final

from proxy.core.errors import DependencyUnavailableError
from proxy.stores.base import StoreError
from proxy.users.browser import forgetting
from proxy.users.portal import Answer, Call, Entry, told
from proxy.users.proof import Prove
from proxy.users.sign_ins import REVOKED, SignIns

LOGOUT: Final = "logout/"


def logout_entry(sign_ins: SignIns, prove: Prove) -> Entry:
    """Return what the portal serves."""

    async def sign_out(call: Call) -> Answer:
        user = await prove(call.json())
        try:
            outcome = await sign_ins.end(call.rest, user.id)
        except StoreError:
            raise DependencyUnavailableError(
                "the store cannot be reached now; repeat the call", retry_after=1
            ) from None
        answer = told({"status": "signed_out", "revoked": outcome == REVOKED})
        return answer.with_cookies(forgetting())

    return Entry("POST", LOGOUT, sign_out, cross_origin=True)
