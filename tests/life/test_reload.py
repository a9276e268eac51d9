"""A reload that is refused or fails leaves no trace, and the next change is another chance."""

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final

import pytest

from proxy.app import App
from proxy.config.load import load
from proxy.telemetry.logs import configure
from tests.fakes.clock import FakeClock
from tests.fakes.token_server import TokenServer
from tests.fakes.until import until

CONFIG: Final = """
listen: {{proxy: '127.0.0.1:0', admin: '127.0.0.1:0', metrics: '127.0.0.1:0'}}
callers:
  anyone: {{kind: anonymous}}
credentials:
  key: {{kind: text, value: '{value}'}}
  session:
    kind: http_request
    allow_plain_http: true
    request: {{method: POST, url: '{issuer}', form: {{secret: {secret}}}}}
    token: {{from: json, path: $.access_token}}
    expiry: {{from: json, path: $.expires_in, type: seconds}}
{credential}
routes:
  api: {{upstream: 'https://api.example', callers: [anyone], credential: key}}
  login: {{match: {{path: /login/}}, upstream: 'https://api.example', callers: [anyone], credential: session}}
{route}
"""
NEW: Final = {
    "credential": "  added: {kind: text, value: new}",
    "route": "  added: {match: {path: /new/}, upstream: 'https://api.example', callers: [anyone], credential: added}",
}
"""A credential and a route more."""


class Running:
    """A process that watches its configuration."""

    def __init__(self, directory: Path, issuer: str) -> None:
        self.directory = directory
        self.file = directory / "countersign.yaml"
        self.issuer = issuer
        self.app: App

    def write(self, *, value: str = "old", secret: str = "s3cret", credential: str = "", route: str = "") -> None:
        """Write the configuration anew, in one step."""
        draft = self.file.with_suffix(".draft")
        text = CONFIG.format(value=value, issuer=self.issuer, secret=secret, credential=credential, route=route)
        draft.write_text(text)
        draft.rename(self.file)

    def count(self, event: str) -> int:
        """Return how often that has happened."""
        return sum(one.event.value == event for one in self.app.events.query(limit=1000).events)

    async def told(self, event: str, times: int = 1) -> None:
        """Wait until that has happened so many times."""
        await until(lambda: self.count(event) >= times)

    def value(self, credential: str = "key") -> str:
        """Return the token that requests get now."""
        held = self.app.sources.by_name[credential].current()
        assert held is not None
        return held.token.value.reveal()

    def metrics(self) -> str:
        """Return the page of a scrape."""
        return self.app.metrics.render("")[0].decode()

    @property
    def stored(self) -> str:
        """What the store says of how much it keeps."""
        return repr(self.app.store)


@pytest.fixture(autouse=True)
def collector() -> Iterator[None]:
    """Undo what starting does to the collector."""
    threshold = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*threshold)


@pytest.fixture
def time() -> FakeClock:
    """The time that the issuer takes to answer; it passes when a test says so."""
    return FakeClock()


@pytest.fixture
async def issuer(time: FakeClock) -> AsyncIterator[TokenServer]:
    async with TokenServer(time) as server:
        yield server


@pytest.fixture
async def running(tmp_path: Path, issuer: TokenServer) -> AsyncIterator[Running]:
    process = Running(tmp_path, issuer.url)
    process.write()
    with (tmp_path / "log").open("w") as stream:
        logs = configure(stream)
        app = process.app = App(process.file, load(process.file, {}), logs)
        await app.start()
        watching = asyncio.create_task(app.watch())
        try:
            yield process
        finally:
            watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watching
            app.server.close()
            await app.close()
            logs.close()


async def test_a_refused_configuration_is_tried_again_when_its_missing_file_appears(running: Running) -> None:
    running.write(value="${file:new.secret}")
    await running.told("config_refused")
    assert running.value() == "old"
    (running.directory / "new.secret").write_text("new")
    await running.told("config_reloaded")
    assert running.value() == "new"


