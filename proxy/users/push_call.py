"""The call by which a page or an app pushes a user's tokens: `POST /.countersign/user-tokens`.

Its body names the user, proves it, and brings the tokens; the proof does not travel in headers or cookies, so that a
page of a foreign origin has nothing to borrow. What it answers says of each token which one it is and when it ends.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from proxy.users.portal import Answer, Call, Entry, told
from proxy.users.proof import Prove
from proxy.users.push import Pushed, Pushes

PATH: Final = "user-tokens"
TOKENS: Final = "auth_tokens"
VIA: Final = "browser"


def push_entry(pushes: Pushes, prove: Prove) -> Entry:
    """Return what the portal serves."""

    async def push(call: Call) -> Answer:
        document = call.json()
        user = await prove(document, TOKENS)
        return told({TOKENS: shown(await pushes.take(user, document.get(TOKENS, {}), via=VIA))})

    return Entry("POST", PATH, push, cross_origin=True)


def shown(pushed: Mapping[str, Pushed]) -> dict[str, dict[str, str | None]]:
    """Return what is told of tokens that are in use."""
    return {
        name: {"fingerprint": one.fingerprint, "expires_at": _moment(one.expires_at)} for name, one in pushed.items()
    }


def _moment(at: float | None) -> str | None:
    return None if at is None else datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")
