"""The running process: it starts, reloads as a whole or not at all, and takes its leave in order."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from proxy.app import App, CannotListenError
from proxy.config.load import load
from proxy.telemetry.logs import configure
from tests.fakes.clock import FakeClock
from tests.fakes.raw_client import Answer, RawClient
from tests.fakes.raw_server import OK, RawServer, Step, answer_each, head, request, send, when
from tests.fakes.token_server import TokenServer
from tests.fakes.until import until

GET: Final = b"GET /x HTTP/1.1\r\nHost: api.example\r\n\r\n"
CONFIG: Final = """
listen: {{proxy: '127.0.0.1:0', admin: '127.0.0.1:0', metrics: '127.0.0.1:0'}}
drain: {{delay: {delay}, timeout: {timeout}}}
callers:
  anyone: {{kind: anonymous}}
  keyed: {{kind: api_key, keys: ['sha256:{hash}']}}
credentials:
  session:
    kind: http_request
    allow_plain_http: true
    request: {{method: POST, url: '{issuer}', form: {{secret: {secret}}}}}
    token: {{from: json, path: $.access_token}}
    expiry: {{from: json, path: $.expires_in, type: seconds}}
  written: {{kind: text, value: written-down}}
routes:
  api: {{upstream: '{api}{path}', callers: [anyone], credential: session}}
  other: {{match: {{path: /other/}}, upstream: '{api}', callers: [anyone, keyed], credential: written}}
