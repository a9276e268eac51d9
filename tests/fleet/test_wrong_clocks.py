"""A replica's clock may be ten minutes wrong, either way: tokens that name their end are used and renewed in time."""

from typing import Final

from tests.fakes import wrong_clock
from tests.fakes.fleet import Fleet, at, refused
from tests.fakes.load import Load
from tests.fakes.provider import Provider
from tests.fakes.redis import RedisServer

WRONG: Final = 600.0
"""Seconds."""
RATE: Final = 90.0
"""Requests per second."""
LIFETIME: Final = 10.0
SECONDS: Final = 12.0
SOONEST: Final = (LIFETIME - 2.0) * 0.8 * 0.9
"""Seconds after which a token is replaced at the earliest: `exp` and `Date` are whole seconds, and a token is replaced
at 80 % of its life, give or take a tenth of that."""


async def test_clocks_that_are_ten_minutes_off_fail_no_request_and_cause_no_storm(lasting: RedisServer) -> None:
    wrong_clock.needed()
    async with (
        Provider() as provider,
        Fleet(provider, store=at(lasting.url), size=1, credentials={"jwt": 3}) as fleet,
    ):
        for off in (WRONG, -WRONG):
            replica = await fleet.add(environment=wrong_clock.ahead(off))
            line = await replica.line_with("started")
            assert line["time"][:15] != (await fleet.replicas[0].line_with("started"))["time"][:15]
        provider.knobs.lifetime, provider.knobs.expiry_type = LIFETIME, "jwt"
        provider.knobs.members = {"expires_in": None}
        known = [fleet.credential("jwt") for _ in fleet.replicas]
        for name, first in zip(known, fleet.replicas, strict=True):
            assert refused([await fleet.ask(first, name), *await fleet.burst(name, callers=1)]) == [], fleet.story()
            assert provider.token_requests(name) == 1
        async with Load(fleet, known, rate=RATE) as load:
            await load.reach(SECONDS)
        assert load.failures == [], fleet.story()
        for name in known:
            assert set(provider.api_statuses(name)) == {200}
            assert 2 <= provider.token_requests(name) <= 1 + int(SECONDS / SOONEST), fleet.story()
