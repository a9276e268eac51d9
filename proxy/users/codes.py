"""The rules of one-time codes: one ledger a user, changed as a whole. No I/O here, and no clock.

Theory. Whatever bounds guessing stands in one document, so that compare-and-swap makes it hold for the whole fleet: a
guess counts because its failure was saved, and who finds the ledger changed judges anew. Failures count across codes,
routes and resends (NIST SP 800-63B-4 §3.1.3.2: a new secret does not reset the count), and only a right code takes
them back. After every fifth the codes die and the user has to wait, each time twice as long as the time before. A
moment that lies further ahead than it could was noted by a clock that was wrong: it gives nothing, and takes nothing.
"""

import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Self

from proxy.core.errors import VerificationLimitedError

DIGITS: Final = 6
LIFETIME: Final = 600.0
"""Seconds that a code is good for."""
TRIES: Final = 5
"""Wrong tries before the user has to wait."""
FIRST_LOCK: Final = 900.0
"""Seconds to wait after the first five; twice as long after each five more."""
LONGEST_LOCK: Final = 86_400.0
PAUSE: Final = 30.0
"""Seconds between two codes for the same user."""
HOUR: Final = 3600.0
HOURLY: Final = 6
"""Codes for one user in an hour."""
LONGEST_VALID: Final = 30 * 86_400.0
"""Seconds after which no verification counts any more, whatever a route says."""


SKEW: Final = 60.0
"""Seconds by which the clocks of two processes may differ."""


def counts(at: float, valid_for: float, now: float) -> bool:
    """Tell whether what was shown at that moment counts now, if it does for so many seconds."""
    return at - SKEW <= now < at + valid_for


class Coder:
    """Makes codes, and the digests under which they are kept. `key` is the same in the whole fleet."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def new(self) -> str:
        """Return a code, as good as any other."""
        return f"{secrets.randbelow(10**DIGITS):0{DIGITS}d}"

    def digest(self, code: str, *, user: str, scope: str, address: str) -> str:
        """Return what is kept of a code: nobody can tell it without the key, and it counts in its own place alone."""
        return self._hmac("code", user, scope, address, code)

    def address(self, email: str) -> str:
        """Return what is kept of an e-mail address; capitals make no difference in ASCII, and all else does."""
        return self._hmac("address", email.encode("utf-8", "surrogatepass").lower().decode("utf-8", "surrogatepass"))

    def _hmac(self, *texts: str) -> str:
        return hmac.digest(self._key, json.dumps(texts).encode(), "sha256").hex()


@dataclass(frozen=True, slots=True)
class Pending:
    """A code that was sent."""

    digest: str
    """Empty: there was no address that it could have been sent to, so that nothing is right."""
    until: float
    """Unix seconds."""


@dataclass(frozen=True, slots=True)
class Verified:
    """That a right code came."""

    at: float
    """Unix seconds."""
    address: str
    """The digest of the address that the code was sent to."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """Everything about the codes of one user."""

    failed: int = 0
    """Wrong tries since the last right one."""
    locked_until: float = 0.0
    sent: tuple[float, ...] = ()
    """When codes were made within the last hour."""
    codes: Mapping[str, Pending] = field(default_factory=dict)
    """By scope."""
    verified: Mapping[str, Verified] = field(default_factory=dict)
    """By scope."""

    @classmethod
    def read(cls, document: Mapping[str, Any] | None) -> Self:
        """Return the ledger that was written; None: an empty one."""
        if document is None:
            return cls()
        return cls(
            document["failed"],
            document["locked_until"],
            tuple(document["sent"]),
            {scope: Pending(*pending) for scope, pending in document["codes"].items()},
            {scope: Verified(*verified) for scope, verified in document["verified"].items()},
        )

    def written(self) -> dict[str, Any]:
        """Return the ledger as a document."""
        return {
            "failed": self.failed,
            "locked_until": self.locked_until,
            "sent": list(self.sent),
            "codes": {scope: [code.digest, code.until] for scope, code in self.codes.items()},
            "verified": {scope: [one.at, one.address] for scope, one in self.verified.items()},
        }

    def check_limits(self, now: float) -> None:
        """Let another code be made.

        Raises:
            VerificationLimitedError: not now.
        """
        self._check_lock(now)
        lately = self._lately(now)
        wait = max(lately[-1] + PAUSE, lately[-HOURLY] + HOUR if len(lately) >= HOURLY else 0.0) if lately else 0.0
        if wait > now:
            raise VerificationLimitedError("another code can be sent after a while", retry_after=wait - now)

    def with_code(self, scope: str, digest: str, now: float) -> Self:
        """Return the ledger after a code was made, which takes the place of the one before.

        Raises:
            VerificationLimitedError: too many were, lately.
        """
        self.check_limits(now)
        codes = {name: code for name, code in self.codes.items() if code.until > now}
        return replace(self, sent=(*self._lately(now), now), codes={**codes, scope: Pending(digest, now + LIFETIME)})

    def judged(self, scope: str, digest: str, address: str, now: float) -> tuple[Self, bool]:
        """Return the ledger after somebody came with a code of that digest, and whether it is right.

        Raises:
            VerificationLimitedError: too many were wrong, and nothing is looked at now.
        """
        self._check_lock(now)
        pending = self.codes.get(scope, Pending("", 0.0))
        if hmac.compare_digest(pending.digest, digest) and now < pending.until <= now + LIFETIME + SKEW:
            codes = {name: code for name, code in self.codes.items() if name != scope}
            verified = {name: one for name, one in self.verified.items() if one.at > now - LONGEST_VALID}
            verified[scope] = Verified(now, address)
            return replace(self, failed=0, locked_until=0.0, codes=codes, verified=verified), True
        failed = self.failed + 1
        if failed % TRIES:
            return replace(self, failed=failed), False
        lock = min(LONGEST_LOCK, FIRST_LOCK * 2.0 ** min(failed // TRIES - 1, 10))
        return replace(self, failed=failed, locked_until=now + lock, codes={}), False

    def _lately(self, now: float) -> tuple[float, ...]:
        """Return when codes were made within the last hour."""
        return tuple(moment for moment in self.sent if counts(moment, HOUR, now))

    def _check_lock(self, now: float) -> None:
        if now < self.locked_until <= now + LONGEST_LOCK + SKEW:
            raise VerificationLimitedError("too many wrong codes were tried", retry_after=self.locked_until - now)
