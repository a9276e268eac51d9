"""Commands around keys: what they print where, and how they end."""

import asyncio
import base64
import json
import re
from pathlib import Path
from typing import Any

import pytest

from proxy.callers.api_key import hash_key
from proxy.core.clock import SystemClock
from proxy.core.seal import Seal, is_same_line
from proxy.core.secret import Secret
from proxy.net.runtime import Runtime
from proxy.stores.base import Record
from proxy.stores.sealed import close
from proxy.stores.sqlite import Sqlite, SqliteSettings
from tests.cli.conftest import Countersign
from tests.config.conftest import GOOD


class TestKeys:
    def test_a_sealing_key_is_32_random_bytes_alone_on_the_last_line(self, countersign: Countersign) -> None:
        keys = {countersign("keygen").stdout.splitlines()[-1] for _ in range(3)}
        assert len(keys) == 3
        assert {len(base64.b64decode(key, validate=True)) for key in keys} == {32}

    def test_a_key_that_replaces_another_carries_on_its_line(self, countersign: Countersign, tmp_path: Path) -> None:
        old = countersign("keygen").stdout
        (tmp_path / "old").write_text(old)
        made = [countersign("keygen", "--after", tmp_path / "old"), countersign("keygen", "--after", "-", stdin=old)]
        keys = [Secret(result.stdout.strip()) for result in made]
        assert keys[0] != keys[1]
        assert all(is_same_line(key, Secret(old.strip())) for key in keys)
        assert countersign("keygen", "--after", "-", stdin=keys[0].reveal()).exit_code == 0

    @pytest.mark.parametrize("no_key", ["", "correct horse battery staple", "schlüssel"])
    def test_what_is_no_key_is_not_replaced(self, countersign: Countersign, no_key: str) -> None:
        result = countersign("keygen", "--after", "-", stdin=no_key)
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.startswith("--after: a sealing key is 32 random bytes in base64")

    def test_a_new_caller_key_comes_with_its_hash(self, countersign: Countersign) -> None:
        match = re.fullmatch(r"key:  (\S+)\nhash: (sha256:[0-9a-f]{64})\n", countersign("hash-key").stdout)
        assert match is not None
        assert hash_key(match[1]) == match[2]
        said: dict[str, Any] = json.loads(countersign("hash-key", "--json").stdout)
        assert said.keys() == {"key", "hash"}
        assert hash_key(said["key"]) == said["hash"]

    def test_a_key_that_is_given_is_hashed(self, countersign: Countersign) -> None:
        assert countersign("hash-key", "foo").stdout == f"{hash_key('foo')}\n"
        assert countersign("hash-key", "-", stdin="foo\n").stdout == f"{hash_key('foo')}\n"

    @pytest.mark.parametrize("key", ["", " ", "two\nlines", "schlüssel", " foo"])
    def test_what_could_not_stand_in_a_header_is_refused(self, countersign: Countersign, key: str) -> None:
        result = countersign("hash-key", "-", stdin=key)
        assert result.exit_code == 1
        assert "one line of printable ASCII" in result.stderr


class TestReseal:
    """Two keys in files, and a token database with one record of each and one of neither."""

    @pytest.fixture
    def stored(self, config: Path, countersign: Countersign) -> Path:
        (config.parent / "old").write_text(countersign("keygen").stdout)
        (config.parent / "new").write_text(countersign("keygen", "--after", config.parent / "old").stdout)
        use(config, "new", "old")
        return config

    def test_afterwards_the_new_key_alone_opens_everything(self, countersign: Countersign, stored: Path) -> None:
        asyncio.run(put(stored, {"token/a/0": "old", "token/b/0": "old", "token/c/0": "new"}))
        result = countersign("reseal", "-c", stored)
        assert (result.exit_code, result.stderr) == (0, "")
        assert result.stdout == "sealed again: 2\nalready current: 1\nunreadable: 0\n"
        use(stored, "new")
        said = json.loads(countersign("reseal", "-c", stored, "--json").stdout)
        assert said == {"resealed": 0, "current": 3, "unreadable": []}

    def test_what_cannot_be_opened_ends_it_with_1_and_is_named(self, countersign: Countersign, stored: Path) -> None:
        asyncio.run(put(stored, {"token/a/0": "old", "token/b/0": "new"}))
        use(stored, "new")
        result = countersign("reseal", "-c", stored)
        assert result.exit_code == 1
        assert "unreadable: 1\n  token/a/0 was sealed with a key that is not configured" in result.stdout
        said = json.loads(countersign("reseal", "-c", stored, "--json").stdout)
        assert [left["key"] for left in said["unreadable"]] == ["token/a/0"]
        for key in ("old", "new"):
            assert key_in(stored, key) not in result.stdout + result.stderr

    def test_a_store_that_cannot_be_reached_is_said(self, countersign: Countersign, stored: Path) -> None:
        stored.write_text(stored.read_text().replace("tokens.db", "none/tokens.db"))
        result = countersign("reseal", "-c", stored)
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.endswith("what was sealed again so far stays so, and the next run goes on from there\n")

    def test_keys_that_are_not_here_are_asked_for(self, countersign: Countersign, stored: Path) -> None:
        (stored.parent / "old").unlink()
        result = countersign("reseal", "-c", stored)
        assert result.exit_code == 1
        assert "create it, or correct ${file:old}" in result.stderr
        assert "nothing can be sealed before the references of store and seal can be resolved" in result.stderr

    def test_secrets_of_credentials_are_not_needed(self, countersign: Countersign, stored: Path) -> None:
        assert countersign("reseal", "-c", stored, env={}).exit_code == 0

    def test_memory_needs_no_key_and_no_sealing(self, countersign: Countersign, config: Path) -> None:
        result = countersign("reseal", "-c", config)
        assert (result.exit_code, result.stdout) == (1, "")
        assert "seal.keys names no key, and a store of kind memory needs none" in result.stderr


def use(config: Path, *keys: str) -> None:
    listed = ", ".join(f'"${{file:{key}}}"' for key in keys)
    config.write_text(f"store: {{kind: sqlite, path: tokens.db}}\nseal: {{keys: [{listed}]}}\n{GOOD}")


def key_in(config: Path, name: str) -> str:
    return (config.parent / name).read_text().strip()


async def put(config: Path, records: dict[str, str]) -> None:
    """Save a record under each key, sealed with the key of that name."""
    runtime = Runtime(SystemClock(), lambda name, error: None)
    store = Sqlite(SqliteSettings(kind="sqlite", path=config.parent / "tokens.db"), runtime)
    for key, name in records.items():
        seal = Seal([Secret(key_in(config, name))])
        await store.save(key, Record(7, close(seal, key, 7, b"planted"), 300.0))
    await store.close()
