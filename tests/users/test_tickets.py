"""A ticket is for one user and one credential, for ten minutes, and for one sign-in."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from proxy.core.seal import Seal
from proxy.net.runtime import Runtime
from proxy.stores.documents import Documents
from proxy.stores.memory import Memory, MemorySettings
from proxy.users.tickets import LIFETIME, Ticket, TicketError, Tickets, Way
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


def ticket_of(desk: Desk) -> Ticket:
    return desk.tickets.read(desk.tickets.issue("drive", "ann"), "drive")


async def test_a_ticket_is_used_by_one_browser_even_if_many_come_at_once(desk: Desk) -> None:
    ticket = ticket_of(desk)
    outcomes = await asyncio.gather(
        *(desk.tickets.use(ticket, browser, Way(browser, "")) for browser in "abcde"), return_exceptions=True
    )
    assert sum(isinstance(outcome, Way) for outcome in outcomes) == 1
    assert {error.reason for error in outcomes if isinstance(error, TicketError)} == {"ticket_used"}
    await desk.tickets.use(ticket_of(desk), "a", Way("s", "https://provider.example/"))


async def test_a_ticket_leads_one_browser_to_one_sign_in_however_often_it_comes(desk: Desk) -> None:
    ticket, other = ticket_of(desk), ticket_of(desk)
    assert await desk.tickets.begun(ticket, "a") is None
    ways = await asyncio.gather(*(desk.tickets.use(ticket, "a", Way(state, f"to-{state}")) for state in "stuvw"))
    assert len(set(ways)) == 1
    assert await desk.tickets.begun(ticket, "a") == ways[0]
    for browser in ("b", ""):
        with pytest.raises(TicketError) as caught:
            await desk.tickets.begun(ticket, browser)
        assert (caught.value.reason, caught.value.ticket) == ("ticket_used", ticket)
    assert await desk.tickets.begun(other, "a") is None


async def test_nothing_of_the_way_is_printed(desk: Desk) -> None:
    way = await desk.tickets.use(ticket_of(desk), "a", Way("the-state", "https://provider.example/?state=the-state"))
    assert "state=" not in repr(way)


async def test_that_a_ticket_was_used_is_known_for_as_long_as_any_replica_takes_it(desk: Desk) -> None:
    ahead = FakeClock(desk.clock.now() + LIFETIME)
    issued = Tickets(desk.tickets._documents, desk.tickets._seal, ahead).issue("drive", "ann")
    ticket = desk.tickets.read(issued, "drive")
    await desk.tickets.use(ticket, "a", Way("s", "https://provider.example/"))
    await desk.clock.advance(seconds=2 * LIFETIME - 1)
    with pytest.raises(TicketError):
        await desk.tickets.use(desk.tickets.read(issued, "drive"), "b", Way("t", "https://provider.example/"))
    await desk.clock.advance(seconds=1)
    assert refused(desk, issued) == "ticket_expired"


async def test_a_form_belongs_to_one_ticket_in_one_browser(desk: Desk) -> None:
    one, two = (desk.tickets.read(desk.tickets.issue("drive", "ann"), "drive") for _ in range(2))
    tokens = {desk.tickets.form_token(ticket, browser) for ticket in (one, two) for browser in ("a", "b")}
    assert len(tokens) == 4
    assert desk.tickets.form_token(one, "a") in tokens
