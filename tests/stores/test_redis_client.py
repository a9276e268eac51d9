"""The master is asked, whoever that is, and sentinels that hang or do not know are no hindrance."""

import asyncio
import time
from typing import Any

import pytest

from proxy.core.secret import Secret
from proxy.stores import redis
from proxy.stores.base import Change, News, Record, StoreError
from proxy.stores.redis_client import Login
from tests.compliance.stores import KEY, contents, record
from tests.fakes.redis import PASSWORD, SERVICE, USER, Certificates, RedisSentinel, RedisServer, wait_until
from tests.fakes.scripted_redis import ScriptedRedis, by_name
from tests.stores.conftest import Opener

HANGS = {b"SENTINEL": None}
KNOWS_NOTHING = {b"SENTINEL": b"*0\r\n"}


def sentinel_url(*ports: int) -> str:
    return f"redis+sentinel://{','.join(f'127.0.0.1:{port}' for port in ports)}/{SERVICE}"


async def saved_in_the_end(store: Any, data: bytes) -> float:
    """Save until that succeeds, and return how long it took; each try is bounded."""
    start, order = time.monotonic(), int(time.time() * 1000)
    async with asyncio.timeout(15):
        while True:
            try:
                await store.save(KEY, record(order, data))
            except StoreError:
                await asyncio.sleep(0.02)
            else:
                return time.monotonic() - start


@pytest.mark.parametrize("protocol", [2, 3])
async def test_it_logs_in_and_chooses_its_database(opened: Opener, server: RedisServer, protocol: int) -> None:
    server.do("CLIENT", "KILL", "TYPE", "normal")
    store = opened(f"redis://127.0.0.1:{server.port}/4", username=USER, password=PASSWORD, protocol=protocol)
    await store.save(KEY, record())
    (client,) = [line for line in server.do("CLIENT", "LIST").decode().splitlines() if f" user={USER} " in line]
    assert " db=4 " in client
    assert f" resp={protocol}" in client or "resp=" not in client
    assert "lib-name=" not in client or "lib-name= " in client


def test_who_we_are_shows_no_password() -> None:
    assert "planted" not in repr(Login(0.25, 16, 3, None, "user", Secret("planted")))


async def test_a_failover_is_followed(opened: Opener, sentinel: RedisSentinel) -> None:
    store = opened(sentinel.url)
    heard: list[News] = []
    store.listen(heard.append)
    await store.save(KEY, record(1, b"before"))
    before = sentinel.master
    await asyncio.to_thread(sentinel.failover)
    await saved_in_the_end(store, b"after")
    assert sentinel.master is not before
    assert sentinel.master.do("HGET", f"countersign:{{{KEY}}}:record", "data") == b"after"
    async with asyncio.timeout(15):
        while not any(news.record is not None and news.record.data == b"news" for news in heard):
            await saved_in_the_end(store, b"news")
            await asyncio.sleep(0.05)
    assert sum(news.change is Change.MISSED for news in heard) >= 2
    await asyncio.to_thread(sentinel.settle)


async def test_a_master_that_dies_is_replaced_by_its_replica(opened: Opener, sentinel: RedisSentinel) -> None:
    store = opened(sentinel.url)
    saved = await store.save(KEY, record(1, b"cannot be had again"))
    assert saved.order == 1
    await asyncio.to_thread(sentinel.settle)
    before = sentinel.master
    before.kill()
    try:
        took = await saved_in_the_end(store, b"after")
        assert took < 10
        await asyncio.to_thread(wait_until, lambda: sentinel.master is not before)
    finally:
        before.start()
        await asyncio.to_thread(sentinel.settle)


async def test_what_cannot_be_had_again_is_on_the_replica_when_it_is_saved(
    opened: Opener, sentinel: RedisSentinel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis, "REPLICA_PATIENCE", 5_000)
    store = opened(sentinel.url, timeout="10s")
    await asyncio.to_thread(sentinel.settle)
    for order in range(1, 20):
        data = b"%d" % order
        await store.save(KEY, Record(order, data, 300.0, durable=True))
        assert sentinel.replica.do("HGET", f"countersign:{{{KEY}}}:record", "data") == data


async def test_a_replica_that_hangs_delays_what_cannot_be_had_again_and_is_no_error(
    opened: Opener, sentinel: RedisSentinel
) -> None:
    store = opened(sentinel.url, timeout="1s")
    lasting = Record(1, b"data", 300.0, durable=True)
    await store.save("token/other/1", lasting)
    with sentinel.replica.paused():
        start = time.monotonic()
        await store.save(KEY, lasting)
        took = time.monotonic() - start
    assert 0.09 < took < 1.0
    await asyncio.to_thread(sentinel.settle)


async def test_sentinels_that_hang_or_do_not_know_are_passed_over(opened: Opener, sentinel: RedisSentinel) -> None:
    async with ScriptedRedis(by_name(HANGS)) as hangs, ScriptedRedis(by_name(KNOWS_NOTHING)) as new:
        store = opened(sentinel_url(hangs.port, new.port, sentinel.sentinels[0].port), timeout="400ms")
        start = time.monotonic()
        await store.save(KEY, record())
        assert time.monotonic() - start < 0.4
        await store.close()


async def test_sentinels_that_know_no_such_service_say_so(opened: Opener, sentinel: RedisSentinel) -> None:
    with pytest.raises(StoreError) as caught:
        await opened(sentinel.url.replace(SERVICE, "other")).load(KEY)
    assert "master 'other'" in str(caught.value)
    assert "is not known to the sentinels as 'other'; correct store.url" in str(caught.value)


async def test_sentinels_that_are_not_there_are_an_error_at_once(opened: Opener, sentinel: RedisSentinel) -> None:
    start = time.monotonic()
    with pytest.raises(StoreError, match="refuses the connection"):
        await opened(sentinel_url(1, 2, 3)).load(KEY)
    assert time.monotonic() - start < 0.6


async def test_sentinels_and_master_may_want_two_passwords_and_tls(opened: Opener, certificates: Certificates) -> None:
    tls = {"ca": certificates.ca, "certificate": certificates.client, "key": certificates.client_key}
    secure = ("tls-replication yes",)
    master = RedisServer("requirepass inner", *secure, certificates=certificates)
    master.password = "inner"
    with master:
        watched = RedisServer(
            "requirepass outer",
            *secure,
            f"sentinel monitor {SERVICE} 127.0.0.1 {master.tls_port} 1",
            f"sentinel auth-pass {SERVICE} inner",
            certificates=certificates,
            sentinel=True,
        )
        watched.password = "outer"
        with watched:
            url = f"rediss+sentinel://127.0.0.1:{watched.tls_port}/{SERVICE}"
            store = opened(url, tls=tls, password="inner", sentinel_password="outer", timeout="1s")
            await store.save(KEY, record())
            assert await contents(store) == (1, record().data)
            with pytest.raises(StoreError, match=r"store\.sentinel_password"):
                await opened(url, tls=tls, password="inner", sentinel_password="wrong", timeout="1s").load(KEY)
            with pytest.raises(StoreError, match=r"correct store\.username and store\.password"):
                await opened(url, tls=tls, password="wrong", sentinel_password="outer", timeout="1s").load(KEY)
