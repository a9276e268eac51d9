"""A connection gives each question its own answer, or ends."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from proxy.core.secret import Secret
from proxy.stores.redis_faults import NOT_REDIS, GoneError, RefusedError
from proxy.stores.redis_url import Address
from proxy.stores.redis_wire import Dialing, Wire
from tests.fakes.redis import PASSWORD, USER, RedisServer
from tests.fakes.scripted_redis import ScriptedRedis, by_name
from tests.fakes.until import until

BULK = b"$6\r\nanswer\r\n"


@asynccontextmanager
async def wired(port: int, dialing: Dialing | None = None) -> AsyncIterator[Wire]:
    wire = Wire(Address("127.0.0.1", port), dialing or Dialing(3))
    try:
        await wire.open()
        yield wire
    finally:
        await wire.drop()


@pytest.mark.parametrize("protocol", [2, 3])
async def test_it_logs_in_and_chooses_its_database(server: RedisServer, protocol: int) -> None:
    server.do("ACL", "SETUSER", "visitor", "reset", "on", f">{PASSWORD}", "+@connection")
    dialing = Dialing(protocol, database=4, username="visitor", password=Secret(PASSWORD))
    async with wired(server.port, dialing) as wire:
        (info,) = await wire.ask(("CLIENT", "INFO"))
    assert b"user=visitor " in info
    assert b"db=4 " in info
    assert f"resp={protocol}".encode() in info


@pytest.mark.parametrize("protocol", [2, 3])
async def test_questions_are_answered_in_their_order(server: RedisServer, protocol: int) -> None:
    async with wired(server.port, Dialing(protocol)) as wire:
        answers = await wire.ask(("SET", "k", b"\x00\xff"), ("GET", "k"), ("GET", "none"), ("STRLEN", "k"))
    assert answers == [b"OK", b"\x00\xff", None, 2]


async def test_a_question_that_is_refused_leaves_the_others_their_answers(server: RedisServer) -> None:
    async with wired(server.port) as wire:
        first, refused, last = await wire.ask(("SET", "k", "v"), ("HGET", "k", "field"), ("GET", "k"))
        assert isinstance(refused, RefusedError)
        assert (first, refused.code, last) == (b"OK", "WRONGTYPE", b"v")


async def test_a_wrong_password_is_refused(server: RedisServer) -> None:
    with pytest.raises(RefusedError) as caught:
        async with wired(server.port, Dialing(3, username=USER, password=Secret("wrong"))):
            pass
    assert caught.value.code == "AUTH"


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"-LOADING Redis is loading\r\n", "LOADING"),
        (b"-READONLY You can't\r\n", "READONLY"),
        (b"-OOM command not allowed\r\n", "OOM"),
        (b"-MISCONF Redis is\r\n", "MISCONF"),
        (b"-MOVED 3999 127.0.0.1:6381\r\n", "MOVED"),
        (b"-ASK 3999 127.0.0.1:6381\r\n", "ASK"),
        (b"-CLUSTERDOWN The cluster is down\r\n", "CLUSTERDOWN"),
        (b"-NOAUTH Authentication required.\r\n", "AUTH"),
        (b"-NOPERM this user\r\n", "NOPERM"),
        (b"-ERR planted\r\n", "ERR"),
    ],
)
async def test_a_refusal_is_known_by_its_code(line: bytes, code: str) -> None:
    async with ScriptedRedis(by_name({b"GET": line})) as redis, wired(redis.port) as wire:
        try:
            (answer,) = await wire.ask(("GET", "k"))
        except RefusedError as error:  # the package ends the connection for some of them
            answer = error
        assert isinstance(answer, RefusedError)
        assert answer.code == code


@pytest.mark.parametrize("garbage", [b"HTTP/1.1 400 Bad Request\r\n", b"\x15\x03\x01\r\n", b":planted\r\n", b"$x\r\n"])
async def test_what_is_no_answer_of_a_redis_ends_the_connection(garbage: bytes) -> None:
    async with ScriptedRedis(by_name({b"GET": garbage})) as redis, wired(redis.port) as wire:
        with pytest.raises(GoneError, match=NOT_REDIS[:20]):
            await wire.ask(("GET", "k"))


async def test_a_server_that_hangs_up_is_gone() -> None:
    async with ScriptedRedis(by_name({b"GET": b""})) as redis, wired(redis.port) as wire:
        with pytest.raises(GoneError, match="ended the connection"):
            await wire.ask(("GET", "k"))


async def test_what_nobody_asked_for_is_nobodys_answer() -> None:
    async with ScriptedRedis(by_name({b"GET": BULK})) as redis, wired(redis.port) as wire:
        redis.say(b"$7\r\nplanted\r\n")
        await until(lambda: len(wire._connection._reader._buffer) > 0)
        await wire.open()
        assert await wire.ask(("GET", "k")) == [b"answer"]
        assert redis.accepted == 2


async def test_a_connection_that_ended_while_nobody_used_it_is_made_anew() -> None:
    async with ScriptedRedis(by_name({b"GET": BULK, b"QUIT": b""})) as redis, wired(redis.port) as wire:
        with pytest.raises(GoneError):
            await wire.ask(("QUIT",))
        await wire.open()
        assert await wire.ask(("GET", "k")) == [b"answer"]


async def test_a_question_that_is_given_up_ends_the_connection() -> None:
    async with ScriptedRedis(by_name({b"GET": None})) as redis, wired(redis.port) as wire:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await wire.ask(("GET", "k"))
        assert not wire._connection.is_connected


@pytest.mark.parametrize("protocol", [2, 3])
async def test_it_hears_what_is_published(server: RedisServer, protocol: int) -> None:
    async with wired(server.port, Dialing(protocol)) as wire:
        await wire.subscribe("countersign:news", "countersign:other")
        server.do("PUBLISH", "countersign:other", b"\x00\xff")
        server.do("PUBLISH", "countersign:news", b"")
        assert [await wire.hear(), await wire.hear()] == [
            (b"countersign:other", b"\x00\xff"),
            (b"countersign:news", b""),
        ]


async def test_what_may_not_be_heard_is_refused(server: RedisServer) -> None:
    async with wired(server.port, Dialing(3, username=USER, password=Secret(PASSWORD))) as wire:
        with pytest.raises(RefusedError) as caught:
            await wire.subscribe("other:news")
        assert caught.value.code == "NOPERM"


async def test_a_connection_shows_where_it_leads_and_no_password() -> None:
    wire = Wire(Address("127.0.0.1", 6379), Dialing(3, username="u", password=Secret("planted")))
    assert repr(wire) == "<Wire to 127.0.0.1:6379>"
    assert "planted" not in repr(wire._connection)
