"""A question to Redis is answered in its time, or is an error that says what to do, whatever the server does."""

import asyncio
import time
from collections.abc import Awaitable
from typing import Any

import pytest

from proxy.stores import redis_link
from proxy.stores.base import Store, StoreBusyError, StoreError, StoreTimeoutError
from proxy.stores.redis_link import LATE, MOST_STEPS, STEPS, _patiently
from tests.compliance.stores import KEY, OTHER_KEY, contents, record
from tests.fakes.redis import USER, RedisServer
from tests.fakes.scripted_redis import Forwarder, ScriptedRedis, by_name
from tests.fakes.until import until
from tests.stores.conftest import Opener

TIMEOUT = 0.25
SLACK = 0.5
"""Seconds by which a busy machine may be late."""


async def timed(question: Awaitable[Any]) -> tuple[float, str]:
    """Return how long the question took, and what it failed with."""
    start = time.monotonic()
    with pytest.raises(StoreError) as caught:
        await question
    return time.monotonic() - start, str(caught.value)


def numbered(count: int) -> list[str]:
    return [f"token/many/{number}" for number in range(count)]


# A server that is not there


async def test_a_dead_server_costs_nothing_and_is_there_again_when_it_is_back(
    opened: Opener, own_server: RedisServer
) -> None:
    store = opened(own_server.url, timeout="2s")
    await store.save(KEY, record())
    own_server.kill()
    took, said = await timed(store.load(KEY))
    assert took < 0.1 + SLACK
    assert said == f"Redis at 127.0.0.1:{own_server.port} refuses the connection; start it, or correct store.url"
    own_server.start()
    await store.save(KEY, record(2, b"after"))
    assert await contents(store) == (2, b"after")


async def test_a_server_that_was_never_there_is_an_error_at_once(opened: Opener, own_server: RedisServer) -> None:
    own_server.kill()
    took, said = await timed(opened(own_server.url).save(KEY, record()))
    assert took < 0.1 + SLACK
    assert "refuses the connection" in said


async def test_a_socket_that_is_not_there_is_named(opened: Opener, own_server: RedisServer) -> None:
    own_server.kill()
    own_server.socket.unlink(missing_ok=True)
    _, said = await timed(opened(f"unix://{own_server.socket}").load(KEY))
    assert f"Redis at {own_server.socket} is not there: the socket does not exist" in said


