"""The source of a user: made of their own variables, and its record is nobody else's."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from proxy.core.errors import CircuitOpenError, TokenUnavailableError
from proxy.core.person import Person
from proxy.core.secret import Secret
from proxy.core.token import Token
from proxy.credentials import KINDS
from proxy.credentials.base import CredentialSettings
from proxy.net.endpoint import Endpoint
from proxy.net.runtime import Runtime
from proxy.stores.base import StoreError
from proxy.stores.memory import Memory, MemorySettings
from proxy.telemetry.events import EventLog, EventName
from proxy.telemetry.metrics import Metrics
from proxy.tokens.identity import identity_of
from proxy.tokens.personal import build_pool
from proxy.tokens.pool import Pool
from proxy.tokens.vault import Vault
from proxy.tokens.workshop import Workshop
from tests.fakes.clock import FakeClock
from tests.fakes.flaky_store import FlakyStore
from tests.fakes.token_room import SEAL, transient

LOGIN: Mapping[str, Any] = {
    "kind": "http_request",
    "per_user": True,
    "request": {"url": "https://auth.example/session", "form": {"who": "{{ USER_ID }}", "password": "{{ PASSWORD }}"}},
    "token": {"from": "json", "path": "access_token"},
}


def person(user: str = "ann", **known: str) -> Person:
    async def look_up() -> Mapping[str, Secret]:
        return {"USER_ID": Secret(user), **{name: Secret(value) for name, value in known.items()}}

    return Person(user, f"pseudonym-of-{user}", look_up)


def settings(written: Mapping[str, Any] = LOGIN, **more: Any) -> CredentialSettings:
    return KINDS[written["kind"]].Settings.model_validate({**written, **more})


@pytest.fixture
async def workshop() -> AsyncIterator[Workshop]:
    clock = FakeClock()
    runtime = Runtime(clock, lambda name, error: None)
    events = EventLog(clock)
    vault = Vault(Memory(MemorySettings(), runtime), SEAL, runtime, events)
    yield Workshop(Endpoint(clock), vault, b"0" * 32, runtime, Metrics(), events)
    await runtime.close()


def pool(workshop: Workshop, described: CredentialSettings | None = None, name: str = "billing") -> Pool:
    described = described or settings()
    return build_pool(name, described, identity_of(described, workshop.identity_key), workshop, 7)


async def test_users_share_a_credential_in_which_nothing_is_their_own(workshop: Workshop) -> None:
    grant = {"kind": "client_credentials", "per_user": True, "token_url": "https://auth.example/t", "client_id": "c"}
    shared, apart = pool(workshop, settings(grant)), pool(workshop)
    ann, ben = person(PASSWORD="planted-1"), person("ben", PASSWORD="planted-2")
    assert (await shared.obtain(ann)).credential is (await shared.obtain(ben)).credential
    assert await key(shared, ann) != await key(shared, ben)
    assert (await apart.obtain(ann)).credential is not (await apart.obtain(ben)).credential


async def key(pool: Pool, who: Person) -> str:
    return (await pool.obtain(who))._account.key


async def test_a_pool_holds_as_many_as_the_configuration_says(workshop: Workshop) -> None:
    assert pool(workshop).most == 7


async def test_the_credential_has_the_variables_of_its_user(workshop: Workshop) -> None:
    source = await pool(workshop).obtain(person(PASSWORD="planted-password", OTHER="planted-other"))
    variables = {name: value.reveal() for name, value in source.credential.settings.fixed_variables.items()}
    assert variables == {"USER_ID": "ann", "PASSWORD": "planted-password"}


async def test_a_record_is_of_one_credential_one_user_and_their_variables(workshop: Workshop) -> None:
    kept_under = await key(pool(workshop), person(PASSWORD="planted-1"))
    assert await key(pool(workshop), person(PASSWORD="planted-1")) == kept_under
    others = {
        await key(pool(workshop), person(PASSWORD="planted-2")),
        await key(pool(workshop), person("ben", PASSWORD="planted-1")),
        await key(pool(workshop, name="crm"), person(PASSWORD="planted-1")),
        await key(pool(workshop, settings(safety_window="1s")), person(PASSWORD="planted-1")),
        await key(pool(replace(workshop, identity_key=b"1" * 32)), person(PASSWORD="planted-1")),
    }
    assert len({*others, kept_under}) == 6
    assert "planted" not in "".join({*others, kept_under})


async def test_a_users_chain_of_one_time_secrets_goes_on_under_other_settings(workshop: Workshop) -> None:
    chain: dict[str, Any] = {
        "kind": "refresh_token",
        "per_user": True,
        "token_url": "https://auth.example/token",
        "client_id": "client",
        "refresh_token": "planted-first",
    }
    kept_under = await key(pool(workshop, settings(chain)), person())
    assert await key(pool(workshop, settings(chain, scope="other")), person()) == kept_under
    assert await key(pool(workshop, settings(chain)), person("ben")) != kept_under


async def test_a_variable_that_a_user_does_not_have_is_named_for_operators_and_no_endpoint_is_blamed(
    workshop: Workshop,
) -> None:
    source = await pool(workshop).obtain(person())
    with pytest.raises(TokenUnavailableError) as caught:
        await source.obtain()
    assert not caught.value.counts
    (event,) = workshop.events.query().events
    assert event.event is EventName.REFRESH_FAILED
    assert "the variable PASSWORD has no value for this user" in event.detail


async def test_without_the_store_no_source_is_made_of_what_it_would_have_said(workshop: Workshop) -> None:
    async def away() -> Mapping[str, Secret]:
        raise StoreError("away")

    made = pool(workshop)
    with pytest.raises(TokenUnavailableError) as caught:
        await made.obtain(Person("ann", "pseudonym-of-ann", away))
    assert caught.value.retry_after == 1.0
    assert len(made) == 0


async def test_a_caller_who_leaves_while_the_store_is_asked_leaves_no_source_behind(workshop: Workshop) -> None:
    store = FlakyStore(MemorySettings(), workshop.runtime)
    slow = replace(workshop, vault=Vault(store, SEAL, workshop.runtime, workshop.events))
    store.hang()
    asking = asyncio.create_task(pool(slow).obtain(person(PASSWORD="planted-1")))
    await asyncio.sleep(0)
    assert slow.vault._followers
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    assert not slow.vault._followers


def grant(**more: Any) -> CredentialSettings:
    written = {"kind": "client_credentials", "token_url": "https://auth.example/t", "client_id": "c", "per_user": True}
    return settings(written, **more)


async def test_the_users_of_a_credential_share_the_circuit_of_its_token_endpoint_and_nothing_else_of_it(
    workshop: Workshop,
) -> None:
    one, other = pool(workshop, grant()), pool(workshop, grant(), "crm")
    ann, ben = await one.obtain(person()), await one.obtain(person("ben"))
    assert ann._gate is not ben._gate
    assert ann._gate.circuit is ben._gate.circuit is one.circuit
    assert (await other.obtain(person()))._gate.circuit is not one.circuit


async def test_a_user_whose_source_is_made_anew_meets_the_circuit_as_it_was(workshop: Workshop) -> None:
    made = pool(workshop, grant())
    for number in range(5):
        gate = (await made.obtain(person(f"user-{number}")))._gate
        gate.failed(gate.enter(), transient())
    made.dismiss(None)
    source = await made.obtain(person())
    with pytest.raises(CircuitOpenError) as caught:
        async with asyncio.timeout(5.0):
            await source.obtain()
    assert not caught.value.counts  # on the route: others hold tokens that live
    assert [event.event for event in workshop.events.query().events].count(EventName.BREAKER_OPENED) == 1


async def test_a_user_who_holds_a_token_is_served_while_the_circuit_is_open(workshop: Workshop) -> None:
    made = pool(workshop, grant())
    ann = await made.obtain(person())
    await ann.plant(Token(Secret("planted-token"), workshop.runtime.clock.now()))
    for number in range(5):
        gate = (await made.obtain(person(f"user-{number}")))._gate
        gate.failed(gate.enter(), transient())
    assert ann.status().breaker == "open"
    assert (await ann.obtain()).token.value.reveal() == "planted-token"