"""
THIRD: Final = "  3rd: {match: {path: /3/}, upstream: 'https://api.example', callers: [anyone], credential: written}\n"


@dataclass
class World:
    """A process that runs, the API behind it and the issuer of its tokens."""

    app: App
    api: RawServer
    issuer: TokenServer
    file: Path

    def write(self, *, extra: str = "", **change: str) -> None:
        """Write the configuration anew, with something changed in it."""
        values = {"delay": "0s", "timeout": "5s", "secret": "s3cret", "path": "", "hash": "0" * 64}
        text = CONFIG.format(**{"issuer": self.issuer.url, "api": self.api.url} | values | change)
        self.file.write_text(text + extra)

    @property
    def port(self) -> int:
        return int(self.app.server.sockets[0].getsockname()[1])

    async def ask(self, data: bytes = GET) -> Answer:
        async with RawClient(self.port) as caller:
            await caller.send(data)
            return await caller.answer()

    async def readiness(self) -> int:
        port = int(self.app.sites[0].addresses[0][1])
        async with RawClient(port) as probe:
            await probe.send(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")
            return (await probe.answer()).status

    def events(self, since: int = 0) -> list[str]:
        page = self.app.events.query(limit=1000).events
        return [event.event.value for event in reversed(page) if event.id > since]

    def metric(self, name: str) -> float | None:
        """Return the metric of that name and labels, as a scrape reads it."""
        found = re.search(rf"^{re.escape(name)} (.*)$", self.app.metrics.render("")[0].decode(), re.MULTILINE)
        return float(found[1]) if found else None


@asynccontextmanager
async def running(
    directory: Path, *scripts: tuple[Step, ...], start: bool = True, **change: str
) -> AsyncIterator[World]:
    """Run the process in this one."""
    async with RawServer(scripts=scripts or ((answer_each,),)) as api, TokenServer() as issuer:
        file = directory / "countersign.yaml"
        world = World.__new__(World)
        world.api, world.issuer, world.file = api, issuer, file
        world.write(**change)
        with (directory / "log").open("w") as stream:
            logs = configure(stream)
            world.app = App(file, load(file, {}), logs)
            try:
                if start:
                    await world.app.start()
                yield world
            finally:
                world.app.server.close()
                for connection in world.app.listener.connections:
                    connection.force_close()
                await world.app.close()
                logs.close()
                await asyncio.sleep(0)


# Starting


async def test_it_serves_is_ready_and_says_so(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        assert (await world.ask()).status == 200
        assert world.api.requests[0].one("Authorization") == f"Bearer {world.issuer.issued[0]}".encode()
        assert await world.readiness() == 200
        assert world.events()[0] == "token_fetched"
        assert "started" in world.events()
        loaded_at = world.metric("countersign_config_last_reload_timestamp_seconds")
        assert loaded_at == pytest.approx(world.app.started_at, abs=60)
        assert world.metric('countersign_config_reloads_total{outcome="succeeded"}') == 0.0


async def test_a_token_that_is_written_down_is_ready_before_the_first_request(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        assert world.app.sources.by_name["written"].current() is not None
        assert world.app.sources.by_name["session"].current() is None
        assert world.issuer.count == 0


async def test_an_address_that_is_taken_is_named(tmp_path: Path) -> None:
    async with RawServer() as taken, running(tmp_path) as world:
        text = world.file.read_text().replace("proxy: '127.0.0.1:0'", f"proxy: '127.0.0.1:{taken.port}'")
        world.file.write_text(text)
        with (tmp_path / "second.log").open("w") as stream:
            logs = configure(stream)
            second = App(world.file, load(world.file, {}), logs)
            with pytest.raises(CannotListenError, match=rf"127\.0\.0\.1:{taken.port} cannot be listened on: .*in use"):
                await second.start()
            await second.runtime.close()
            await second.endpoint.close()
            logs.close()


# Reloading


async def test_a_new_configuration_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        before = world.metric("countersign_config_last_reload_timestamp_seconds")
        world.write(path="/v2", extra=THIRD)
        await world.app.reload()
        await world.ask()
        assert world.api.requests[-1].target == b"/v2/x"
        assert list(world.app.graph.plans) == ["api", "other", "3rd"]
        assert world.events()[-1] in {"config_reloaded", "token_fetched"}
        assert "config_reloaded" in world.events()
        assert world.metric('countersign_config_reloads_total{outcome="succeeded"}') == 1.0
        after = world.metric("countersign_config_last_reload_timestamp_seconds")
        assert before is not None
        assert after is not None
        assert after >= before


@pytest.mark.parametrize(
    ("extra", "told"),
    [
        ("routes: [", "countersign.yaml:"),
        (THIRD.replace("anyone", "nobody"), "countersign.yaml:18:"),
        (THIRD.replace("callers", "colour: red, callers"), "countersign.yaml:18:"),
        (THIRD.replace("https://api.example", "${env:NOWHERE}"), "NOWHERE"),
        (THIRD.replace("callers", "tls: {ca: none.pem}, callers"), "tls.ca"),
    ],
    ids=["not YAML", "dangling name", "unknown key", "no such variable", "no such file"],
)
async def test_a_bad_file_changes_nothing_and_says_so(tmp_path: Path, extra: str, told: str) -> None:
    async with running(tmp_path) as world:
        await world.ask()
        app = world.app
        before = (app.graph, app.sources, app.loaded, app.pipeline.graph, dict(app.graph.plans), app.runtime.tasks)
        loaded_at = world.metric("countersign_config_last_reload_timestamp_seconds")
        expiry = world.metric('countersign_token_expires_at_seconds{credential="session"}')
        world.write(secret="another", extra=extra)
        last = app.events.query(limit=1).events[0].id
        await app.reload()
        after = (app.graph, app.sources, app.loaded, app.pipeline.graph, dict(app.graph.plans), app.runtime.tasks)
        assert all(old is new or old == new for old, new in zip(before, after, strict=True))
        assert world.events(last) == ["config_refused"]
        event = app.events.query(limit=1).events[0]
        assert (event.level, told in event.detail) == ("error", True), event.detail
        assert world.metric('countersign_config_reloads_total{outcome="refused"}') == 1.0
        assert world.metric("countersign_config_last_reload_timestamp_seconds") == loaded_at
        assert world.metric('countersign_token_expires_at_seconds{credential="session"}') == expiry
        assert await world.readiness() == 200
        assert (await world.ask()).status == 200
        assert world.issuer.count == 1


async def test_a_file_that_cannot_be_read_changes_nothing(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        world.file.unlink()
        await world.app.reload()
        assert world.events()[-1] == "config_refused"
        assert (await world.ask()).status == 200


async def test_what_did_not_change_goes_on(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        await world.ask()
        app = world.app
        plans, sources, callers = dict(app.graph.plans), dict(app.sources.by_name), dict(app.graph.callers)
        world.write(extra=THIRD)
        await app.reload()
        assert "3rd" in app.graph.plans
        assert plans.items() <= app.graph.plans.items()
        assert app.sources.by_name == sources
        assert app.graph.callers == callers
        assert (await world.ask()).status == 200
        assert (world.issuer.count, len(world.api.links)) == (1, 1)


async def test_a_circuit_stays_open_over_a_reload_that_leaves_its_route_alone(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        world.app.graph.plans["api"].breaker.force(open=True, now=world.app.clock.monotonic())
        world.write(hash="1" * 64)
        await world.app.reload()
        assert (await world.ask()).status == 503


async def test_a_changed_credential_gets_a_source_of_its_own_and_the_old_one_ends(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        await world.ask()
        app = world.app
        old, written, tasks = app.sources.by_name["session"], app.sources.by_name["written"], app.runtime.tasks
        world.write(secret="another")
        await app.reload()
        assert app.sources.by_name["session"] is not old
        assert app.sources.by_name["written"] is written
        assert (await world.ask()).status == 200
        assert [one.body for one in world.issuer.requests] == [b"secret=s3cret", b"secret=another"]
        await until(lambda: app.runtime.tasks <= tasks)
        assert world.metric('countersign_token_generation{credential="session"}') == 1.0


async def test_a_changed_caller_is_asked_for_its_new_proof_and_its_routes_alone_begin_anew(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        before = dict(world.app.graph.plans)
        world.write(hash="1" * 64)
        await world.app.reload()
        after = world.app.graph.plans
        assert after["api"] is before["api"]
        assert after["other"] is not before["other"]


async def test_what_is_gone_is_not_counted_any_more(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        assert world.metric('countersign_requests_in_flight{route="other"}') == 0.0
        text = world.file.read_text()
        world.file.write_text(
            "".join(line for line in text.splitlines(keepends=True) if not line.startswith(("  other", "  written")))
        )
        await world.app.reload()
        assert world.metric('countersign_requests_in_flight{route="other"}') is None
        assert world.metric('countersign_token_generation{credential="written"}') is None
        assert (await world.ask(GET.replace(b"/x", b"/other/x"))).status == 200, "the other route takes it now"


async def test_requests_under_way_end_on_the_graph_they_began_on(tmp_path: Path) -> None:
    go = asyncio.Event()
    async with (
        running(tmp_path, (request(), when(go), send(OK)), (answer_each,)) as world,
        RawClient(world.port) as caller,
    ):
        await caller.send(GET)
        await until(lambda: world.api.requests)
        world.write(path="/v2", secret="another")
        await world.app.reload()
        assert (await world.ask()).status == 200
        go.set()
        assert (await caller.answer()).status == 200
        assert [one.target for one in world.api.requests] == [b"/x", b"/v2/x"]


async def test_of_several_reloads_at_once_each_is_whole(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        world.write(secret="another")
        await asyncio.gather(*(world.app.reload() for _ in range(5)))
        assert world.metric('countersign_config_reloads_total{outcome="succeeded"}') == 5.0
        assert (await world.ask()).status == 200


async def test_a_listener_that_moved_is_told_to_wait_for_a_restart(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        port = world.port
        world.file.write_text(world.file.read_text().replace("proxy: '127.0.0.1:0'", "proxy: '127.0.0.1:1'"))
        await world.app.reload()
        event = world.app.events.query(limit=1).events[0]
        assert (event.level, "restart" in event.detail) == ("warning", True)
        assert world.port == port


async def test_a_changed_file_is_loaded_and_a_missing_part_that_comes_later_mends_a_refused_one(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        watching = asyncio.get_running_loop().create_task(world.app.watch())
        world.write(secret="'${file:later}'")
        await until(lambda: "config_refused" in world.events())
        (tmp_path / "later").write_text("from-the-file")
        await until(lambda: "config_reloaded" in world.events())
        await world.ask()
        assert world.issuer.requests[-1].body == b"secret=from-the-file"
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching


# Taking leave


async def test_it_takes_its_leave_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock()
    monkeypatch.setattr("proxy.app.SystemClock", lambda: clock)
    go = asyncio.Event()
    scripts = ((request(), when(go), send(OK)), (answer_each,))
    async with (
        running(tmp_path, *scripts, delay="5s") as world,
        RawClient(world.port) as early,
        RawClient(world.port) as idle,
        RawClient(world.port) as late,
    ):
        await early.send(GET)
        await until(lambda: world.api.requests)
        await idle.send(GET)
        assert (await idle.answer()).header("Connection") == b""
        draining = asyncio.get_running_loop().create_task(world.app.drain())

        # First readiness says no. Whoever comes all the same is served, for the last time on that connection.
        await until(lambda: world.app.health.is_draining)
        assert await world.readiness() == 503
        answer = await world.ask()
        assert (answer.status, answer.header("Connection")) == (200, b"close")
        await late.send(GET)
        assert (await late.answer()).header("Connection") == b"close"
        late.abort()

        # After the delay nobody new gets in, connections that wait for nothing are closed, and the others finish.
        port = world.port
        await clock.advance(seconds=5)
        assert await idle.rest() == b""
        with pytest.raises(OSError, match=r"refused|reset|Connect call failed"):
            await asyncio.open_connection("127.0.0.1", port)
        assert not draining.done()
        go.set()
        answer = await early.answer()
        assert (answer.status, answer.header("Connection")) == (200, b"close")
        early.abort()
        await asyncio.wait_for(draining, 10)
        assert [name for name in world.events() if name in {"draining", "stopped"}] == ["draining", "stopped"]


async def test_a_body_that_is_still_coming_may_come_to_its_end(tmp_path: Path) -> None:
    async with running(tmp_path) as world, RawClient(world.port) as caller:
        await caller.send(b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        await until(lambda: b"hello" in world.api.received)
        draining = asyncio.get_running_loop().create_task(world.app.drain())
        await until(lambda: world.app.pipeline.refusing)
        await caller.send(b"6\r\n world\r\n")
        await until(lambda: b" world" in world.api.received)
        await caller.send(b"0\r\n\r\n")
        assert (await caller.answer()).status == 200
        assert world.api.requests[0].body == b"hello world"
        caller.abort()
        await asyncio.wait_for(draining, 10)


async def test_an_answer_that_is_still_coming_may_come_to_its_end(tmp_path: Path) -> None:
    go = asyncio.Event()
    begun = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhe"
    script = (request(), send(begun), when(go), send(b"re"))
    async with running(tmp_path, script) as world, RawClient(world.port) as caller:
        await caller.send(GET)
        await until(lambda: caller.seen.endswith(b"he"))
        draining = asyncio.get_running_loop().create_task(world.app.drain())
        await until(lambda: world.app.pipeline.refusing)
        go.set()
        assert (await caller.answer()).body == b"here"
        caller.abort()
        await asyncio.wait_for(draining, 10)


async def test_what_is_left_at_the_deadline_is_cut(tmp_path: Path) -> None:
    async with running(tmp_path, (head(),), timeout="20ms") as world, RawClient(world.port) as caller:
        await caller.send(GET)
        await until(lambda: world.api.requests)
        await asyncio.wait_for(world.app.drain(), 10)
        answer = await caller.answer()
        assert (answer.status, answer.header("Connection")) == (503, b"close")
        assert b"/errors/draining" in answer.body
        await until(lambda: world.app.graph.plans["api"].metrics.in_flight == 0)


async def test_nothing_is_left_when_it_has_closed(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        await world.ask()
        app = world.app
    assert app.runtime.tasks == 0
    assert all(plan.upstream.connections == 0 for plan in app.graph.plans.values())
