"""What sources are made with makes each of the kind and with the record that it is told."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from proxy.credentials import KINDS
from proxy.credentials.base import CredentialSettings
from proxy.credentials.http_request import HttpRequest
from proxy.net.endpoint import Endpoint
from proxy.net.runtime import Runtime
from proxy.stores.memory import Memory, MemorySettings
from proxy.telemetry.events import EventLog
from proxy.telemetry.metrics import Metrics
from proxy.tokens.vault import Vault
from proxy.tokens.workshop import Workshop
from tests.fakes.clock import FakeClock
from tests.fakes.credential import ScriptedCredential
from tests.fakes.token_room import SEAL


@pytest.fixture
async def workshop() -> AsyncIterator[Workshop]:
    clock = FakeClock()
    runtime = Runtime(clock, lambda name, error: None)
    events = EventLog(clock)
    vault = Vault(Memory(MemorySettings(), runtime), SEAL, runtime, events)
    yield Workshop(Endpoint(clock), vault, b"0" * 32, runtime, Metrics(), events)
    await runtime.close()


def settings(**more: Any) -> CredentialSettings:
    written = {
        "kind": "http_request",
        "request": {"url": "https://auth.example/session"},
        "token": {"from": "json", "path": "access_token"},
    }
    return KINDS["http_request"].Settings.model_validate({**written, **more})


def test_a_credential_is_of_the_kind_that_its_settings_name(workshop: Workshop) -> None:
    made = workshop.credential("billing", settings())
    assert isinstance(made, HttpRequest)
    assert made.name == "billing"
    assert made.endpoint is workshop.endpoint
    assert made.clock is workshop.runtime.clock


async def test_a_source_has_the_record_the_identity_and_the_numbers_that_it_is_given(workshop: Workshop) -> None:
    source = workshop.source(workshop.credential("billing", settings()), "token/billing/key", "identity")
    assert (source.name, source.identity) == ("billing", "identity")
    assert source._account.key == "token/billing/key"
    assert source._metrics is workshop.metrics.credential("billing")
    assert source.current() is None


async def test_a_source_has_a_circuit_of_its_own_unless_it_is_given_one(workshop: Workshop) -> None:
    circuit, credential = workshop.circuit("billing"), workshop.credential("billing", settings())
    alone = [workshop.source(credential, f"token/billing/{number}", "identity") for number in range(2)]
    together = [workshop.source(credential, f"token/billing/{number}", "identity", circuit) for number in range(2)]
    assert alone[0]._gate.circuit is not alone[1]._gate.circuit
    assert {id(source._gate.circuit) for source in together} == {id(circuit)}


async def test_a_token_that_nobody_uses_lapses_though_others_of_the_credential_are_used(workshop: Workshop) -> None:
    clock = workshop.runtime.clock
    assert isinstance(clock, FakeClock)
    busy, idle = (ScriptedCredential(clock) for _ in range(2))
    busy.name = idle.name = "billing"
    one, other = (
        workshop.source(credential, f"token/billing/{number}", "identity")
        for number, credential in enumerate((busy, idle))
    )
    for source in (one, other):
        await source.obtain()
    for _ in range(100):
        await clock.advance(seconds=30)
        assert one.current() is not None
    assert (busy.count > 5, idle.count) == (True, 2)
