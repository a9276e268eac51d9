"""The ear hears the fleet again after whatever happened."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast

import pytest

from proxy.net.runtime import Runtime
from proxy.stores import redis_news
from proxy.stores.base import Change, News, StoreError
from proxy.stores.redis import Redis
from proxy.stores.redis_link import Link
from proxy.stores.redis_message import written
from proxy.stores.redis_news import LONGEST_PAUSE, Ear
from proxy.stores.redis_scripts import Keys
from tests.compliance.stores import KEY, record
from tests.fakes.clock import FakeClock
from tests.fakes.redis import RedisServer
from tests.fakes.scripted_redis import Forwarder
from tests.fakes.until import until
from tests.stores.conftest import Opener


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_news, "SILENCE", 0.5)
    monkeypatch.setattr(redis_news, "ECHO_EVERY", 0.1)


def listening(store: Redis) -> list[News]:
    heard: list[News] = []
    store.listen(heard.append)
    return heard


def missed(heard: list[News]) -> int:
    return sum(news.change is Change.MISSED for news in heard)


def saved(heard: list[News], data: bytes) -> bool:
    return any(news.record is not None and news.record.data == data for news in heard)


async def hears_again(store: Redis, heard: list[News], data: bytes) -> None:
    """Save, and save again, until that is heard: Redis may be away, and nobody hears what was said before."""
    order = 1_000
    async with asyncio.timeout(15):
        while not saved(heard, data):
            with suppress(StoreError):
                await store.save(KEY, record(order, data))
            order += 1
            await asyncio.sleep(0.02)


async def test_who_begins_to_listen_is_told_to_look(opened: Opener, server: RedisServer) -> None:
    heard = listening(opened(server.url))
    await until(lambda: heard)
    assert heard == [News(Change.MISSED)]


@pytest.mark.parametrize(
    "happens",
    [
        lambda server: server.do("CLIENT", "KILL", "TYPE", "pubsub"),
        lambda server: server.restart(empty=True),
    ],
)
@pytest.mark.parametrize("protocol", [2, 3])
async def test_after_a_lost_connection_it_hears_again_and_says_that_it_may_have_missed_something(
    opened: Opener, own_server: RedisServer, happens: Callable[[RedisServer], Any], protocol: int
) -> None:
    store = opened(own_server.url, protocol=protocol)
    heard = listening(store)
    await hears_again(store, heard, b"before")
    happens(own_server)
    await until(lambda: missed(heard) == 2)
    await hears_again(store, heard, b"after")
    assert missed(heard) == 2


async def test_a_server_that_comes_up_later_is_heard(opened: Opener, own_server: RedisServer) -> None:
    own_server.kill()
    store = opened(own_server.url)
    heard = listening(store)
    await asyncio.sleep(0)
    own_server.start()
    await hears_again(store, heard, b"at last")
    assert missed(heard) == 1


@pytest.mark.usefixtures("_impatient")
async def test_a_line_that_went_dead_is_noticed_without_a_word_from_the_other_end(
    opened: Opener, own_server: RedisServer
) -> None:
    async with Forwarder(own_server.port) as line:
        store = opened(line.url)
        heard = listening(store)
        await hears_again(store, heard, b"before")
        line.go_dead()
        await until(lambda: missed(heard) == 2)
        await hears_again(store, heard, b"after")
        assert line.accepted > 2
        await store.close()


@pytest.mark.usefixtures("_impatient")
async def test_a_server_that_hung_is_heard_again(opened: Opener, own_server: RedisServer) -> None:
    store = opened(own_server.url)
    heard = listening(store)
    await hears_again(store, heard, b"before")
    with own_server.paused():
        await asyncio.sleep(0.6)
    await until(lambda: missed(heard) == 2)
    await hears_again(store, heard, b"after")
    assert saved(heard, b"after")


@pytest.mark.usefixtures("_impatient")
async def test_what_was_said_while_the_process_was_held_up_is_looked_up_and_not_taken_for_new(
    opened: Opener, server: RedisServer
) -> None:
    store = opened(server.url)
    heard = listening(store)
    await hears_again(store, heard, b"before")
    server.do("PUBLISH", "countersign:news", written(Change.SAVED, KEY, record(2_000), 60_000) + b"late")
    time.sleep(0.6)  # noqa: ASYNC251 - the loop is held up on purpose
    await until(lambda: missed(heard) == 2)
    await hears_again(store, heard, b"after")
    assert not saved(heard, b"late")


@pytest.mark.usefixtures("_impatient")
async def test_silence_of_the_fleet_is_not_taken_for_deafness(opened: Opener, server: RedisServer) -> None:
    store = opened(server.url)
    heard = listening(store)
    await hears_again(store, heard, b"before")
    await asyncio.sleep(1.2)
    assert missed(heard) == 1


@pytest.mark.parametrize("protocol", [2, 3])
async def test_what_is_no_news_is_not_told(opened: Opener, server: RedisServer, protocol: int) -> None:
    store = opened(server.url, protocol=protocol)
    heard = listening(store)
    await hears_again(store, heard, b"before")
    count = len(heard)
    for message in (b"", b"planted", b"\x01S", bytes(300), written(Change.SAVED, KEY, record(2**53))):
        assert server.do("PUBLISH", "countersign:news", message) == 1
    await hears_again(store, heard, b"after")
    assert {news.change for news in heard[count:]} == {Change.SAVED}
    assert missed(heard) == 1


async def test_a_listener_that_fails_stops_neither_the_ear_nor_the_others(opened: Opener, server: RedisServer) -> None:
    failures: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: failures.append(context["exception"]))

    def fail(news: News) -> None:
        raise RuntimeError(news.change.value)

    store = opened(server.url)
    store.listen(fail)
    heard = listening(store)
    await hears_again(store, heard, b"after")
    assert {type(failure) for failure in failures} == {RuntimeError}


async def test_two_stores_hear_each_other_within_moments(opened: Opener, server: RedisServer) -> None:
    one, other = opened(server.url), opened(server.url)
    heard = listening(other)
    await hears_again(one, heard, b"hello")
    start = asyncio.get_running_loop().time()
    await one.save("token/other/1", record(1, b"news"))
    await until(lambda: saved(heard, b"news"))
    assert asyncio.get_running_loop().time() - start < 0.5


async def test_two_prefixes_hear_nothing_of_each_other(opened: Opener, server: RedisServer) -> None:
    one, other = opened(server.url, prefix="one"), opened(server.url, prefix="other")
    heard, heard_by_other = listening(one), listening(other)
    await hears_again(other, heard_by_other, b"theirs")
    await hears_again(one, heard, b"ours")
    await hears_again(other, heard_by_other, b"theirs too")
    assert not saved(heard, b"theirs too")
    assert not saved(heard_by_other, b"ours")
    keys = one.keys()
    assert [key async for key in keys] == [KEY]


class DeafLink:
    """A link over which nothing is heard: counts how often that was tried."""

    def __init__(self) -> None:
        self.tries = 0

    def listener(self) -> Any:
        self.tries += 1
        raise OSError("nobody there")


async def test_the_pauses_between_tries_grow_and_are_bounded() -> None:
    clock, link = FakeClock(), DeafLink()
    runtime = Runtime(clock, lambda name, error: None)
    ear = Ear(runtime, cast("Link", link), Keys("countersign"))
    await clock.settle()
    assert link.tries == 1
    await clock.advance(seconds=0.5)
    assert 3 <= link.tries <= 6
    before = link.tries
    await clock.advance(seconds=100)
    assert 100 / LONGEST_PAUSE - 1 <= link.tries - before <= 2 * 100 / LONGEST_PAUSE + 3
    await ear.close()
    assert runtime.tasks == 0


async def test_a_closed_ear_leaves_nothing_behind(opened: Opener, own_server: RedisServer) -> None:
    store = opened(own_server.url)
    heard = listening(store)
    await hears_again(store, heard, b"before")
    assert own_server.connections() >= 2
    await store.close()
    assert opened.runtime.tasks == 0
    await until(lambda: own_server.connections() == 0)
