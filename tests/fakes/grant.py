"""An issuer of one-time refresh tokens and a credential that spends them, without a network: each point a test's."""

from proxy.core.clock import Clock
from proxy.core.errors import FetchError, Reason
from proxy.core.secret import Secret
from proxy.core.token import Token
from tests.fakes.credential import ScriptedCredential
from tests.fakes.stepped_store import Stepper

FIRST = "refresh-0"


class Issuer:
    """Gives a new refresh token for each that it takes, and takes none twice (RFC 9700 §4.14.2)."""

    def __init__(self, *, forgives: bool = False, punishes: bool = True) -> None:
        self.punishes = punishes
        """What comes a second time ends the whole grant."""
        self.forgives = forgives
        """The last one that was spent may be spent again: what came of it is given once more."""
        self.good = FIRST
        self.spent: list[str] = []
        """In the order in which they came; also those that were refused."""
        self.refusals = 0
        self._issued = 0
        self._last: tuple[str, str] | None = None

    @property
    def spent_each_once(self) -> bool:
        """Return True when every refresh token came once, in its turn."""
        return self.spent == [f"refresh-{number}" for number in range(len(self.spent))]

    def spend(self, refresh_token: str) -> str:
        """Return the successor."""
        self.spent.append(refresh_token)
        if self._last is not None and self._last[0] == refresh_token and self.forgives:
            return self._last[1]
        if refresh_token != self.good:
            self.refusals += 1
            if self.punishes:
                self.good = ""
            raise FetchError(Reason.INVALID_GRANT, "the grant is not accepted", permanent=True)
        self._issued += 1
        self.good = f"refresh-{self._issued}"
        self._last = (refresh_token, self.good)
        return self.good


class SpendingCredential(ScriptedCredential):
    """Spends what the token before it carried."""

    issuer: Issuer
    stepper: Stepper

    def __init__(self, clock: Clock, *, lifetime: float | None = 300.0) -> None:
        super().__init__(clock, lifetime=lifetime)
        self.issuer = Issuer()
        self.stepper = Stepper()

    async def fetch(self, previous: Token | None) -> Token:
        carried = None if previous is None else previous.variables.get("refresh_token")
        await self.stepper.point("before the request")
        successor = self.issuer.spend(FIRST if carried is None else carried.reveal())
        await self.stepper.point("before the reply")
        token = await super().fetch(previous)
        return Token(token.value, token.issued_at, token.expires_at, variables={"refresh_token": Secret(successor)})
