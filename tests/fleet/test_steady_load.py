"""Five hundred requests a second go on while Redis is killed and restarted: none fails, and few tokens are fetched."""

import asyncio
from typing import Final

from tests.fakes.fleet import Fleet, at
from tests.fakes.load import Load
from tests.fakes.provider import Provider
from tests.fakes.redis import RedisServer

REPLICAS: Final = 3
RATE: Final = 500.0
"""Requests per second."""
SECONDS: Final = 30.0
LIFETIME: Final = 6.0
"""Of a token, in seconds: several are renewed while Redis is away."""
EXPECTED: Final = ("store_failed",)

SOONEST: Final = LIFETIME * 0.8 * 0.9
"""Seconds after which a token is replaced at the earliest: at 80 % of its life, give or take a tenth of that."""
AWAY: Final = ((5.0, 10.0), (17.0, 22.0))
"""From when to when Redis is away, in seconds."""
NOTICED: Final = (12.5, 29.5)
"""By when each replica knows that it is back: the first time it hears so within 2 s; the second time, so soon after the
first, it believes in no sign of life, and asks at most 12.5 s after it lost Redis."""


def most_token_requests() -> int:
    """Return how many token requests are explained.

    The first one, and then one each SOONEST for the whole fleet. While Redis is away, or not known to be back, each
    replica renews for itself, once each SOONEST. When it is back, the newest token is everybody's.
    """
    alone = sum(int((noticed - begin) / SOONEST) + 1 for (begin, _), noticed in zip(AWAY, NOTICED, strict=True))
    return 1 + int(SECONDS / SOONEST) + (REPLICAS - 1) * alone


async def test_redis_may_be_killed_twice_under_load_with_its_data_and_without() -> None:
    with RedisServer("appendonly yes") as server:
        async with (
            Provider() as provider,
            Fleet(
                provider, store=at(server.url), size=REPLICAS, credentials={"http_request": 1}, expected_errors=EXPECTED
            ) as fleet,
        ):
            provider.knobs.lifetime = LIFETIME
            name = fleet.credential("http_request")
            async with Load(fleet, [name], rate=RATE) as load:
                for (begin, end), empty in zip(AWAY, (False, True), strict=True):
                    await load.reach(begin)
                    server.kill()
                    await load.reach(end)
                    await asyncio.to_thread(server.restart, empty=empty)
                await load.reach(SECONDS)
            assert load.failures == [], fleet.story()
            assert load.count >= RATE * SECONDS
            assert await fleet.metric("requests_total", route=name, code="200", source="upstream") == load.count
            assert int(SECONDS / LIFETIME) <= provider.token_requests(name) <= most_token_requests(), fleet.story()
            await fleet.store_is("up")
