"""What one credential's runs bring reaches others, here and in the fleet."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from proxy.core.errors import TokenUnavailableError
from proxy.core.secret import Secret
from proxy.core.token import Token
from proxy.credentials import KINDS
from proxy.net.endpoint import Endpoint
from proxy.net.runtime import Runtime
from proxy.stores.base import StoreError
from proxy.stores.memory import MemorySettings
from proxy.telemetry.events import EventLog
from proxy.telemetry.metrics import Metrics
from proxy.tokens.source import Source
from proxy.tokens.sources import Sources, build_sources
from proxy.tokens.vault import Vault
from proxy.tokens.workshop import Workshop
from tests.credentials.test_workflow import challenge
from tests.fakes.clock import FakeClock
from tests.fakes.flaky_store import FlakyStore
from tests.fakes.login_server import LoginServer
from tests.fakes.token_room import SEAL, value
from tests.fakes.until import until


class Process:
    """One process: a login, and a credential `upload` that it saves to."""

    def __init__(self, server: LoginServer, clock: FakeClock, store: FlakyStore, runtime: Runtime) -> None:
        self.server = server
        self.events = EventLog(clock)
        vault = Vault(store, SEAL, runtime, self.events)
        self.workshop = Workshop(Endpoint(clock), vault, b"0" * 32, runtime, Metrics(), self.events)
        self.sources: Sources

    async def begin(self, *, refresh: bool = False, **upload: Any) -> "Process":
        login = {**challenge(self.server.url), "save_to": "upload"}
        if not refresh:
            login["refresh"] = []
        told = {
            "kind": "workflow",
            "steps": [],
            "token": "up-{{ ACCESS_TOKEN }}",
            "inject": [{"kind": "header", "name": "X-Tenant", "value": "{{ TENANT }}/{{ TOKEN }}"}],
            **upload,
        }
        settings = {"login": login, "upload": told}
        parsed = {name: KINDS["workflow"].Settings.model_validate(record) for name, record in settings.items()}
        self.sources = await build_sources(parsed, self.workshop)
        self.sources.connect(self.workshop)
        return self

    @property
    def login(self) -> Source:
        return self.sources.by_name["login"]

    @property
    def upload(self) -> Source:
        return self.sources.by_name["upload"]

    async def generation(self, number: int) -> None:
        """Return once `upload` has a token of that generation."""
        await until(lambda: self.upload.status().generation >= number)


class Bench:
    """A strict server, and processes on one store."""

    def __init__(self, server: LoginServer, clock: FakeClock) -> None:
        self.server = server
        self.clock = clock
        self.endpoints: list[Endpoint] = []
        self.reported: list[BaseException] = []
        self.runtime = Runtime(clock, lambda name, error: self.reported.append(error))
        self.store = FlakyStore(MemorySettings(), self.runtime)

    async def process(self, **more: Any) -> Process:
        process = Process(self.server, self.clock, self.store, self.runtime)
        self.endpoints.append(process.workshop.endpoint)
        return await process.begin(**more)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    clock = FakeClock()
    async with LoginServer(clock) as server:
        bench = Bench(server, clock)
        await clock.advance(minutes=5)
        yield bench
        await bench.runtime.close()
        for endpoint in bench.endpoints:
            await endpoint.close()
        assert bench.reported == []


async def test_a_run_brings_a_token_for_another_credential_too_with_its_expiry(bench: Bench) -> None:
    process = await bench.process()
    held = await process.login.obtain()
    await process.generation(1)
    got = process.upload.current()
    assert value(got) == f"up-{value(held)}"
    assert got is not None
    assert got.token.expires_at == held.token.expires_at
    assert got.token.variables == held.token.variables
    assert got.injection.lines == f"X-Tenant: acme/{value(got)}\r\n".encode()


async def test_each_further_run_begins_a_new_generation_there(bench: Bench) -> None:
    process = await bench.process()
    await process.login.obtain()
    await process.generation(1)
    await bench.clock.advance(seconds=10)
    held = await process.login.refresh()
    await process.generation(2)
    assert value(process.upload.current()) == f"up-{value(held)}"


async def test_every_process_of_the_fleet_hears_of_it(bench: Bench) -> None:
    one, other = await bench.process(), await bench.process()
    await one.login.obtain()
    await other.generation(1)
    assert value(other.upload.current()) == value(one.upload.current())
    assert bench.server.visits.count("POST /session") == 1


async def test_who_has_no_steps_lets_the_other_run_when_a_request_needs_it(bench: Bench) -> None:
    process = await bench.process()
    got = await process.upload.obtain()
    assert value(got) == f"up-{bench.server.tokens[0]}"
    assert bench.server.visits == ["POST /challenge", "POST /session"]


async def test_a_refused_token_without_steps_lets_the_other_run_once_more(bench: Bench) -> None:
    process = await bench.process()
    got = await process.upload.obtain()
    await bench.clock.advance(seconds=10)
    renewal = await process.upload.renew(got)
    assert value(renewal.held) == f"up-{bench.server.tokens[1]}"
    assert bench.server.visits.count("POST /session") == 2


async def test_a_revoked_token_without_steps_lets_the_other_run_once_more(bench: Bench) -> None:
    process = await bench.process()
    await process.upload.obtain()
    await bench.clock.advance(seconds=10)
    await process.upload.revoke()
    assert value(await process.upload.obtain()) == f"up-{bench.server.tokens[1]}"
    assert bench.server.visits.count("POST /session") == 2


async def test_so_does_another_process_and_one_that_begins_later(bench: Bench) -> None:
    one, other = await bench.process(), await bench.process()
    await one.upload.obtain()
    await bench.clock.advance(seconds=10)
    await one.upload.revoke()
    assert value(await other.upload.obtain()) == f"up-{bench.server.tokens[1]}"


async def test_variables_that_made_no_token_do_not_let_the_other_run_each_time(bench: Bench) -> None:
    process = await bench.process(token="{{ OTHER }}")
    await process.login.obtain()
    await until(lambda: "TENANT" in process.upload._account.record.variables)
    with pytest.raises(TokenUnavailableError):
        await process.upload.obtain()
    assert bench.server.visits.count("POST /session") == 1


async def test_when_the_other_has_nothing_to_give_that_is_said(bench: Bench) -> None:
    bench.server.knobs.status["/session"] = 403
    process = await bench.process()
    with pytest.raises(TokenUnavailableError, match="there is no token for upload"):
        await process.upload.obtain()
    failure = process.upload.status().failure
    assert failure is not None
    assert "login, which saves to it, has nothing to give" in failure.detail


async def test_variables_that_make_no_token_are_kept_and_leave_the_token_alone(bench: Bench) -> None:
    step = {
        "name": "own",
        "request": {"url": f"{bench.server.url}/mfa", "headers": {"X-Tenant": "{{ TENANT }}"}},
        "extract": {"PROOF": {"from": "json", "path": "proof"}},
    }
    own = {"steps": [step], "variables": {"TENANT": "none"}, "allow_plain_http": True, "token": "{{ PROOF }}"}
    process = await bench.process(**own)
    before = await process.upload.obtain()
    await process.login.obtain()
    await until(lambda: "TENANT" in process.upload._account.record.variables)
    record = process.upload._account.record
    assert (record.generation, record.token and record.token.value) == (1, before.token.value)
    assert record.variables["TENANT"] == Secret("acme")
    assert process.upload.current() is not None


async def test_a_token_of_its_own_that_is_newer_is_left_alone(bench: Bench) -> None:
    process = await bench.process()
    got = await process.upload.obtain()
    before = process.upload._account.record.generation
    old = {"ACCESS_TOKEN": Secret("an-old-one"), "TENANT": Secret("x")}
    await process.upload.receive(Token(Secret("an-old-one"), bench.clock.now() - 1, variables=old))
    assert (value(process.upload.current()), process.upload._account.record.generation) == (value(got), before)
    assert process.upload._account.record.variables["TENANT"] == Secret("acme")


async def test_what_is_being_spent_there_stays_in_doubt(bench: Bench) -> None:
    request = {"url": f"{bench.server.url}/mfa", "headers": {"X-Proof": "{{ PROOF }}"}}
    step = {"name": "own", "request": request, "extract": {"PROOF": {"from": "json", "path": "proof"}}}
    own = {"steps": [step], "refresh": [{**step, "name": "renew"}], "variables": {"PROOF": "first", "TENANT": "none"}}
    process = await bench.process(**own, allow_plain_http=True, token="{{ PROOF }}-{{ TENANT }}")
    await process.upload.obtain()
    account = process.upload._account
    assert await account.save(account.record.spend(bench.clock.monotonic()))
    await process.upload.receive(Token(Secret("x"), bench.clock.now(), variables={"TENANT": Secret("acme")}))
    record = account.record
    assert (record.generation, record.may_be_spent, record.spending_since) == (2, True, bench.clock.monotonic())


async def test_while_the_store_is_down_the_own_token_serves_and_the_next_fetch_tries_again(bench: Bench) -> None:
    process = await bench.process()
    await process.upload.obtain()
    bench.store.error = StoreError("the store is away")
    await bench.clock.advance(seconds=10)
    task = bench.runtime.spawn(process.login.refresh(), name="refresh")
    await bench.clock.advance(seconds=1)
    await until(task.done)
    assert value(process.login.current()) == bench.server.tokens[-1]
    await until(lambda: any(event.event.value == "saving_failed" for event in process.events.query().events))
    [told] = [event for event in process.events.query().events if event.event.value == "saving_failed"]
    assert told.credential == "login"
    assert "could not be saved to upload: the store is away" in told.detail
    bench.store.error = None
    await bench.clock.advance(seconds=10)
    again = await process.login.refresh()
    await process.generation(2)
    assert value(process.upload.current()) == f"up-{value(again)}"


async def test_another_holder_of_the_lock_is_waited_for(bench: Bench) -> None:
    process = await bench.process()
    key = process.upload._account.key
    lease = await bench.store.acquire(key)
    assert lease is not None
    await process.login.obtain()
    await bench.clock.advance(seconds=1)
    assert process.upload.current() is None
    await lease.release()
    await bench.clock.advance(seconds=1)
    await process.generation(1)
    assert process.upload.current() is not None


async def test_after_a_reload_nothing_is_saved_to_who_is_no_longer_named(bench: Bench) -> None:
    process = await bench.process()
    process.login.give_to(None)
    await process.login.obtain()
    await bench.clock.settle()
    assert process.upload.status().generation == 0
