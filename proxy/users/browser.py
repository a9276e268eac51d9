"""Tells browsers apart, and knows again the one in which a user has signed in: two cookies, for this host alone.

`__Host-` makes browsers take a cookie only from this very host over a safe connection, so that no neighbouring site can
put one there (RFC 6265bis §4.1.3.2). Neither of them is a proof of who somebody is: the first one ties a sign-in's end
to its beginning, and all that the second one spares its user is a question.
"""

import secrets
from typing import Final

from proxy.core.clock import Clock
from proxy.core.seal import Seal, SealError
from proxy.users.portal import Call
from proxy.users.sealed_text import closed, opened

OURS: Final = "__Host-countersign-"
"""How the names of our cookies begin. APIs neither see nor set them."""
BROWSER: Final = f"{OURS}browser"
USER: Final = f"{OURS}user"
REMEMBERED: Final = 30 * 86_400
"""Seconds that a browser is known to be a user's."""
_HOW: Final = "Path=/; Secure; HttpOnly; SameSite=Lax"
_MOST: Final = 20
"""Credentials that are remembered of a user."""
_CONTEXT: Final = b"browser of a user"
_LONGEST: Final = 256


class Browsers:
    """Writes and reads the cookies. `seal` is the fleet's."""

    def __init__(self, seal: Seal, clock: Clock) -> None:
        self._seal = seal
        self._clock = clock

    def mark(self, call: Call) -> str | None:
        """Return what tells that browser from others; None: it has not been here, or keeps no cookies."""
        mark = call.cookie(BROWSER)
        return mark if mark and len(mark) <= _LONGEST else None

    def marked(self, mark: str) -> str:
        """Return the cookie that marks a browser."""
        return f"{BROWSER}={mark}; {_HOW}"

    def user(self, call: Call) -> str | None:
        """Return the id of the user who has signed in there last; None: nobody has, or long ago."""
        return self._remembered(call)[0]

    def has_signed_in(self, call: Call, user: str | None, credential: str) -> bool:
        """Tell whether that user has signed in there last, and for that credential, too, not long ago."""
        known, credentials = self._remembered(call)
        return known is not None and known == user and credential in credentials

    def remembering(self, call: Call, user: str, credential: str) -> str:
        """Return the cookie of a browser in which that user has just signed in for that credential."""
        known, before = self._remembered(call)
        credentials = [*(one for one in before if known == user and one != credential), credential][-_MOST:]
        sealed = closed(self._seal, [user, self._clock.now() + REMEMBERED, credentials], _CONTEXT)
        return f"{USER}={sealed}; Max-Age={REMEMBERED}; {_HOW}"

    def _remembered(self, call: Call) -> tuple[str | None, list[str]]:
        try:
            user, until, credentials = opened(self._seal, call.cookie(USER) or "", _CONTEXT)
        except SealError:
            return None, []
        return (user, credentials) if until > self._clock.now() else (None, [])


def forgetting() -> str:
    """Return the cookie of a browser whose user has signed out."""
    return f"{USER}=; Max-Age=0; {_HOW}"


def new_mark() -> str:
    """Return a mark that nobody can guess."""
    return secrets.token_urlsafe(32)
