"""A handle says to us, and to nobody else, who is to be verified for what: it stands in links and forms.

It is sealed, so that no id can be read in it or put into it, and it is good for half an hour. It proves nothing:
whoever has it can have a code sent to the user's own address, and try a few codes.
"""

import base64
import binascii
import hmac
import json
from dataclasses import dataclass
from typing import Final

from proxy.core.clock import Clock
from proxy.core.errors import RequestInvalidError
from proxy.core.seal import Seal, SealError

LIFETIME: Final = 1800.0
"""Seconds."""
_CONTEXT: Final = b"verification handle"
_LONGEST: Final = 4096


@dataclass(frozen=True, slots=True)
class Handle:
    """Who is to be verified for what."""

    user: str
    scope: str
    """`route/NAME`, or `group/NAME`."""

    @property
    def shown(self) -> str:
        """What people call the scope: the name of the route or the group."""
        return self.scope.partition("/")[2]


class Handles:
    """Writes handles and reads them. `seal` is the fleet's."""

    def __init__(self, seal: Seal, clock: Clock) -> None:
        self._seal = seal
        self._key = seal.derive("forms of verification")
        self._clock = clock

    def write(self, handle: Handle) -> str:
        """Return the handle as text."""
        plain = json.dumps([handle.user, handle.scope, self._clock.now() + LIFETIME], ensure_ascii=False).encode()
        return base64.urlsafe_b64encode(self._seal.close(plain, _CONTEXT)).decode("ascii").rstrip("=")

    def read(self, text: str) -> Handle:
        """Return the handle.

        Raises:
            RequestInvalidError: this is none, or it is too old.
        """
        try:
            padded = text[:_LONGEST].encode("ascii") + b"=" * (-len(text) % 4)
            sealed = base64.b64decode(padded, altchars=b"-_", validate=True)
            user, scope, until = json.loads(self._seal.open(sealed, _CONTEXT))
        except (SealError, UnicodeEncodeError, binascii.Error):
            raise RequestInvalidError("this link is not valid") from None
        if until <= self._clock.now():
            raise RequestInvalidError("this link is too old")
        return Handle(user, scope)

    def form_token(self, text: str) -> str:
        """Return what our own page puts into the forms that it shows for this handle."""
        return hmac.digest(self._key, text.encode(), "sha256").hex()
