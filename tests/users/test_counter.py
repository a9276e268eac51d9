"""At the counter everybody gets the same answer, letters go out behind it, and all of it is written down."""

from collections.abc import AsyncIterator
from email.message import EmailMessage
from typing import Any

import pytest

from proxy.core.errors import CodeRefusedError, DependencyUnavailableError, VerificationLimitedError
from proxy.users import counter
from proxy.users.codes import PAUSE, TRIES
from proxy.users.handles import Handle
from proxy.users.letter import LetterSettings, letter
from proxy.users.pace import WINDOW
from tests.fakes.code_room import CodeRoom
from tests.fakes.until import until

PEER = "192.0.2.1"
ANN = Handle("ann", "route/billing")


@pytest.fixture
async def room() -> AsyncIterator[CodeRoom]:
    async with CodeRoom() as made:
        await made.user("ann")
        yield made


async def test_a_code_is_sent_and_taken_and_both_are_told(room: CodeRoom) -> None:
    await room.counter.send(PEER, ANN)
    code = await room.mail.code_for("ann@mail.example")
    await until(lambda: room.counted() == {"sent": 1})
    await room.counter.judge(PEER, ANN, f" {code[:3]} {code[3:]}\n")
    assert room.told() == [("verification_sent", None), ("verified", None)]
    assert room.counted() == {"sent": 1, "verified": 1}
    event = room.events.query().events[0]
    assert (event.user, event.fields) == (room.registry.pseudonym("ann"), {"scope": "route/billing"})


async def test_who_has_no_address_costs_the_same_and_gets_no_letter(
    room: CodeRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str | None] = []

    def count(settings: LetterSettings, **given: Any) -> EmailMessage:
        written.append(given["address"])
        return letter(settings, **given)

    monkeypatch.setattr(counter, "letter", count)
    await room.counter.send(PEER, Handle("nobody", "route/billing"))
    await until(lambda: room.runtime.tasks == 0)
    assert written == ["a@mail.example"]  # the sender's own: it has to be some address
    assert (room.mail.connections, room.mail.letters) == (1, [])
    assert room.told() == [("verification_failed", "no_address")]
    assert room.counted() == {"withheld": 1}


async def test_a_wrong_code_is_told_and_then_the_limit_once(room: CodeRoom) -> None:
    for _ in range(TRIES):
        with pytest.raises(CodeRefusedError):
            await room.counter.judge(PEER, ANN, "123")
    for _ in range(3):
        with pytest.raises(VerificationLimitedError):
            await room.counter.judge(PEER, ANN, "123")
        with pytest.raises(VerificationLimitedError):
            await room.counter.send(PEER, ANN)
    assert room.told() == [("verification_refused", None)] * TRIES + [("verification_limited", None)]
    told_of = [event.fields for event in room.events.query().events]
    assert told_of == [{"scope": "route/billing", "peer": PEER}] * (TRIES + 1)
    assert room.counted() == {"refused": TRIES, "limited": 6}
    assert room.mail.connections == 0  # nobody calls the mail server for what is refused anyway


async def test_one_address_may_not_call_too_often_whomever_it_names() -> None:
    async with CodeRoom(per_peer=3) as room:
        for n in range(3):
            with pytest.raises(CodeRefusedError):
                await room.counter.judge(PEER, Handle(f"user-{n}", "route/a"), "1")
        for called in (room.counter.judge(PEER, ANN, "1"), room.counter.send(PEER, ANN)):
            with pytest.raises(VerificationLimitedError, match="this address"):
                await called
        with pytest.raises(CodeRefusedError):
            await room.counter.judge("192.0.2.2", ANN, "1")
        await room.clock.advance(seconds=WINDOW)
        with pytest.raises(CodeRefusedError):
            await room.counter.judge(PEER, ANN, "1")


async def test_who_has_many_ipv6_addresses_may_call_no_more_often() -> None:
    async with CodeRoom(per_peer=3) as room:
        told = []
        for n in range(5):
            try:
                await room.counter.judge(f"2001:db8::{n + 1}", Handle(f"user-{n}", "route/a"), "1")
            except (CodeRefusedError, VerificationLimitedError) as error:
                told.append(type(error))
        assert told == [CodeRefusedError] * 3 + [VerificationLimitedError] * 2


async def test_while_the_mail_server_is_down_nothing_is_used_up_and_it_is_told_once(room: CodeRoom) -> None:
    await room.mail.stop()
    for _ in range(4):
        with pytest.raises(DependencyUnavailableError) as caught:
            await room.counter.send(PEER, ANN)
        assert caught.value.retry_after == 5.0
    assert room.told() == [("verification_failed", "mail_server")]
    assert room.counted() == {"failed": 4}
    await room.mail.start()
    await room.counter.send(PEER, ANN)
    assert await room.mail.code_for("ann@mail.example")


async def test_a_letter_that_the_server_refuses_is_told(room: CodeRoom) -> None:
    room.mail.answers = ["554 ann@mail.example is nobody"]
    await room.counter.send(PEER, ANN)
    await until(lambda: room.counted() == {"failed": 1})
    event = room.events.query().events[0]
    assert (event.reason, event.detail) == ("mail_server", "the mail server answers 554")


async def test_an_address_that_is_none_is_told_as_a_failure(room: CodeRoom) -> None:
    await room.user("eve", "eve@mail.example\r\nBcc: all@mail.example")
    await room.counter.send(PEER, Handle("eve", "route/billing"))
    await until(lambda: room.counted() == {"failed": 1})
    assert room.mail.letters == []


async def test_no_line_is_left_open_whatever_goes_wrong(room: CodeRoom) -> None:
    await room.counter.send(PEER, ANN)
    await until(lambda: room.runtime.tasks == 0)
    await room.clock.advance(seconds=PAUSE)
    check = room.verifications.check_limits
    for failure, error in ((False, VerificationLimitedError), (True, DependencyUnavailableError)):

        async def pass_on(handle: Handle, away: bool = failure) -> None:
            await check(handle)
            room.memory.is_away = away

        room.verifications.check_limits = pass_on  # type: ignore[method-assign]  # it changes in between
        if not failure:
            await room.verifications.issue(ANN)
            room.verifications.check_limits = lambda handle: _nothing()  # type: ignore[method-assign]  # just so
        else:
            await room.clock.advance(seconds=PAUSE)
        for _ in range(12):
            with pytest.raises(error):
                await room.counter.send(PEER, ANN)
            room.memory.is_away = False
            await until(lambda: room.runtime.tasks == 0)
    assert room.mail.connections == 25


async def _nothing() -> None:
    """Find no limit."""
