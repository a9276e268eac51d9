"""A command beside the proxy learns from the store what is known of a user, as the proxy wrote it down."""

from pathlib import Path

import pytest

from proxy.core.clock import SystemClock
from proxy.core.seal import Seal, new_key
from proxy.core.secret import Secret
from proxy.net.runtime import Runtime
from proxy.stores.base import StoreError
from proxy.stores.documents import Documents
from proxy.stores.memory import MemorySettings
from proxy.stores.sqlite import Sqlite, SqliteSettings
from proxy.users.known import KEY, values_of
from proxy.users.registry import Registry, User
from tests.fakes.known import keep

WANTED = frozenset({"USER_ID", "TENANT", "OTHER"})


async def test_what_was_written_down_is_found_and_nothing_else(tmp_path: Path) -> None:
    settings, keys = SqliteSettings(kind="sqlite", path=tmp_path / "store.db"), (Secret(new_key()),)
    runtime = Runtime(SystemClock(), lambda name, error: None)
    store, seal = Sqlite(settings, runtime), Seal(keys)
    await keep(Registry(Documents(store, seal), seal.derive(KEY)), User("ann", variables={"TENANT": Secret("acme")}))
    await store.close()
    await runtime.close()
    assert await values_of("ann", WANTED, settings, keys) == {"USER_ID": Secret("ann"), "TENANT": Secret("acme")}
    assert await values_of("ben", WANTED, settings, keys) == {"USER_ID": Secret("ben")}
    with pytest.raises(StoreError):
        await values_of("ann", WANTED, SqliteSettings(kind="sqlite", path=tmp_path / "no" / "store.db"), keys)


async def test_where_nothing_outlives_the_process_only_the_id_is_known() -> None:
    assert await values_of("ann", WANTED, MemorySettings(kind="memory"), ()) == {"USER_ID": Secret("ann")}
