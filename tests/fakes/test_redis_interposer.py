"""Through the interposer Redis says what it says without it, and a command can be ended before it or after it."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as Gone
from redis.exceptions import ResponseError

from proxy.stores.redis_scripts import LOAD
from tests.fakes.points import Points
from tests.fakes.redis import RedisServer
from tests.fakes.redis_interposer import Interposer


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture
async def between(server: RedisServer) -> AsyncIterator[Interposer]:
    server.do("FLUSHALL")
    async with Interposer(server.port, Points()) as between:
        yield between


@pytest.fixture(params=[2, 3])
async def client(request: pytest.FixtureRequest, between: Interposer) -> AsyncIterator[Any]:
    client = Redis.from_url(between.url, protocol=request.param, retry=Retry(NoBackoff(), 0))
    yield client
    await client.aclose()


async def nothing() -> None:
    """Do nothing."""


async def test_answers_of_every_kind_pass_unchanged(client: Any) -> None:
    assert await client.set("a", b"\r\n\x00")
    assert await client.get("a") == b"\r\n\x00"
    assert await client.get("b") is None
    assert await client.incr("c") == 1
    with pytest.raises(ResponseError, match="not an integer"):
        await client.incr("a")
    nested = "return {1, 'two', {3, {false}}, redis.status_reply('four'), {}}"
    assert await client.eval(nested, 0) == [1, b"two", [3, [None]], b"four", []]
    await client.hset("d", mapping={"x": "y"})
    assert await client.hgetall("d") == {b"x": b"y"}
    assert (await client.info("server"))["redis_mode"] == "standalone"


async def test_commands_that_are_sent_at_once_are_points_each(client: Any, between: Interposer) -> None:
    await client.ping()
    between.points.watch()
    async with client.pipeline(transaction=False) as pipeline:
        answers = await pipeline.set("a", 1).incrby("a", 1).get("a").execute()
    assert answers == [True, 2, b"2"]
    words = ("set", "incrby", "get")
    assert between.points.seen == [f"{moment} {word}" for word in words for moment in ("before", "after")]


async def test_our_scripts_are_called_by_their_names(client: Any, between: Interposer) -> None:
    await client.ping()
    between.points.watch()
    await client.execute_command(*LOAD.whole(LOAD.call("a")))
    await client.execute_command(*LOAD.call("a"))
    assert between.points.seen == ["before load", "after load", "before load 2", "after load 2"]


async def test_what_is_published_is_heard(client: Any, server: RedisServer, between: Interposer) -> None:
    async with client.pubsub() as ear:
        await ear.subscribe("news")
        await ear.get_message(timeout=5)
        await client.publish("news", b"it rains")
        heard = await ear.get_message(timeout=5)
    assert heard is not None
    assert heard["data"] == b"it rains"
    assert between.echoes == 1


async def test_a_process_that_ends_before_a_command_never_sent_it(
    client: Any, server: RedisServer, between: Interposer
) -> None:
    await client.ping()
    between.points.at("before set", nothing, is_the_end=True)
    between.points.watch()
    with pytest.raises(Gone):
        await client.set("a", 1)
    assert server.do("GET", "a") is None


async def test_a_process_that_ends_after_a_command_never_heard_the_answer_and_it_was_carried_out(
    client: Any, server: RedisServer, between: Interposer
) -> None:
    await client.ping()
    between.points.at("after set", nothing, is_the_end=True)
    between.points.watch()
    with pytest.raises(Gone):
        await client.set("a", 1)
    assert server.do("GET", "a") == b"1"
