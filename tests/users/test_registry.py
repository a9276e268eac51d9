"""What is known of a user is written down whole, and the store learns neither the id nor anything else."""

import asyncio
from dataclasses import replace

import pytest

from proxy.core.seal import Seal
from proxy.core.secret import Secret
from proxy.net.runtime import Runtime
from proxy.stores.documents import Documents
from proxy.stores.memory import Memory, MemorySettings
from proxy.users.registry import Registry, User
from tests.fakes.clock import FakeClock
from tests.fakes.flaky_store import FlakyStore
from tests.fakes.known import keep

ANN = User("ann@id", "ann@mail.example", "Ann", {"TENANT": Secret("acme-tenant")})


@pytest.fixture
def store() -> Memory:
    return Memory(MemorySettings(), Runtime(FakeClock(), lambda name, error: None))


@pytest.fixture
def registry(store: Memory) -> Registry:
    return Registry(Documents(store, Seal.of_this_process()), b"key")


async def test_a_user_is_found_as_they_were_kept(registry: Registry) -> None:
    assert await registry.find("ann@id") is None
    await keep(registry, ANN)
    assert await registry.find("ann@id") == ANN
    assert await registry.find("ben@id") is None


async def test_a_user_is_kept_anew_as_a_whole(registry: Registry) -> None:
    await keep(registry, ANN)
    await keep(registry, User("ann@id"))
    assert await registry.find("ann@id") == User("ann@id")


async def test_of_two_changes_at_once_neither_undoes_the_other() -> None:
    store = FlakyStore(MemorySettings(), Runtime(FakeClock(), lambda name, error: None))
    registry = Registry(Documents(store, Seal.of_this_process()), b"key")
    await keep(registry, ANN)
    store.hang()  # both read before one of them writes
    changing = asyncio.gather(
        registry.change("ann@id", lambda user: replace(user, email="new@mail.example")),
        registry.change("ann@id", lambda user: replace(user, name="Anna")),
    )
    await asyncio.sleep(0)
    store.resume()
    await changing
    assert await registry.find("ann@id") == replace(ANN, email="new@mail.example", name="Anna")


async def test_what_nobody_knew_yet_is_changed_too(registry: Registry) -> None:
    await registry.change("ben@id", lambda user: replace(user, name="Ben"))
    assert await registry.find("ben@id") == User("ben@id", name="Ben")


async def test_a_user_who_is_forgotten_is_gone(registry: Registry) -> None:
    await keep(registry, ANN)
    assert await registry.forget("ann@id")
    assert await registry.find("ann@id") is None
    assert not await registry.forget("ann@id")
    await keep(registry, ANN)
    assert await registry.find("ann@id") == ANN


async def test_the_store_sees_neither_the_id_nor_anything_that_is_known(registry: Registry, store: Memory) -> None:
    await keep(registry, ANN)
    keys = store.keys()
    (key,) = [key async for key in keys]
    record = await store.load(key)
    assert record is not None
    seen = f"{key} {record.data!r}"
    assert not any(word in seen for word in ("ann", "Ann", "acme", "mail.example"))


def test_the_pseudonym_of_a_user_is_the_same_for_the_same_key_alone() -> None:
    documents = Documents(
        Memory(MemorySettings(), Runtime(FakeClock(), lambda name, error: None)), Seal.of_this_process()
    )
    one, other = Registry(documents, b"key"), Registry(documents, b"other")
    assert one.pseudonym("ann") == one.pseudonym("ann") != one.pseudonym("ben")
    assert one.pseudonym("ann") != other.pseudonym("ann")


def test_templates_may_use_everything_that_is_known() -> None:
    values = {name: value.reveal() for name, value in ANN.values.items()}
    assert values == {
        "USER_ID": "ann@id",
        "USER_EMAIL": "ann@mail.example",
        "USER_NAME": "Ann",
        "TENANT": "acme-tenant",
    }
    assert User("ann").values.keys() == {"USER_ID"}
    assert "acme" not in repr(ANN)


async def test_no_more_people_are_remembered_than_is_said_and_who_is_not_keeps_their_name(registry: Registry) -> None:
    registry.remembered = 2
    before = {user: registry.pseudonym(user) for user in ("ann", "ben", "cat")}
    assert list(registry._people) == ["ben", "cat"]
    assert registry.pseudonym("ann") == before["ann"]
