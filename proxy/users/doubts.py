"""Tells operators of proofs that were refused, and of those that nobody could check.

Whoever guesses may do so often, with a new name each time: of each user that is told once in ten minutes, and of all of
them no more than twenty times, so that nothing else is lost of the history. The log has a line for each request.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from proxy.core.clock import Clock
from proxy.core.errors import DependencyUnavailableError, UserUnprovenError
from proxy.net.jwks import JwksError
from proxy.telemetry.events import EventLog, EventName
from proxy.users.identity import LONGEST_ID
from proxy.users.pace import Pace

MOST: Final = 20
"""Refused proofs that are told of in ten minutes."""


class Doubts:
    """What this process has told of lately."""

    def __init__(self, events: EventLog, clock: Clock) -> None:
        self._events = events
        self._now = clock.monotonic
        self._of_users = Pace(1)
        self._of_all = Pace(MOST)
        self._of_keys = Pace(1)

    def tell(self, user: str | None, pseudonym: Callable[[str], str], error: UserUnprovenError, *, via: str) -> None:
        """Tell of a proof that was refused.

        `user`: whom the call names; `pseudonym` returns under which name the log knows a user; `via`: how it came.
        """
        named = user if user is not None and len(user) <= LONGEST_ID else None
        if not self._of_users.wait(named or "", self._now()) and not self._of_all.wait("", self._now()):
            whose = None if named is None else pseudonym(named)
            self._events.record("warning", EventName.USER_UNPROVEN, user=whose, detail=error.detail, via=via)

    @contextmanager
    def of_user(self, user: str | None, pseudonym: Callable[[str], str], *, via: str) -> Iterator[None]:
        """Tell of what a proof is refused for, or cannot be checked for, as `tell` does."""
        try:
            with self.of_keys():
                yield
        except UserUnprovenError as error:
            self.tell(user, pseudonym, error, via=via)
            raise

    @contextmanager
    def of_keys(self, credential: str | None = None) -> Iterator[None]:
        """Tell of keys that cannot be had. `credential`: whose tokens they would verify; None: proofs of users."""
        try:
            yield
        except DependencyUnavailableError as error:
            if isinstance(error.__cause__, JwksError):
                detail = str(error.__cause__)
                if not self._of_keys.wait(detail, self._now()):
                    self._events.record("error", EventName.KEYS_UNAVAILABLE, credential=credential, detail=detail)
            raise
