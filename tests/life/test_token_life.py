"""The life of a token from the first request to the endpoint's outage and back, told once from end to end."""

import asyncio

from proxy.core.errors import CircuitOpenError, ProxyError, TokenUnavailableError
from proxy.tokens.held import Held
from proxy.tokens.renewal import RenewalOutcome
from tests.fakes.credential import MARKER
from tests.fakes.token_room import TokenRoom, transient, value

REQUESTS = 1000


async def sign(room: TokenRoom) -> Held:
    """Do what a request does for its token."""
    return room.source.current() or await room.source.obtain()


async def sign_all(room: TokenRoom, requests: int = REQUESTS) -> set[str]:
    return {value(held) for held in await asyncio.gather(*(sign(room) for _ in range(requests)))}


async def refused(room: TokenRoom) -> ProxyError:
    try:
        await sign(room)
    except ProxyError as error:
        return error
    raise AssertionError("a token was there")


async def test_a_token_lives() -> None:
    room = TokenRoom(lifetime=300.0)
    issuer, source, clock = room.credential, room.source, room.clock

    # A thousand requests come before there is a token: one fetch.
    assert await sign_all(room) == {"planted-1"}
    assert issuer.count == 1

    # It is fresh: nobody waits, nothing is fetched.
    await clock.advance(minutes=3)
    assert await sign_all(room) == {"planted-1"}
    assert issuer.count == 1

    # It grows old: it is replaced behind the requests.
    await clock.advance(minutes=1)
    assert await sign_all(room) == {"planted-2"}
    assert issuer.count == 2
    assert room.counts.stale == 0

    # The upstream rejects it: five hundred requests find out at once, one renewal.
    rejected = await sign(room)
    renewals = await asyncio.gather(*(source.renew(rejected) for _ in range(500)))
    assert {(renewal.outcome, value(renewal.held)) for renewal in renewals} == {(RenewalOutcome.RENEWED, "planted-3")}
    assert issuer.count == 3

    # A slow upstream rejects the old one long after: the held one will do.
    late = await source.renew(rejected)
    assert (late.outcome, value(late.held)) == (RenewalOutcome.SUPERSEDED, "planted-3")

    # The issuer goes down: the token is used for as long as it lives.
    issuer.always = transient()
    await clock.advance(seconds=240)
    for _ in range(59):
        assert await sign_all(room, 10) == {"planted-3"}
        await clock.advance(seconds=1)
    assert issuer.count <= 3 + 7  # back-off, not hammering

    # It expires: requests are told why, at once, and when to come back.
    await clock.advance(seconds=1)
    errors = [await refused(room) for _ in range(10)]
    assert {type(error) for error in errors} <= {TokenUnavailableError, CircuitOpenError}
    assert all(error.retry_after is not None and error.retry_after <= 30.0 for error in errors)
    asked = issuer.count

    # It keeps failing: the circuit opens, and the issuer is left alone.
    for _ in range(90):
        await refused(room)
        await clock.advance(seconds=1)
    assert issuer.count <= asked + 5
    assert "breaker_opened" in room.event_names()

    # The issuer is back: it heals by itself.
    issuer.always = None
    await clock.advance(seconds=31)
    assert len(await sign_all(room)) == 1
    assert source.status().failure is None
    await clock.advance(seconds=31)

    # An operator revokes it: the next request fetches.
    known = issuer.count
    await source.revoke()
    assert await sign_all(room) == {f"{MARKER}-{known + 1}"}

    # The configuration changes: the old source winds down, and a request on the old graph is still served.
    source.close()
    await clock.advance(minutes=10)
    assert await sign_all(room) == {f"{MARKER}-{known + 2}"}
    assert room.runtime.tasks == 0

    # What happened can be read, each change once, and no secret in it.
    names = [name for name in room.event_names() if name != "token_fetched"]
    assert names[:3] == ["token_rejected", "refresh_failed", "breaker_opened"]
    assert names.count("refresh_failed") == names.count("refresh_recovered") == 1
    assert names.count("breaker_opened") == names.count("breaker_closed")
    assert names[-1] == "token_revoked"
    assert MARKER not in repr(room.events.query(limit=1000)) + repr(source) + repr(source.status())
    assert room.reported == []
