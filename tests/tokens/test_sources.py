"""A reload keeps the sources whose settings did not change, and primes those whose token is configured."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from proxy.credentials import KINDS
from proxy.credentials.base import CredentialSettings
from proxy.net.endpoint import Endpoint
from proxy.net.runtime import Runtime
from proxy.stores.memory import Memory, MemorySettings
from proxy.telemetry.events import EventLog
from proxy.telemetry.metrics import Metrics
from proxy.tokens.sources import build_sources
from proxy.tokens.vault import Vault
from proxy.tokens.workshop import Workshop
from tests.fakes.clock import FakeClock
from tests.fakes.token_room import SEAL, value


def parse(*, value: str = "planted-value", secret: str = "planted-secret") -> Mapping[str, CredentialSettings]:
    """Parse the same configuration anew, as a reload does."""
    written: dict[str, dict[str, Any]] = {
        "stripe": {"kind": "text", "value": value},
        "ldap": {"kind": "basic", "username": "ops", "password": "planted-password"},
        "billing": {
            "kind": "http_request",
            "request": {
                "url": "https://auth.example/session?a={{ TENANT }}",
                "method": "POST",
                "headers": {"X-Key": secret},
                "form": {"client_secret": secret, "tenant": "%%TENANT%%"},
            },
            "variables": {"TENANT": "acme"},
            "token": {"from": "json", "path": "access_token"},
            "expiry": {"from": "json", "path": "expires_in", "type": "seconds"},
            "rejected_when": [{"status": 401}, {"status": 200, "json": "$.code", "equals": "EXPIRED"}],
        },
    }
    return {name: KINDS[record["kind"]].Settings.model_validate(record) for name, record in written.items()}


@pytest.fixture
async def workshop() -> AsyncIterator[Workshop]:
    clock = FakeClock()
    runtime = Runtime(clock, lambda name, error: None)
    store = Memory(MemorySettings(), runtime)
    events = EventLog(clock)
    yield Workshop(Endpoint(clock), Vault(store, SEAL, runtime, events), b"0" * 32, runtime, Metrics(), events)
    await runtime.close()


async def test_a_configured_token_is_ready_and_one_to_be_fetched_is_not_fetched(workshop: Workshop) -> None:
    sources = await build_sources(parse(), workshop)
    assert value(sources.by_name["stripe"].current()) == "planted-value"
    assert sources.by_name["ldap"].current() is not None
    assert sources.by_name["billing"].current() is None


async def test_sources_survive_a_reload_that_changes_nothing(workshop: Workshop) -> None:
    before = await build_sources(parse(), workshop)
    after = await build_sources(parse(), workshop, before)
    assert dict(after.by_name) == dict(before.by_name)


@pytest.mark.parametrize(
    ("change", "changed"), [({"value": "planted-other"}, "stripe"), ({"secret": "planted-other"}, "billing")]
)
async def test_a_changed_secret_makes_a_new_source_of_that_credential_alone(
    workshop: Workshop, change: dict[str, str], changed: str
) -> None:
    before = await build_sources(parse(), workshop)
    after = await build_sources(parse(**change), workshop, before)
    assert {name for name in before.by_name if after.by_name[name] is not before.by_name[name]} == {changed}


async def test_a_credential_that_went_away_has_no_source(workshop: Workshop) -> None:
    before = await build_sources(parse(), workshop)
    assert set((await build_sources({}, workshop, before)).by_name) == set()


async def test_nothing_of_them_shows_a_secret(workshop: Workshop) -> None:
    sources = await build_sources(parse(), workshop)
    assert "planted" not in repr(sources) + repr([source.status() for source in sources.by_name.values()])


async def test_a_chain_of_one_time_secrets_is_found_again_under_other_settings_and_another_key(
    workshop: Workshop,
) -> None:
    def settings(**change: Any) -> dict[str, CredentialSettings]:
        written = {
            "kind": "refresh_token",
            "token_url": "https://auth.example/token",
            "client_id": "client",
            "refresh_token": "planted-first",
        }
        return {"billing": KINDS["refresh_token"].Settings.model_validate({**written, **change})}

    async def key(other: Workshop, **change: Any) -> str:
        return (await build_sources(settings(**change), other)).by_name["billing"]._account.key

    kept_under = await key(workshop)
    assert await key(workshop, scope="other") == kept_under
    assert await key(replace(workshop, identity_key=b"1" * 32)) == kept_under
    assert await key(workshop, refresh_token="planted-second") != kept_under
    assert "planted" not in kept_under


async def test_a_pool_that_goes_on_holds_as_many_as_before_until_its_sources_count(workshop: Workshop) -> None:
    settings = {"own": KINDS["user_token"].Settings.model_validate({"kind": "user_token"})}
    standing = await build_sources(settings, workshop, remembered=7)
    (pool,) = standing.pools.values()
    later = await build_sources(settings, workshop, standing, remembered=3)
    assert (later.pools["own"] is pool, pool.most) == (True, 7)
    later.connect(workshop)
    assert pool.most == 3


async def test_the_circuit_that_users_share_is_seen_once_its_pool_counts(workshop: Workshop) -> None:
    written = {"kind": "client_credentials", "token_url": "https://auth.example/t", "client_id": "c", "per_user": True}
    sources = await build_sources({"own": KINDS["client_credentials"].Settings.model_validate(written)}, workshop)

    def scraped() -> list[str]:
        page = workshop.metrics.render("")[0].decode()
        return [line for line in page.splitlines() if line.startswith("countersign_token_breaker_state{")]

    circuit = sources.pools["own"].circuit
    assert circuit is not None
    assert scraped() == []
    sources.connect(workshop)
    for _ in range(5):
        circuit.record(circuit.admit(), ok=False)
    assert scraped() == ['countersign_token_breaker_state{credential="own"} 2.0']
