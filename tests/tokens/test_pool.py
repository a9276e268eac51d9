"""Of a credential's users those who were here lately have their sources in memory, and the others lose nothing."""

import asyncio
from collections.abc import Mapping

import pytest

from proxy.core.errors import TokenUnavailableError
from proxy.core.person import Person
from proxy.core.secret import Secret
from proxy.tokens.pool import MOST_SPARED, Pool
from proxy.tokens.source import Source
from tests.fakes.token_room import TokenRoom, permanent


class PoolRoom:
    """A pool whose users each have a room of their own, on one store."""

    def __init__(self, most: int = 3) -> None:
        self.first = TokenRoom()
        self.rooms: dict[str, list[TokenRoom]] = {}
        self.pool = Pool("billing", "identity", self._make, most=most)

    async def _make(self, person: Person) -> Source:
        user = person.id
        room = TokenRoom(store=self.first.store, clock=self.first.clock)
        self.rooms.setdefault(user, []).append(room)
        await asyncio.sleep(0)
        if user == "unlucky":
            raise TokenUnavailableError(permanent().reason, "no", credential="billing")
        return room.source


async def unknown() -> Mapping[str, Secret]:
    return {}


def named(user: str) -> Person:
    return Person(user, user, unknown)


@pytest.fixture
def room() -> PoolRoom:
    return PoolRoom()


async def test_a_users_source_is_made_once(room: PoolRoom) -> None:
    assert room.pool.current("ann") is None
    made = await asyncio.gather(*(room.pool.obtain(named("ann")) for _ in range(20)))
    assert len(set(map(id, made))) == 1
    assert room.pool.current("ann") is made[0]
    assert len(room.pool) == 1
    assert "1 users" in repr(room.pool)


async def test_users_have_sources_of_their_own(room: PoolRoom) -> None:
    assert await room.pool.obtain(named("ann")) is not await room.pool.obtain(named("ben"))
    assert len(room.pool.sources()) == 2


async def test_one_that_was_used_lately_is_spared_when_there_are_too_many(room: PoolRoom) -> None:
    for user in ("ann", "ben", "cat"):
        await room.pool.obtain(named(user))
    room.pool.current("ann")
    await room.pool.obtain(named("dan"))
    assert room.pool.current("ben") is None
    assert all(room.pool.current(user) for user in ("ann", "cat", "dan"))


async def test_where_all_were_used_the_first_one_goes_all_the_same() -> None:
    room = PoolRoom(most=2 * MOST_SPARED)
    users = [f"user-{number}" for number in range(2 * MOST_SPARED + 1)]
    for user in users[:-1]:
        await room.pool.obtain(named(user))
        room.pool.current(user)
    await room.pool.obtain(named(users[-1]))
    assert len(room.pool) == 2 * MOST_SPARED
    assert [user for user in users if room.pool.current(user) is None] == [users[MOST_SPARED]]


async def test_one_that_is_fetching_stays_until_it_is_done(room: PoolRoom) -> None:
    source = await room.pool.obtain(named("ann"))
    room.rooms["ann"][0].credential.hold()
    fetching = asyncio.create_task(source.obtain())
    await room.first.clock.settle()
    for user in ("ben", "cat", "dan", "eve"):
        await room.pool.obtain(named(user))
    assert room.pool.current("ann") is source
    room.rooms["ann"][0].credential.release()
    await fetching
    assert len(room.pool) == 3


async def test_what_a_source_held_that_went_is_found_in_the_store_by_the_next(room: PoolRoom) -> None:
    held = await (await room.pool.obtain(named("ann"))).obtain()
    room.pool.dismiss("ann")
    assert room.pool.current("ann") is None
    again = await (await room.pool.obtain(named("ann"))).obtain()
    assert again.token.value == held.token.value
    assert [one.credential.count for one in room.rooms["ann"]] == [1, 0]


async def test_a_source_that_cannot_be_made_leaves_nothing_behind(room: PoolRoom) -> None:
    with pytest.raises(TokenUnavailableError):
        await room.pool.obtain(named("unlucky"))
    assert len(room.pool) == 0
    room.pool.dismiss("unlucky")


async def test_a_request_that_outlives_its_pool_is_served_and_nothing_stays_of_it(room: PoolRoom) -> None:
    making = asyncio.create_task(room.pool.obtain(named("ann")))
    await asyncio.sleep(0)
    room.pool.close()
    source = await making
    assert (await source.obtain()).token.value.reveal() == "planted-1"
    assert len(room.pool) == 0
    assert not room.rooms["ann"][0].vault._followers


async def test_one_that_was_being_made_when_something_changed_is_made_again(room: PoolRoom) -> None:
    making = asyncio.create_task(room.pool.obtain(named("ann")))
    await asyncio.sleep(0)
    room.pool.dismiss("ann")
    made = await making
    assert len(room.rooms["ann"]) == 2
    assert made is room.rooms["ann"][1].source
    assert room.pool.current("ann") is made


async def test_whatever_changes_about_others_a_source_is_made_once(room: PoolRoom) -> None:
    making = asyncio.create_task(room.pool.obtain(named("ann")))
    for number in range(5):
        await asyncio.sleep(0)
        room.pool.dismiss(f"other-{number}")
    assert room.pool.current("ann") is await making
    assert len(room.rooms["ann"]) == 1


async def test_one_whose_user_changes_again_and_again_is_made_as_soon_as_that_ends(room: PoolRoom) -> None:
    making = [asyncio.create_task(room.pool.obtain(named("ann"))) for _ in range(3)]
    for _ in range(50):
        await asyncio.sleep(0)
        room.pool.dismiss("ann")
    made = await asyncio.gather(*making)
    assert {id(room.pool.current("ann"))} == set(map(id, made))
    assert room.pool._making == {}


async def test_everybodys_that_are_being_made_are_made_again_when_it_may_have_been_about_anybody(
    room: PoolRoom,
) -> None:
    making = [asyncio.create_task(room.pool.obtain(named(user))) for user in ("ann", "ben")]
    await asyncio.sleep(0)
    room.pool.dismiss(None)
    await asyncio.gather(*making)
    assert [len(room.rooms[user]) for user in ("ann", "ben")] == [2, 2]
