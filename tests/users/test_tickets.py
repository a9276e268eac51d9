"""A ticket is for one user and one credential, for ten minutes, and for one sign-in."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from proxy.core.seal import Seal
from proxy.net.runtime import Runtime
from proxy.stores.documents import Documents
from proxy.stores.memory import Memory, MemorySettings
from proxy.users.tickets import LIFETIME, TicketError, Tickets
from tests.fakes.clock import FakeClock


class Desk:
    def __init__(self, runtime: Runtime, clock: FakeClock) -> None:
        self.clock = clock
        seal = Seal.of_this_process()
        self.tickets = Tickets(Documents(Memory(MemorySettings(), runtime), seal), seal, clock)


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    clock = FakeClock()
    runtime = Runtime(clock, lambda name, error: None)
    yield Desk(runtime, clock)
    await runtime.close()


def refused(desk: Desk, text: str, credential: str = "drive") -> str:
    with pytest.raises(TicketError) as caught:
        desk.tickets.read(text, credential)
    return caught.value.reason


async def test_what_was_put_into_a_ticket_is_found_there(desk: Desk) -> None:
    ticket = desk.tickets.read(desk.tickets.issue("drive", "ann", "ops"), "drive")
    assert (ticket.credential, ticket.user, ticket.ordered_by) == ("drive", "ann", "ops")
    assert desk.tickets.read(desk.tickets.issue("drive", None), "drive").user is None


async def test_no_two_tickets_are_the_same_and_none_shows_an_id(desk: Desk) -> None:
    first, second = (desk.tickets.issue("drive", "somebody") for _ in range(2))
    assert first != second
    assert "somebody" not in first
    assert "somebody" not in repr(first)


async def test_a_ticket_is_good_for_ten_minutes(desk: Desk) -> None:
    text = desk.tickets.issue("drive", "ann")
    await desk.clock.advance(seconds=LIFETIME - 1)
    assert desk.tickets.read(text, "drive").user == "ann"
    await desk.clock.advance(seconds=1)
    assert refused(desk, text) == "ticket_expired"


@pytest.mark.parametrize("text", ["", "x", "ticket", "\udcff", "é" * 50, "A" * 100_000])
async def test_what_is_no_ticket_is_none(desk: Desk, text: str) -> None:
    assert refused(desk, text) == "ticket_invalid"


async def test_a_ticket_of_another_credential_or_another_fleet_is_none(desk: Desk) -> None:
    assert refused(desk, desk.tickets.issue("drive", "ann"), "mail") == "ticket_invalid"
    stranger = Seal.of_this_process()
    other = Tickets(desk.tickets._documents, stranger, desk.clock)
    assert refused(desk, other.issue("drive", "ann")) == "ticket_invalid"


async def test_a_ticket_is_used_once_even_by_many_at_once(desk: Desk) -> None:
    ticket = desk.tickets.read(desk.tickets.issue("drive", "ann"), "drive")
    outcomes = await asyncio.gather(*(desk.tickets.use(ticket) for _ in range(5)), return_exceptions=True)
    assert outcomes.count(None) == 1
    assert {error.reason for error in outcomes if isinstance(error, TicketError)} == {"ticket_used"}
    await desk.tickets.use(desk.tickets.read(desk.tickets.issue("drive", "ann"), "drive"))


async def test_a_form_belongs_to_one_ticket_in_one_browser(desk: Desk) -> None:
    one, two = (desk.tickets.read(desk.tickets.issue("drive", "ann"), "drive") for _ in range(2))
    tokens = {desk.tickets.form_token(ticket, browser) for ticket in (one, two) for browser in ("a", "b")}
    assert len(tokens) == 4
    assert desk.tickets.form_token(one, "a") in tokens
