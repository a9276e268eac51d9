import asyncio
from asyncio import FIRST_COMPLETED
from collections.abc import AsyncIterator, Callable, Mapping
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import watchfiles.main
from watchfiles._rust_notify import RustNotify

from proxy.config import watch
from proxy.config.files import digest, digest_of
from proxy.config.watch import changes, differing
from tests.fakes.until import until


@pytest.fixture
def standing(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Is set once a watch stands. Nothing is seen by the comparison every few seconds, only by events."""
    monkeypatch.setattr(watch, "COMPARE_EVERY", 60_000)
    stands = asyncio.Event()

    def notify(*arguments: Any) -> RustNotify:
        made = RustNotify(*arguments)
        stands.set()
        return made

    monkeypatch.setattr(watchfiles.main, "RustNotify", notify)
    return stands


class Watched:
    """Files as a process knows them that reloads at every change."""

    def __init__(self, standing: asyncio.Event, *paths: Path) -> None:
        self.standing = standing
        self.read = {path: digest_of(path) for path in paths}
        self.changes = changes(lambda: self.read)

    def reload(self, *more: Path) -> None:
        self.read = {path: digest_of(path) for path in (*self.read, *more)}

    async def next_after(self, act: Callable[[], object]) -> None:
        """Act once the watch stands, and wait until the change has been told.

        Again and again, for a watch that is being renewed may stand a moment later.
        """
        waiting = asyncio.create_task(self.told())
        async with asyncio.timeout(20):
            await asyncio.wait({waiting, asyncio.create_task(self.standing.wait())}, return_when=FIRST_COMPLETED)
            while not waiting.done():
                await asyncio.to_thread(act)
                await asyncio.wait({waiting}, timeout=1.0)
        await waiting

    async def told(self) -> None:
        await anext(self.changes)


@pytest.fixture
async def watching(standing: asyncio.Event) -> AsyncIterator[Callable[..., Watched]]:
    made: list[Watched] = []

    def make(*paths: Path) -> Watched:
        made.append(Watched(standing, *paths))
        return made[-1]

    yield make
    for watched in made:
        await watched.changes.aclose()


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "countersign.yaml"
    path.write_text("one")
    return path


Watching = Callable[..., Watched]


async def test_a_file_that_is_written_in_place_is_told(watching: Watching, config: Path) -> None:
    await watching(config).next_after(lambda: config.write_text("two"))


async def test_a_file_that_an_editor_renames_over_the_old_one_is_told_every_time(
    watching: Watching, config: Path
) -> None:
    watched = watching(config)

    def save(content: str) -> None:
        draft = config.with_suffix(".swp")
        draft.write_text(content)
        draft.rename(config)

    for content in ("two", "three", "four"):
        await watched.next_after(lambda content=content: save(content))  # type: ignore[misc]  # binds the loop's value
        watched.reload()


async def test_a_change_between_reading_and_watching_is_told(watching: Watching, config: Path) -> None:
    watched = watching(config)
    await asyncio.to_thread(config.write_text, "two")
    await watched.next_after(lambda: None)


async def test_kubernetes_swapping_its_data_link_is_told_every_time(watching: Watching, tmp_path: Path) -> None:
    numbers = count()

    def publish(version: str) -> None:
        data = tmp_path / f"..{next(numbers)}"
        data.mkdir()
        (data / "countersign.yaml").write_text(version)
        link = tmp_path / "..data_tmp"
        link.symlink_to(data.name)
        link.rename(tmp_path / "..data")

    publish("one")
    config = tmp_path / "countersign.yaml"
    config.symlink_to("..data/countersign.yaml")
    watched = watching(config)
    for version in ("two", "three"):
        await watched.next_after(lambda version=version: publish(version))  # type: ignore[misc]  # binds the loop's value
        watched.reload()
        assert config.read_text() == version


async def test_a_link_into_another_directory_is_followed(
    watching: Watching, tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "real.yaml"
    elsewhere.write_text("one")
    link = tmp_path / "countersign.yaml"
    link.symlink_to(elsewhere)
    await watching(link).next_after(lambda: elsewhere.write_text("two"))


async def test_a_file_that_is_missing_for_a_moment_is_told_when_it_is_back(watching: Watching, config: Path) -> None:
    watched = watching(config)
    await asyncio.to_thread(config.unlink)
    await watched.next_after(lambda: config.write_text("back"))


def test_a_file_that_is_missing_does_not_differ(config: Path) -> None:
    read = {config: digest_of(config)}
    config.unlink()
    assert differing(read) == {}


def test_a_file_that_was_only_touched_does_not_differ(config: Path) -> None:
    read = {config: digest_of(config)}
    config.write_text(config.read_text())
    assert differing(read) == {}


async def test_a_file_whose_directory_did_not_exist_is_told_when_it_appears(watching: Watching, tmp_path: Path) -> None:
    secret = tmp_path / "run" / "secrets" / "key"
    watched = watching(secret)

    def appear() -> None:
        secret.parent.mkdir(parents=True, exist_ok=True)
        secret.write_text("value")

    await watched.next_after(appear)


async def test_a_change_that_was_not_reloaded_is_told_once(
    watching: Watching, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "COMPARE_EVERY", 20)
    watched = watching(config)
    await watched.next_after(lambda: config.write_text("bad"))
    waiting = asyncio.create_task(watched.told())
    done, _ = await asyncio.wait({waiting}, timeout=0.5)
    assert not done
    await asyncio.to_thread(config.write_text, "worse")
    async with asyncio.timeout(20):
        await waiting


async def test_the_same_change_is_told_again_after_it_had_vanished(
    watching: Watching, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "COMPARE_EVERY", 20)
    compared: list[Mapping[Path, str]] = []

    def comparing(files: Mapping[Path, str]) -> Mapping[Path, str]:
        compared.append(differing(files))
        return compared[-1]

    monkeypatch.setattr(watch, "differing", comparing)
    watched = watching(config)
    await watched.next_after(lambda: config.write_text("bad"))
    waiting = asyncio.create_task(watched.told())
    await asyncio.to_thread(config.write_text, "one")
    await until(lambda: compared[-1] == {})
    await asyncio.to_thread(config.write_text, "bad")
    async with asyncio.timeout(20):
        await waiting


async def test_what_was_told_before_is_told_again_when_something_else_was_read_meanwhile(
    watching: Watching, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "COMPARE_EVERY", 20)
    watched = watching(config)
    await watched.next_after(lambda: config.write_text("two"))
    watched.read = {config: digest(b"three")}
    async with asyncio.timeout(20):
        await watched.told()


async def test_a_file_that_a_reload_brings_in_is_watched_from_then_on(
    watching: Watching, config: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    secret = tmp_path_factory.mktemp("secrets") / "key"
    secret.write_text("one")
    watched = watching(config)
    await watched.next_after(lambda: config.write_text("two"))
    watched.reload(secret)
    await watched.next_after(lambda: secret.write_text("two"))


async def test_without_events_the_contents_are_compared_after_a_while(
    watching: Watching, config: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "COMPARE_EVERY", 50)
    silent = frozenset({tmp_path_factory.mktemp("silent")})
    monkeypatch.setattr(watch, "_directories", lambda files: silent)
    await watching(config).next_after(lambda: config.write_text("two"))
