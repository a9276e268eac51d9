"""An assertion in a request of any form: signed claims that go where the request says `{{ ASSERTION }}`.

For providers that want a signed JWT, and not as a grant of OAuth 2: GitHub takes one in the header Authorization.
"""

from collections.abc import Mapping
from functools import cached_property
from typing import ClassVar, Final

from proxy.core.moment import Moment
from proxy.core.secret import Secret
from proxy.credentials.assertion import KeyedSettings, Name, Occasion, Signer

ASSERTION: Final = "ASSERTION"
"""The variable that holds it."""


class RequestAssertionSettings(KeyedSettings):
    """What is signed anew for each request, and how."""

    set_here: ClassVar[frozenset[str]] = KeyedSettings.set_here - {"scope"}

    iss: Name
    """Who asserts (`iss`)."""
    sub: str = ""
    """Whom it is about (`sub`). Empty: it does not say."""
    aud: str = ""
    """Whom it is for (`aud`). Empty: it does not say."""

    @property
    def parties(self) -> tuple[str, str, str]:
        """Return who asserts, of whom, and for whom."""
        return self.iss, self.sub, self.aud

    @cached_property
    def _signer(self) -> Signer:
        return Signer(self, self.signing_key())

    def made_at(self, moment: Moment) -> Mapping[str, Secret]:
        """Return the variable, with an assertion that counts from that moment."""
        claims = {"iss": self.iss, "sub": self.sub, "aud": self.aud}
        signed = self._signer.sign(Occasion("", None, moment.now), claims)
        self.key.remember(signed)
        return {ASSERTION: Secret(signed)}
