"""What changes about a user lets the sources go that were made of it, in every process, and no others."""

from collections.abc import AsyncIterator
from typing import Any, Final

import pytest

from proxy.core.person import Person
from proxy.core.seal import Seal
from proxy.core.secret import Secret
from proxy.stores.base import Change, News
from proxy.stores.documents import Documents
from proxy.users.changes import Changes
from proxy.users.registry import Registry, User
from tests.fakes.known import keep
from tests.fakes.pushing import PushRoom, push_room

WRITTEN: Final[dict[str, dict[str, Any]]] = {
    "login": {
        "kind": "http_request",
        "per_user": True,
        "request": {"url": "https://auth.example/session", "form": {"password": "{{ PASSWORD }}"}},
        "token": {"from": "json", "path": "access_token"},
    },
    "plain": {
        "kind": "http_request",
        "per_user": True,
        "request": {"url": "https://auth.example/session", "form": {"user": "{{ USER_ID }}"}},
        "token": {"from": "json", "path": "access_token"},
    },
}


class Room:
    """Two processes with the same users."""

    def __init__(self, first: PushRoom, second: PushRoom) -> None:
        self.processes = (first, second)
        self.registry = Registry(Documents(first.store, Seal.of_this_process()), b"key")
        for process in self.processes:
            first.store.listen(Changes(lambda process=process: process.sources).hear)  # type: ignore[misc]

    async def password(self, person: Person, process: int = 0, name: str = "login") -> str:
        """Return what the user's source is made of."""
        source = await self.processes[process].sources.pools[name].obtain(person)
        return source.credential.settings.fixed_variables["PASSWORD"].reveal()


@pytest.fixture
async def room() -> AsyncIterator[Room]:
    async with push_room() as first:
        yield Room(await first.load(WRITTEN), await first.replica().load(WRITTEN))


async def test_a_changed_user_reaches_every_process(room: Room) -> None:
    ann = room.registry.person("ann")
    for password in ("planted-1", "planted-2"):
        await keep(room.registry, User("ann", variables={"PASSWORD": Secret(password)}))
        assert [await room.password(ann, process) for process in (0, 1)] == [password] * 2


async def test_only_sources_that_were_made_of_it_go(room: Room) -> None:
    ann, ben = room.registry.person("ann"), room.registry.person("ben")
    for user in ("ann", "ben"):
        await keep(room.registry, User(user, variables={"PASSWORD": Secret("planted-1")}))
    pools = room.processes[0].sources.pools
    before = [await pools["login"].obtain(ben), await pools["plain"].obtain(ann)]
    await keep(room.registry, User("ann", variables={"PASSWORD": Secret("planted-2")}))
    assert [await pools["login"].obtain(ben), await pools["plain"].obtain(ann)] == before
    await room.registry.forget("ann")
    assert pools["login"].current(ann.pseudonym) is None


async def test_what_was_missed_may_have_been_about_anybody(room: Room) -> None:
    ann = room.registry.person("ann")
    await keep(room.registry, User("ann", variables={"PASSWORD": Secret("planted-1")}))
    pools = room.processes[0].sources.pools
    await room.password(ann)
    plain = await pools["plain"].obtain(ann)
    room.processes[0].store.tell(News(Change.MISSED))
    assert pools["login"].current(ann.pseudonym) is None
    assert pools["plain"].current(ann.pseudonym) is plain
