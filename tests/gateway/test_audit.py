"""It is written down which route used whose credential, and nothing else is lost for that."""

from collections.abc import Mapping

from proxy.core.person import Person
from proxy.core.secret import Secret
from proxy.gateway.audit import MOST, Audit
from proxy.telemetry.events import EventLog
from proxy.users.pace import WINDOW
from tests.fakes.clock import FakeClock


async def nothing() -> Mapping[str, Secret]:
    return {}


def somebody(user: str) -> Person:
    return Person(user, f"pseudonym-of-{user}", nothing)


def room(*credentials: str) -> tuple[Audit, EventLog, FakeClock]:
    clock = FakeClock()
    events = EventLog(clock)
    return Audit("files", credentials, events, clock), events, clock


def test_each_credential_that_is_the_users_own_is_told_of() -> None:
    audit, events, _ = room("drive", "mail")
    audit.used(somebody("ann"))
    told = [(event.event, event.route, event.credential, event.user) for event in events.query().events]
    assert sorted(told) == [
        ("user_credential_used", "files", "drive", "pseudonym-of-ann"),
        ("user_credential_used", "files", "mail", "pseudonym-of-ann"),
    ]


async def test_a_user_is_told_of_once_in_ten_minutes() -> None:
    audit, events, clock = room("drive")
    for _ in range(5):
        audit.used(somebody("ann"))
    audit.used(somebody("ben"))
    assert len(events.query().events) == 2
    await clock.advance(seconds=WINDOW)
    audit.used(somebody("ann"))
    assert len(events.query().events) == 3


def test_a_crowd_leaves_room_for_everything_else() -> None:
    audit, events, _ = room("drive")
    for number in range(2 * MOST):
        audit.used(somebody(f"user-{number}"))
    assert len(events.query(limit=1000).events) == MOST
