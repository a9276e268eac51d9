"""Of two writers of a document neither undoes the other, and nobody reads one who has not its key."""

import asyncio

import pytest

from proxy.core.seal import Seal
from proxy.net.runtime import Runtime
from proxy.stores.base import StoreError
from proxy.stores.documents import KEPT_EMPTY, Document, Documents
from proxy.stores.memory import Memory, MemorySettings
from tests.fakes.clock import FakeClock
from tests.fakes.flaky_store import FlakyStore

KEY = "user/1"


@pytest.fixture
def runtime() -> Runtime:
    return Runtime(FakeClock(), lambda name, error: None)


@pytest.fixture
def store(runtime: Runtime) -> FlakyStore:
    return FlakyStore(MemorySettings(), runtime)


@pytest.fixture
def documents(store: FlakyStore) -> Documents:
    return Documents(store, Seal.of_this_process())


def counted_up(document: Document | None) -> Document:
    return {"count": 1 if document is None else document["count"] + 1}


async def test_a_document_is_read_as_it_was_written(documents: Documents) -> None:
    assert await documents.read(KEY) is None
    assert await documents.change(KEY, lambda _: {"name": "Ann", "more": [1, None]}, ttl=60) is not None
    assert await documents.read(KEY) == {"name": "Ann", "more": [1, None]}


async def test_a_document_ends_with_its_time(documents: Documents, runtime: Runtime) -> None:
    await documents.change(KEY, counted_up, ttl=60)
    assert isinstance(runtime.clock, FakeClock)
    await runtime.clock.advance(seconds=61)
    assert await documents.read(KEY) is None


async def test_of_twenty_writers_none_undoes_another(documents: Documents) -> None:
    await asyncio.gather(*(documents.change(KEY, counted_up, ttl=60) for _ in range(20)))
    assert await documents.read(KEY) == {"count": 20}


async def test_who_read_it_before_it_was_taken_away_does_not_bring_it_back(runtime: Runtime) -> None:
    store, seal = Memory(MemorySettings(), runtime), Seal.of_this_process()
    mine, other = Documents(store, seal), Documents(store, seal)
    await mine.change(KEY, counted_up, ttl=60)
    seen: list[Document | None] = []

    def slow(document: Document | None) -> Document | None:
        seen.append(document)
        return None if document is None else {"count": 99}

    load, gate = store.load, asyncio.Event()

    async def held(key: str) -> object:
        record = await load(key)
        await gate.wait()
        return record

    store.load = held  # type: ignore[method-assign,assignment]
    changing = asyncio.ensure_future(mine.change(KEY, slow, ttl=60))
    await asyncio.sleep(0)
    store.load = load  # type: ignore[method-assign]
    await other.change(KEY, lambda _: None, ttl=60)
    gate.set()
    assert await changing is None
    assert seen == [{"count": 1}, None]
    assert await other.read(KEY) is None


async def test_the_place_of_one_that_was_taken_away_is_forgotten_after_a_day(
    documents: Documents, store: FlakyStore, runtime: Runtime
) -> None:
    await documents.change(KEY, counted_up, ttl=60)
    await documents.change(KEY, lambda _: None, ttl=60)
    assert await documents.read(KEY) is None
    assert await store.load(KEY) is not None
    assert isinstance(runtime.clock, FakeClock)
    await runtime.clock.advance(seconds=KEPT_EMPTY + 1)
    assert await store.load(KEY) is None


async def test_what_a_change_raises_changes_nothing(documents: Documents) -> None:
    await documents.change(KEY, counted_up, ttl=60)

    def refuse(document: Document | None) -> Document:
        raise ValueError(str(document))

    with pytest.raises(ValueError, match="count"):
        await documents.change(KEY, refuse, ttl=60)
    assert await documents.read(KEY) == {"count": 1}


async def test_a_document_of_another_key_is_an_error_and_not_nothing(documents: Documents, store: FlakyStore) -> None:
    await documents.change(KEY, counted_up, ttl=60)
    with pytest.raises(StoreError, match="damaged"):
        await Documents(store, Seal.of_this_process()).read(KEY)


async def test_a_store_that_is_down_says_so(documents: Documents, store: FlakyStore) -> None:
    store.error = StoreError("down")
    with pytest.raises(StoreError, match="down"):
        await documents.change(KEY, counted_up, ttl=60)
    assert "Documents" in repr(documents)
