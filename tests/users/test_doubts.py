"""Operators learn whose proof was refused and why keys cannot be had, however often somebody tries."""

import pytest

from proxy.core.errors import DependencyUnavailableError, UserUnprovenError
from proxy.net.jwks import JwksError
from proxy.telemetry.events import EventLog
from proxy.users.doubts import MOST, Doubts
from proxy.users.identity import LONGEST_ID
from proxy.users.pace import WINDOW
from tests.fakes.clock import FakeClock


class Room:
    """Some who are not believed."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.events = EventLog(self.clock)
        self.doubts = Doubts(self.events, self.clock)

    def refuse(self, user: str | None) -> None:
        with pytest.raises(UserUnprovenError), self.doubts.of_user(user, lambda named: f"p-{named}", via="browser"):
            raise UserUnprovenError("not the hash")

    def lack_keys(self, why: str, credential: str | None = "crm") -> None:
        with pytest.raises(DependencyUnavailableError), self.doubts.of_keys(credential):
            raise DependencyUnavailableError("no keys now") from JwksError(why)

    def told(self) -> list[tuple[str, str, str | None, str]]:
        return [(one.level, one.event.value, one.user, one.detail) for one in reversed(self.events.query().events)]


@pytest.fixture
def room() -> Room:
    return Room()


async def test_a_refused_proof_is_told_once_for_each_user_under_their_pseudonym(room: Room) -> None:
    for user in ("ann", "ann", "ben", "ann", None, None):
        room.refuse(user)
    assert room.told() == [
        ("warning", "user_unproven", "p-ann", "not the hash"),
        ("warning", "user_unproven", "p-ben", "not the hash"),
        ("warning", "user_unproven", None, "not the hash"),
    ]
    assert room.events.query().events[0].fields == {"via": "browser"}
    await room.clock.advance(seconds=WINDOW)
    room.refuse("ann")
    assert len(room.told()) == 4


async def test_whoever_tries_many_names_does_not_fill_the_history(room: Room) -> None:
    for number in range(1000):
        room.refuse(f"user-{number}")
    assert len(room.told()) == MOST
    await room.clock.advance(seconds=WINDOW)
    room.refuse("user-0")
    assert len(room.told()) == MOST + 1


def test_a_name_that_is_none_is_not_looked_up(room: Room) -> None:
    room.refuse("x" * (LONGEST_ID + 1))
    assert [user for _, _, user, _ in room.told()] == [None]


def test_keys_that_cannot_be_had_are_told_once_with_the_reason(room: Room) -> None:
    for why in ("GET id.example did not answer", "GET id.example did not answer", "GET id.example answered 404"):
        room.lack_keys(why)
    assert room.told() == [
        ("error", "keys_unavailable", None, "GET id.example did not answer"),
        ("error", "keys_unavailable", None, "GET id.example answered 404"),
    ]
    assert room.events.query().events[0].credential == "crm"


def test_keys_are_told_of_as_well_where_they_would_prove_a_user(room: Room) -> None:
    with (
        pytest.raises(DependencyUnavailableError),
        room.doubts.of_user("ann", lambda named: named, via="browser"),
    ):
        raise DependencyUnavailableError("no keys now") from JwksError("down")
    assert [event for _, event, _, _ in room.told()] == ["keys_unavailable"]


def test_what_else_is_not_there_is_told_elsewhere(room: Room) -> None:
    with pytest.raises(DependencyUnavailableError), room.doubts.of_keys():
        raise DependencyUnavailableError("the store is away")
    with room.doubts.of_user("ann", lambda named: named, via="browser"):
        pass
    assert room.told() == []
