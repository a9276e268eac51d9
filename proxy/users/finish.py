"""The call by which an application finishes a sign-in: `POST /.countersign/sign-ins`.

Its body brings the code that stood in the address to which the browser came back, names the user who is logged in to
the application there, and proves it. So nobody can be talked into giving their access to another user: it would be
their own application, with their own proof, that brings the code.
"""

from typing import Any, Final

from proxy.core.errors import (
    DependencyUnavailableError,
    FetchError,
    ProxyError,
    RequestInvalidError,
    TokenUnavailableError,
)
from proxy.credentials.sign_in import SignInError
from proxy.stores.base import StoreError
from proxy.users.portal import Answer, Call, Entry, told
from proxy.users.proof import Prove
from proxy.users.returns import PARAMETER, Return, ReturnError
from proxy.users.sign_ins import SignIns

SIGN_INS: Final = "sign-ins"
CODE: Final = "code"


def finish_entry(sign_ins: SignIns, prove: Prove) -> Entry:
    """Return what the portal serves."""

    async def finish(call: Call) -> Answer:
        document = call.json()
        user = await prove(document, CODE)
        work = _finish(sign_ins, _code(document), user.id)
        return await sign_ins.runtime.see_through(work, name="finish a sign-in", expected=(ProxyError,))

    return Entry("POST", SIGN_INS, finish, cross_origin=True)


async def _finish(sign_ins: SignIns, code: str, user: str) -> Answer:
    """Let what waits for this user count.

    Raises:
        RequestInvalidError: nothing does, or nothing comes of it.
        TokenUnavailableError: the provider gives no token for it.
        DependencyUnavailableError: the store cannot be asked.
    """
    try:
        returned = await sign_ins.returns.take(code, user)
    except ReturnError as error:
        if error.attempt is not None:
            sign_ins.refused(error.attempt.credential, error.attempt.user, error.reason)
        raise RequestInvalidError(str(error), reason=error.reason) from None
    except StoreError:
        raise _store_away("repeat the call") from None
    await _arrive(sign_ins, returned)
    return told({"status": "signed_in", "credential": returned.attempt.credential})


async def _arrive(sign_ins: SignIns, returned: Return) -> None:
    credential, user = returned.attempt.credential, returned.attempt.user
    try:
        await sign_ins.arrive(returned)
    except SignInError as error:
        sign_ins.refused(credential, user, error.reason, error.detail)
        raise RequestInvalidError(str(error), reason=error.reason, credential=credential) from None
    except FetchError as error:
        sign_ins.refused(credential, user, error.reason.value, str(error))
        why = "the provider gave no token for this sign-in"
        raise TokenUnavailableError(error.reason, why, credential=credential) from None
    except StoreError as error:
        sign_ins.refused(credential, user, "store_away", str(error))
        raise _store_away("let the user sign in again") from None


def _code(document: dict[str, Any]) -> str:
    code = document.get(CODE)
    if not isinstance(code, str):
        raise RequestInvalidError(f"bring, as `{CODE}`, the `{PARAMETER}` of the address that the browser came back to")
    return code


def _store_away(remedy: str) -> DependencyUnavailableError:
    return DependencyUnavailableError(f"the store cannot be reached now; {remedy}", retry_after=1)