async def test_what_is_in_use_is_watched_beside_what_was_refused(running: Running) -> None:
    secret = running.directory / "used.secret"
    secret.write_text("one")
    running.write(value="${file:used.secret}")
    await running.told("config_reloaded")
    running.write(value="${file:new.secret}")
    await running.told("config_refused")
    assert {secret, running.directory / "new.secret"} <= set(running.app.files)
    secret.write_text("two")
    await running.told("config_refused", times=2)
    running.write(value="${file:used.secret}")
    await running.told("config_reloaded", times=2)
    assert running.value() == "two"
    assert set(running.app.files) == {running.file, secret}


async def test_the_same_mistake_is_told_again_after_it_was_mended(running: Running) -> None:
    running.write(value="${file:nowhere}")
    await running.told("config_refused")
    running.write()
    await running.told("config_reloaded")
    running.write(value="${file:nowhere}")
    await running.told("config_refused", times=2)
    assert running.value() == "old"


async def test_a_fault_of_ours_in_a_reload_is_told_and_the_next_change_is_seen(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph, tasks = running.app.graph, running.app.runtime.tasks
    with monkeypatch.context() as patch:
        patch.setattr("proxy.app.build_graph", None)
        running.write(**NEW)
        await running.told("task_failed")
    event = running.app.events.query(limit=1).events[0]
    assert (event.level, event.detail.startswith("reload: TypeError")) == ("error", True)
    assert running.app.graph is graph
    assert running.app.pipeline.graph is graph
    assert running.app.runtime.tasks == tasks
    assert 'countersign_config_reloads_total{outcome="refused"} 1.0' in running.metrics()
    running.write(value="new")
    await running.told("config_reloaded")
    assert running.value() == "new"


@pytest.mark.parametrize("fault", [TypeError("a fault of ours"), OSError("a file went away")])
async def test_what_was_refused_is_not_counted(
    running: Running, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    def fail(_: object) -> None:
        raise fault

    with monkeypatch.context() as patch:
        patch.setattr("proxy.gateway.graph.RouteTable", fail)
        running.write(**NEW)
        await until(lambda: 'countersign_config_reloads_total{outcome="refused"} 1.0' in running.metrics())
    assert '"added"' not in running.metrics()
    assert 'countersign_requests_in_flight{route="api"}' in running.metrics()
    assert 'countersign_token_generation{credential="key"}' in running.metrics()


async def test_tokens_of_former_secrets_are_not_kept(running: Running) -> None:
    for turn in range(1, 4):
        await running.app.sources.by_name["session"].obtain()
        assert running.stored == "<WatchedStore, up, <Memory, 1 records>>"
        running.write(secret=f"secret-{turn}")
        await running.told("config_reloaded", times=turn)
        assert running.stored == "<WatchedStore, up, <Memory, 0 records>>"


async def test_a_fetch_under_way_over_a_reload_serves_who_waits_and_leaves_no_token_behind(
    running: Running, issuer: TokenServer, time: FakeClock
) -> None:
    old = running.app.sources.by_name["session"]
    issuer.knobs.delay = 1.0
    waiting = asyncio.create_task(old.obtain())
    await until(lambda: issuer.count)
    running.write(secret="another")
    await running.told("config_reloaded")
    assert not waiting.done()
    await time.advance(seconds=1.0)
    assert (await waiting).token.value.reveal() == issuer.issued[0]
    assert old.current() is await waiting
    assert running.stored == "<WatchedStore, up, <Memory, 0 records>>"


async def test_a_request_on_the_old_graph_may_renew_and_leaves_no_token_behind(
    running: Running, issuer: TokenServer
) -> None:
    old = running.app.sources.by_name["session"]
    rejected = await old.obtain()
    running.write(secret="another")
    await running.told("config_reloaded")
    renewal = await old.renew(rejected)
    assert renewal.held is not None
    assert renewal.held.token.value.reveal() == issuer.issued[1]
    assert running.stored == "<WatchedStore, up, <Memory, 0 records>>"


async def test_a_reload_that_leaves_a_credential_alone_leaves_its_token(running: Running) -> None:
    await running.app.sources.by_name["session"].obtain()
    running.write(value="new")
    await running.told("config_reloaded")
    running.write(secret="another", value="${file:nowhere}")
    await running.told("config_refused")
    assert running.stored == "<WatchedStore, up, <Memory, 1 records>>"
