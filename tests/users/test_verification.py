"""Who is verified is known without waiting, in every process, and no longer than it is true."""

from collections.abc import AsyncIterator

import pytest

from proxy.core.errors import CodeRefusedError, DependencyUnavailableError, VerificationLimitedError
from proxy.core.person import Person
from proxy.stores.base import Change, News
from proxy.users import verification
from proxy.users.codes import LIFETIME, LONGEST_VALID, PAUSE
from proxy.users.handles import Handle
from proxy.users.verification import HOURLY_PER_ADDRESS, Verifications
from tests.fakes.code_room import CodeRoom

SCOPE = "route/billing"
QUARTER = 900.0


@pytest.fixture
async def room() -> AsyncIterator[CodeRoom]:
    made = CodeRoom()
    yield made
    await made.runtime.close()


async def verified(room: CodeRoom, user: str, scope: str = SCOPE) -> Person:
    person = await room.user(user)
    issued = await room.verifications.issue(Handle(user, scope))
    await room.verifications.check(Handle(user, scope), issued.code.reveal())
    return person


async def test_who_is_verified_is_looked_up_once_and_then_known(room: CodeRoom) -> None:
    person = await verified(room, "ann")
    assert not room.verifications.holds(person, SCOPE, QUARTER)
    assert await room.verifications.look(person, SCOPE, QUARTER)
    before = room.memory.loads
    assert all(room.verifications.holds(person, SCOPE, QUARTER) for _ in range(100))
    assert room.memory.loads == before


async def test_it_counts_for_its_scope_its_user_and_as_long_as_the_route_says(room: CodeRoom) -> None:
    person, other = await verified(room, "ann"), await room.user("ben")
    assert not await room.verifications.look(person, "route/other", QUARTER)
    assert not await room.verifications.look(person, "group/billing", QUARTER)
    assert not await room.verifications.look(other, SCOPE, QUARTER)
    await room.clock.advance(seconds=60)
    for judge in (room.verifications.holds(person, SCOPE, 60), await room.verifications.look(person, SCOPE, 60)):
        assert not judge
    assert room.verifications.holds(person, SCOPE, 61)
    await room.clock.advance(seconds=QUARTER)
    assert not room.verifications.holds(person, SCOPE, QUARTER)
    assert not await room.verifications.look(person, SCOPE, QUARTER)


async def test_a_verification_of_a_clock_that_was_ahead_counts_for_nothing_when_the_clock_is_right(
    room: CodeRoom,
) -> None:
    room.clock.jump(86_400)
    person = await verified(room, "ann")
    assert await room.verifications.look(person, SCOPE, QUARTER)
    room.clock.jump(-86_400)
    assert not room.verifications.holds(person, SCOPE, QUARTER)
    assert not await room.verifications.look(person, SCOPE, QUARTER)


async def test_another_process_hears_of_it_and_of_a_changed_address(room: CodeRoom) -> None:
    other = room.replica()
    person = await room.user("ann")
    assert not await other.look(person, SCOPE, QUARTER)
    await verified(room, "ann")
    assert await other.look(person, SCOPE, QUARTER)
    await room.user("ann", "ann@elsewhere.example")
    for process in (room.verifications, other):
        assert not process.holds(person, SCOPE, QUARTER)
        assert not await process.look(person, SCOPE, QUARTER)
    await room.user("ann", None)
    assert not await other.look(person, SCOPE, QUARTER)


async def test_news_that_may_have_been_missed_make_it_look_again(room: CodeRoom) -> None:
    person = await verified(room, "ann")
    assert await room.verifications.look(person, SCOPE, QUARTER)
    for listener in room.memory._listeners:
        listener(News(Change.MISSED))
    assert not room.verifications.holds(person, SCOPE, QUARTER)


async def test_what_changes_while_it_looks_is_not_held(room: CodeRoom, monkeypatch: pytest.MonkeyPatch) -> None:
    person = await verified(room, "ann")
    find = room.registry.find

    async def slowly(user: str) -> object:
        found = await find(user)
        await room.user("ann", "ann@elsewhere.example")
        return found

    monkeypatch.setattr(room.registry, "find", slowly)
    assert await room.verifications.look(person, SCOPE, QUARTER)  # as it was when it was asked for
    assert not room.verifications.holds(person, SCOPE, QUARTER)


async def test_a_user_who_is_forgotten_is_verified_no_more(room: CodeRoom) -> None:
    person = await verified(room, "ann")
    assert await room.verifications.look(person, SCOPE, QUARTER)
    await room.registry.forget("ann")
    assert not room.verifications.holds(person, SCOPE, QUARTER)
    assert not await room.verifications.look(person, SCOPE, QUARTER)


