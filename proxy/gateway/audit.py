"""Writes down which route used whose credential: the first time, and again when this process had forgotten the user.

The log's line of each request says so, too; events are for whoever looks at what a user's access was used for. Of all
users together no more are told of than leave room in the history for everything else.
"""

from typing import Final

from proxy.core.clock import Clock
from proxy.core.person import Person
from proxy.telemetry.events import EventLog, EventName
from proxy.users.pace import Pace

MOST: Final = 200
"""Users that each route tells of in ten minutes."""


class Audit:
    """One route's. `credentials`: the names of those of which each user has a token of their own."""

    def __init__(self, route: str, credentials: tuple[str, ...], events: EventLog, clock: Clock) -> None:
        self._route = route
        self._credentials = credentials
        self._events = events
        self._now = clock.monotonic
        self._of_users = Pace(1)
        self._of_all = Pace(MOST)

    def used(self, person: Person) -> None:
        """Tell that a request of this user was signed with what is theirs."""
        if self._of_users.wait(person.pseudonym, self._now()) or self._of_all.wait("", self._now()):
            return
        for credential in self._credentials:
            self._events.record(
                "info",
                EventName.USER_CREDENTIAL_USED,
                route=self._route,
                credential=credential,
                user=person.pseudonym,
            )
