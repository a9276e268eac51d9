"""The SQLite store keeps the family's promises, through crashes, failures and many processes."""

from pathlib import Path

import pytest

from proxy.core.clock import Clock, SystemClock
from proxy.net.runtime import Runtime
from proxy.stores.base import Store
from proxy.stores.sqlite import Sqlite, SqliteSettings
from tests.compliance.stores import StoreCompliance


def make(path: Path, clock: Clock | None = None) -> Sqlite:
    return Sqlite(SqliteSettings(kind="sqlite", path=path), Runtime(clock or SystemClock(), lambda name, error: None))


class TestSqliteStore(StoreCompliance):
    @pytest.fixture(autouse=True)
    def _in_a_directory_of_its_own(self, tmp_path: Path) -> None:
        self.path = tmp_path / "tokens.db"

    def make(self) -> Store:
        return make(self.path)