async def test_of_many_users_the_latest_are_remembered(room: CodeRoom, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verification, "REMEMBERED", 2)
    people = [await verified(room, name) for name in ("ann", "ben", "cid")]
    for person in people:
        assert await room.verifications.look(person, SCOPE, QUARTER)
    assert [room.verifications.holds(person, SCOPE, QUARTER) for person in people] == [False, True, True]


async def test_a_code_is_bound_to_user_scope_and_address_and_to_its_time(room: CodeRoom) -> None:
    await room.user("ann")
    await room.user("ben")
    code = (await room.verifications.issue(Handle("ann", SCOPE))).code.reveal()
    for handle in (Handle("ben", SCOPE), Handle("ann", "route/other"), Handle("ann", "group/billing")):
        with pytest.raises(CodeRefusedError):
            await room.verifications.check(handle, code)
    await room.user("ann", "ann@elsewhere.example")
    with pytest.raises(CodeRefusedError):
        await room.verifications.check(Handle("ann", SCOPE), code)
    await room.user("ann")
    await room.clock.advance(seconds=LIFETIME)
    with pytest.raises(CodeRefusedError):
        await room.verifications.check(Handle("ann", SCOPE), code)


async def test_the_store_sees_neither_codes_nor_users_nor_addresses(room: CodeRoom) -> None:
    issued = await verified_but_for_the_code(room)
    kept = room.memory.keys()
    for key in [key async for key in kept]:
        record = await room.memory.load(key)
        assert record is not None
        assert not any(word in f"{key} {record.data!r}" for word in ("ann", "billing", issued))
    ledger = await room.documents.read(f"verification/{room.registry.pseudonym('ann')}")
    assert issued not in str(ledger)


async def verified_but_for_the_code(room: CodeRoom) -> str:
    await room.user("ann")
    return (await room.verifications.issue(Handle("ann", SCOPE))).code.reveal()


async def test_who_has_no_address_gets_a_code_that_is_never_right(room: CodeRoom) -> None:
    await room.user("ann", None)
    for user in ("ann", "nobody"):
        issued = await room.verifications.issue(Handle(user, SCOPE))
        assert issued.withheld == "no_address"
        with pytest.raises(CodeRefusedError):
            await room.verifications.check(Handle(user, SCOPE), issued.code.reveal())


async def test_an_address_that_many_users_share_gets_so_many_codes_and_no_more(room: CodeRoom) -> None:
    for n in range(HOURLY_PER_ADDRESS + 2):
        await room.user(f"user-{n}", "Shared@mail.example" if n % 2 else "shared@mail.example")
        issued = await room.verifications.issue(Handle(f"user-{n}", SCOPE))
        assert issued.withheld == (None if n < HOURLY_PER_ADDRESS else "address_limited")
    await room.clock.advance(hours=1)
    assert (await room.verifications.issue(Handle("user-0", SCOPE))).withheld is None


async def test_limits_are_told_before_and_when_it_counts(room: CodeRoom) -> None:
    handle = Handle("ann", SCOPE)
    await room.verifications.check_limits(handle)
    await room.verifications.issue(handle)
    with pytest.raises(VerificationLimitedError):
        await room.verifications.check_limits(handle)
    with pytest.raises(VerificationLimitedError):
        await room.verifications.issue(handle)
    await room.clock.advance(seconds=PAUSE)
    await room.verifications.check_limits(handle)


async def test_a_store_that_is_away_lets_nobody_in_and_takes_nothing_from_who_is_in(room: CodeRoom) -> None:
    person, stranger = await verified(room, "ann"), await room.user("ben")
    assert await room.verifications.look(person, SCOPE, QUARTER)
    room.memory.is_away = True
    assert room.verifications.holds(person, SCOPE, QUARTER)
    handle = Handle("ben", SCOPE)
    for asked in (
        room.verifications.look(stranger, SCOPE, QUARTER),
        room.verifications.check_limits(handle),
        room.verifications.issue(handle),
        room.verifications.check(handle, "123456"),
    ):
        with pytest.raises(DependencyUnavailableError):
            await asked


async def test_a_verification_outlives_the_code_by_as_long_as_a_route_may_ask(room: CodeRoom) -> None:
    person = await verified(room, "ann")
    await room.clock.advance(seconds=LONGEST_VALID - 1)
    assert await room.replica().look(person, SCOPE, LONGEST_VALID)


def test_a_pseudonym_is_the_registrys() -> None:
    room = CodeRoom()
    assert isinstance(room.verifications, Verifications)
    assert room.verifications.pseudonym("ann") == room.registry.pseudonym("ann")
