"""Whose source gets what a sign-in brings, and what is told and noted of it."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from proxy.core.errors import FetchError, Reason, RequestInvalidError
from proxy.credentials.sign_in import SignInError
from proxy.stores.base import StoreError
from proxy.users.attempts import AttemptError
from proxy.users.pace import WINDOW
from proxy.users.sign_ins import MOST_TOLD
from proxy.users.tickets import Ticket, TicketError
from tests.fakes.sign_in_bench import SignInBench
from tests.fakes.until import until

TICKET = Ticket("id", "drive", "ann", 0.0)


@pytest.fixture
async def bench() -> AsyncIterator[SignInBench]:
    async with SignInBench() as bench:
        yield bench


async def test_each_user_has_a_source_of_their_own_and_all_share_the_other(bench: SignInBench) -> None:
    source = bench.sign_ins.source
    ann, ben, everybody = await source("drive", "ann"), await source("drive", "ben"), await source("shared", None)
    assert len({id(one[0]) for one in (ann, ben, everybody)}) == 3
    assert (await source("drive", "ann"))[0] is ann[0]
    for credential, user in (("drive", None), ("shared", "ann"), ("gone", "ann"), ("gone", None)):
        with pytest.raises(RequestInvalidError):
            await source(credential, user)


@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [
        (TicketError("ticket_used", "Used.", TICKET), 400, "ticket_used"),
        (TicketError("ticket_invalid", "Not valid."), 400, None),
        (AttemptError("other_browser", "Another.", "drive", "ann"), 400, "other_browser"),
        (AttemptError("state_unknown", "Unknown."), 400, None),
        (StoreError("away"), 503, None),
        (RequestInvalidError("a parameter is there twice"), 400, None),
    ],
)
async def test_who_is_turned_away_is_noted_where_it_is_known_whose_sign_in_it_was(
    bench: SignInBench, error: Exception, status: int, reason: str | None
) -> None:
    answer = bench.sign_ins.turned_away(error)
    assert answer.status == status
    assert bench.reasons() == ([reason] if reason else [])


@pytest.mark.parametrize(
    ("error", "status", "reason", "level"),
    [
        (SignInError("access_denied", "No."), 400, "access_denied", "info"),
        (SignInError("wrong_issuer", "Another.", detail="why"), 400, "wrong_issuer", "warning"),
        (FetchError(Reason.INVALID_GRANT, "no", permanent=True), 502, "invalid_grant", "warning"),
        (FetchError(Reason.NETWORK, "away"), 502, "network", "warning"),
        (StoreError("away"), 503, "store_away", "warning"),
    ],
)
async def test_of_a_failure_operators_are_told_more_than_people(
    bench: SignInBench, error: Exception, status: int, reason: str, level: str
) -> None:
    answer = bench.sign_ins.failed(error, "drive", "ann", "")
    event = bench.events.query().events[0]
    assert (answer.status, event.reason, event.level) == (status, reason, level)
    assert event.user == bench.registry.pseudonym("ann")


async def test_a_provider_that_takes_nothing_back_cannot_be_asked_to(bench: SignInBench) -> None:
    bench.server.knobs.metadata["revocation_endpoint"] = None
    browser = bench.browser()
    await browser.open(await bench.to_callback(browser))
    assert await bench.sign_ins.end("drive", "ann", "ops") == "not_offered"
    assert bench.events.query().events[0].fields == {"outcome": "not_offered", "who": "ops"}
    assert await bench.sign_ins.end("drive", "ann") == "not_offered"


async def test_what_is_given_back_is_given_back_in_full_even_if_nobody_waits_for_it(bench: SignInBench) -> None:
    browser = bench.browser()
    await browser.open(await bench.to_callback(browser))
    bench.server.revoking.clear()
    impatient = asyncio.create_task(bench.sign_ins.end("drive", "ann"))
    await until(lambda: bench.server.revocations)
    impatient.cancel()
    with pytest.raises(asyncio.CancelledError):
        await impatient
    bench.server.revoking.set()
    await until(lambda: bench.events.query().events[0].event == "signed_out")
    assert bench.events.query().events[0].fields == {"outcome": "revoked"}
    assert [one["token_type_hint"] for one in bench.server.revocations] == ["refresh_token", "access_token"]


async def test_what_leads_nowhere_is_written_down_a_few_times_however_often_it_is_sent(bench: SignInBench) -> None:
    for _ in range(3 * MOST_TOLD):
        bench.sign_ins.turned_away(TicketError("ticket_used", "Used.", TICKET))
        bench.sign_ins.turned_away(AttemptError("state_used", "Over.", "drive", "ben"))
    assert sorted(map(str, bench.reasons())) == ["state_used"] * MOST_TOLD + ["ticket_used"] * MOST_TOLD
    await bench.clock.advance(seconds=WINDOW)
    bench.sign_ins.turned_away(TicketError("ticket_used", "Used.", TICKET))
    assert len(bench.reasons()) == 2 * MOST_TOLD + 1
