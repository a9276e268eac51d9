"""A server's connections are used again, and none that failed is."""

import asyncio

import pytest

from proxy.stores.redis_faults import GoneError
from proxy.stores.redis_server import Server
from proxy.stores.redis_url import Address
from proxy.stores.redis_wire import Dialing
from tests.fakes.redis import RedisServer
from tests.fakes.scripted_redis import ScriptedRedis, by_name
from tests.fakes.until import until


def server_at(port: int) -> Server:
    return Server(Address("127.0.0.1", port), Dialing(3))


async def test_one_question_after_the_other_uses_one_connection(own_server: RedisServer) -> None:
    server = server_at(own_server.port)
    for _ in range(10):
        assert await server.ask(("PING",)) == [b"PONG"]
    assert own_server.connections() == 1
    assert repr(server) == f"<Server 127.0.0.1:{own_server.port}, 1 idle>"
    await server.drop()
    await until(lambda: own_server.connections() == 0)


async def test_questions_at_once_use_a_connection_each_and_leave_them_for_others(own_server: RedisServer) -> None:
    server = server_at(own_server.port)
    answers = await asyncio.gather(*(server.ask(("ECHO", str(number))) for number in range(10)))
    assert answers == [[str(number).encode()] for number in range(10)]
    assert own_server.connections() == 10
    await asyncio.gather(*(server.ask(("PING",)) for _ in range(10)))
    assert own_server.connections() == 10
    await server.drop()


async def test_a_connection_that_failed_is_not_used_again() -> None:
    async with ScriptedRedis(by_name({b"PING": b"+PONG\r\n", b"QUIT": b""})) as redis:
        server = server_at(redis.port)
        with pytest.raises(GoneError):
            await server.ask(("QUIT",))
        assert repr(server) == f"<Server 127.0.0.1:{redis.port}, 0 idle>"
        assert await server.ask(("PING",)) == [b"PONG"]
        await server.drop()


async def test_a_connection_of_ones_own_is_nobody_elses(own_server: RedisServer) -> None:
    server = server_at(own_server.port)
    wire = await server.call()
    assert await wire.ask(("SELECT", 3)) == [b"OK"]
    (info,) = await server.ask(("CLIENT", "INFO"))
    assert b" db=0 " in info
    await wire.drop()
    await server.drop()


async def test_a_connection_of_ones_own_that_cannot_be_had_is_an_error() -> None:
    with pytest.raises(GoneError, match="refuses the connection"):
        await server_at(1).call()