async def test_a_name_that_cannot_be_resolved_is_told(opened: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    async def unknown(*_: Any, **__: Any) -> Any:
        raise OSError("planted")

    monkeypatch.setattr(asyncio, "open_connection", unknown)
    _, said = await timed(opened("redis://redis.example").load(KEY))
    assert said == "Redis at redis.example:6379 ended the connection"


async def test_a_name_that_takes_for_ever_to_resolve_is_bounded_too(
    opened: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hang(*_: Any, **__: Any) -> Any:
        await asyncio.get_running_loop().create_future()

    monkeypatch.setattr(asyncio, "open_connection", hang)
    took, said = await timed(opened("redis://redis.example").load(KEY))
    assert TIMEOUT * 0.9 <= took < TIMEOUT + SLACK
    assert "does not answer within 250ms" in said


# A server that hangs


async def test_a_server_that_hangs_costs_each_question_its_time_and_no_more(
    opened: Opener, own_server: RedisServer
) -> None:
    store = opened(own_server.url)
    await store.save(KEY, record())
    with own_server.paused():
        questions = [timed(store.load(KEY)) for _ in range(50)]
        told = await asyncio.gather(*questions)
    assert max(took for took, _ in told) < TIMEOUT + SLACK
    assert {said.partition(";")[0] for _, said in told} <= {
        f"Redis at 127.0.0.1:{own_server.port} does not answer within 250ms (store.timeout)",
        f"Redis at 127.0.0.1:{own_server.port} has been asked 16 questions and not answered them yet",
    }
    assert await contents(store) == (1, record().data)


async def test_a_server_that_does_not_answer_is_told_apart_from_one_that_refuses(
    opened: Opener, own_server: RedisServer
) -> None:
    store = opened(own_server.url, timeout="50ms")
    with own_server.paused(), pytest.raises(StoreTimeoutError):
        await store.ping()


async def test_a_question_that_gets_its_turn_at_once_costs_its_time_and_nothing_on_top(
    opened: Opener, own_server: RedisServer
) -> None:
    store = opened(own_server.url)
    shortest = float("inf")
    for _ in range(3):  # for a busy machine may be late once
        await store.save(KEY, record())
        with own_server.paused():
            shortest = min(shortest, (await timed(store.load(KEY)))[0])
    assert TIMEOUT * 0.9 <= shortest < TIMEOUT + 0.08


async def test_answers_that_come_too_late_are_given_to_nobody(opened: Opener, own_server: RedisServer) -> None:
    store = opened(own_server.url, connections=4, timeout="1s")
    keys = numbered(40)
    for key in keys:
        await store.save(key, record(data=key.encode()))
    with own_server.paused():
        await asyncio.gather(*(store.load(key) for key in keys), return_exceptions=True)
    loaded = await asyncio.gather(*(store.load(key) for key in keys))
    assert [found.data.decode() for found in loaded if found is not None] == keys


async def test_a_line_that_went_dead_is_left_after_one_question(opened: Opener, own_server: RedisServer) -> None:
    async with Forwarder(own_server.port) as line:
        store = opened(line.url)
        await asyncio.gather(*(store.save(key, record()) for key in numbered(16)))
        assert line.accepted > 1
        line.go_dead()
        took, _ = await timed(store.load(KEY))
        assert took < TIMEOUT + SLACK
        await store.save(KEY, record())
        assert await contents(store) == (1, record().data)
        await store.close()


# A connection that dies


async def test_a_connection_that_was_killed_is_replaced_without_an_error(opened: Opener, server: RedisServer) -> None:
    store = opened(server.url)
    await store.save(KEY, record())
    for _ in range(20):
        server.do("CLIENT", "KILL", "TYPE", "normal")
        assert await contents(store) == (1, record().data)


async def test_a_connection_that_dies_under_a_question_is_replaced_once(opened: Opener) -> None:
    async with ScriptedRedis(by_name({b"EVALSHA": b""})) as redis:
        _, said = await timed(opened(redis.url).load(KEY))
        assert said == f"Redis at 127.0.0.1:{redis.port} ended the connection"
        assert [command[0] for command in redis.commands].count(b"EVALSHA") == 2


async def test_a_question_that_may_have_been_carried_out_is_asked_again_in_the_same_words(opened: Opener) -> None:
    answers = iter([b"", b"_\r\n"])
    async with ScriptedRedis(lambda command: next(answers)) as redis:
        saved = await opened(redis.url).save(KEY, record(5))
        first, second = (command for command in redis.commands if command[0] == b"EVALSHA")
        assert saved.order == 5
        assert first == second


async def test_a_caller_who_leaves_takes_no_connection_along(opened: Opener, own_server: RedisServer) -> None:
    store = opened(own_server.url, connections=2)
    keys = numbered(20)
    for key in keys:
        await store.save(key, record(data=key.encode()))
    own_server.pause()
    callers = [asyncio.create_task(store.load(key)) for key in keys for _ in range(5)]
    await asyncio.sleep(0)
    for caller in callers:
        caller.cancel()
    await asyncio.gather(*callers, return_exceptions=True)
    own_server.resume()
    loaded = await asyncio.gather(*(store.load(key) for key in keys))
    assert [found.data.decode() for found in loaded if found is not None] == keys
    assert own_server.connections() <= 2


async def test_what_nobody_asked_for_is_nobodys_answer(opened: Opener) -> None:
    async with ScriptedRedis(by_name({b"EVALSHA": b"_\r\n"})) as redis:
        store = opened(redis.url)
        assert await store.load(KEY) is None
        redis.say(b"$7\r\nplanted\r\n")
        await asyncio.sleep(0.05)
        assert await store.load(KEY) is None
        assert redis.accepted == 2


async def test_a_question_that_is_given_up_comes_to_its_end(opened: Opener, own_server: RedisServer) -> None:
    store = opened(own_server.url, timeout="100ms")
    await store.save(KEY, record())
    with own_server.paused():
        with pytest.raises(StoreTimeoutError):
            await store.load(KEY)
        await until(lambda: opened.runtime.tasks == 0)


# A process that is held up


async def test_what_arrived_while_the_process_was_held_up_is_heard(opened: Opener) -> None:
    def slowly(command: list[bytes]) -> bytes:
        if command[0] == b"EVALSHA":
            time.sleep(2 * TIMEOUT)  # that the loop stands still is what this is about
            return b"_\r\n"
        return b"-ERR planted\r\n"

    async with ScriptedRedis(slowly) as redis:
        assert await opened(redis.url).load(KEY) is None


async def test_a_process_that_is_always_late_does_not_wait_for_ever() -> None:
    async def hold_up() -> None:
        while True:
            time.sleep(0.1 / STEPS * (1 + 2 * LATE))  # noqa: ASYNC251 - the same
            await asyncio.sleep(0)

    began = time.monotonic()
    burden, never = asyncio.ensure_future(hold_up()), asyncio.ensure_future(asyncio.Event().wait())
    await _patiently(never, 0.1)
    assert not never.done()
    burden.cancel()
    never.cancel()
    assert 0.1 < time.monotonic() - began < 2 * MOST_STEPS * 0.1 + SLACK


async def test_a_caller_who_leaves_costs_the_others_nothing(opened: Opener, own_server: RedisServer) -> None:
    async with Forwarder(own_server.port) as line:
        store = opened(line.url)
        await store.save(KEY, record())
        caller = asyncio.create_task(store.load(KEY))
        await asyncio.sleep(0)
        await asyncio.sleep(0)  # the question has begun
        assert opened.runtime.tasks == 1
        caller.cancel()
        await asyncio.wait([caller])
        await until(lambda: opened.runtime.tasks == 0)
        assert await contents(store) == (1, record().data)
        assert line.accepted == 1
        await store.close()


async def test_a_question_whose_caller_left_comes_to_its_end_too(opened: Opener, own_server: RedisServer) -> None:
    store = opened(own_server.url, timeout="100ms")
    await store.save(KEY, record())
    with own_server.paused():
        caller = asyncio.create_task(store.load(KEY))
        await asyncio.sleep(0.02)
        caller.cancel()
        await until(lambda: opened.runtime.tasks == 0)
    assert caller.cancelled()


# A server that refuses


async def test_a_server_that_became_a_replica_says_so_until_it_is_none(opened: Opener, own_server: RedisServer) -> None:
    store = opened(own_server.url)
    await store.save(KEY, record())
    own_server.do("REPLICAOF", "127.0.0.1", 1)
    for question in (store.save(KEY, record(2)), store.acquire(KEY), store.ping(), store.drop(KEY, 1)):
        _, said = await timed(question)
        assert "is a read-only replica" in said
    own_server.do("REPLICAOF", "NO", "ONE")
    assert (await store.save(KEY, record(2))).order == 2


async def test_a_name_that_leads_to_another_server_now_is_followed_within_the_question(
    opened: Opener, own_server: RedisServer
) -> None:
    with RedisServer() as successor:
        async with Forwarder(own_server.port) as line:
            store = opened(line.url)
            await store.save(KEY, record())
            own_server.do("REPLICAOF", "127.0.0.1", successor.port)
            line.target = successor.port
            assert (await store.save(KEY, record(2))).order == 2
            assert successor.do("EXISTS", f"countersign:{{{KEY}}}:record") == 1
            await store.close()


async def test_a_full_server_refuses_what_is_new_and_gives_what_it_has(opened: Opener, own_server: RedisServer) -> None:
    store = opened(own_server.url)
    await store.save(KEY, record())
    own_server.do("CONFIG", "SET", "maxmemory", 1)
    for question in (store.save(KEY, record(2)), store.acquire(OTHER_KEY), store.ping()):
        _, said = await timed(question)
        assert "is full; raise its maxmemory" in said
    assert await contents(store) == (1, record().data)
    await store.drop(KEY, 1)
    own_server.do("CONFIG", "SET", "maxmemory", 0)
    assert (await store.save(KEY, record(2))).order == 2


async def test_a_server_that_throws_records_away_has_none_and_no_error(opened: Opener, own_server: RedisServer) -> None:
    store = opened(own_server.url, timeout="2s")
    own_server.do("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    used = int(own_server.do("INFO", "memory")["used_memory"])
    own_server.do("CONFIG", "SET", "maxmemory", used + 3_000_000)
    keys = numbered(400)
    for key in keys:
        await store.save(key, record(data=bytes(20_000)))
    loaded = await asyncio.gather(*(store.load(key) for key in keys))
    assert 0 < sum(found is None for found in loaded) < 400


async def test_a_wrong_password_is_told_and_not_shown(opened: Opener, server: RedisServer) -> None:
    url = f"redis://{USER}:planted@127.0.0.1:{server.port}"
    _, said = await timed(opened(url).load(KEY))
    assert "does not accept the user name or password; correct store.username" in said
    assert "planted" not in said


async def test_a_password_that_is_missing_is_told(opened: Opener, own_server: RedisServer) -> None:
    own_server.do("CONFIG", "SET", "requirepass", "planted")
    for protocol in (2, 3):
        _, said = await timed(opened(own_server.url, protocol=protocol).load(KEY))
        assert "does not accept the user name or password" in said


@pytest.mark.parametrize(
    ("lesser", "says"),
    [
        ("-evalsha", "call EVALSHA"),
        ("-hset", "call what our scripts call"),
        ("-publish", "call what our scripts call"),
        ("resetkeys", "use our keys or channels"),
    ],
)
async def test_a_right_that_is_missing_is_told(opened: Opener, server: RedisServer, lesser: str, says: str) -> None:
    server.do("ACL", "SETUSER", "lesser", "reset", "on", ">pass", "allkeys", "allchannels", "+@all", lesser)
    _, said = await timed(opened(f"redis://lesser:pass@127.0.0.1:{server.port}").save(KEY, record()))
    assert says in said or "call HSET" in said or "call PUBLISH" in said  # newer servers name the command


async def test_a_server_that_is_loading_says_so(opened: Opener) -> None:
    async with ScriptedRedis(by_name({b"EVALSHA": b"-LOADING Redis is loading the dataset in memory\r\n"})) as redis:
        _, said = await timed(opened(redis.url).load(KEY))
        assert "is still loading its data" in said


async def test_a_member_of_a_cluster_says_how_to_write_the_url(opened: Opener) -> None:
    async with ScriptedRedis(by_name({b"EVALSHA": b"-MOVED 3999 127.0.0.1:1\r\n"})) as redis:
        _, said = await timed(opened(redis.url).load(KEY))
        assert "write store.url as redis+cluster://" in said


@pytest.mark.parametrize("garbage", [b"HTTP/1.1 400 Bad Request\r\n", b"\x15\x03\x01\r\n", b":planted\r\n", b"$x\r\n"])
async def test_what_is_no_redis_is_told(opened: Opener, garbage: bytes) -> None:
    async with ScriptedRedis(by_name({b"EVALSHA": garbage})) as redis:
        _, said = await timed(opened(redis.url).load(KEY))
        assert "answers, but not as a Redis does" in said


async def test_a_server_that_forgot_the_scripts_is_sent_them_again(opened: Opener, server: RedisServer) -> None:
    store = opened(server.url)
    await store.save(KEY, record())
    server.do("SCRIPT", "FLUSH")
    assert await contents(store) == (1, record().data)


# Many at once


async def test_many_questions_at_once_take_turns_on_few_connections(opened: Opener, own_server: RedisServer) -> None:
    store = opened(own_server.url, timeout="1s")
    await store.save(KEY, record())
    loaded = await asyncio.gather(*(store.load(KEY) for _ in range(500)))
    assert all(loaded)
    assert own_server.connections() <= 16


async def test_a_question_waits_longer_than_its_time_for_its_turn_while_others_are_answered(
    opened: Opener, server: RedisServer
) -> None:
    store = opened(server.url, connections=2)
    slowly = ("WAIT", 1, 100)  # there is no replica, so that it lasts
    asked = [store._link.ask("name", ("PING",), slowly) for _ in range(16)]
    began = time.monotonic()
    assert len(await asyncio.gather(*asked)) == 16
    assert time.monotonic() - began > 2 * TIMEOUT


async def test_a_turn_that_does_not_come_is_told_apart_from_a_server_that_does_not_answer(
    opened: Opener, server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_link, "PATIENCE", 0.01)
    store = opened(server.url, connections=1)
    first = asyncio.create_task(store._link.ask("name", ("PING",), ("WAIT", 1, 100)))
    await asyncio.sleep(0)
    with pytest.raises(StoreBusyError, match="has been asked 1 questions and not answered them yet"):
        await store.acquire(KEY)
    await first
    assert opened.runtime.tasks == 0  # nothing that would free a lock which was never asked for


async def test_a_closed_store_asks_nobody(opened: Opener, server: RedisServer) -> None:
    store = opened(server.url)
    await store.save(KEY, record())
    await store.close()
    await store.close()
    _, said = await timed(store.load(KEY))
    assert "closed" in said


async def test_closing_lets_what_is_under_way_come_to_its_end(opened: Opener, server: RedisServer) -> None:
    store: Store = opened(server.url)
    saving = [asyncio.create_task(store.save(key, record())) for key in numbered(40)]
    await asyncio.sleep(0)
    await store.close()
    assert len(await asyncio.gather(*saving)) == 40
