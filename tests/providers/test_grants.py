"""Every grant, with every way to prove a client, against two providers that are not ours."""

from typing import Final, cast

import pytest

from tests.providers.cases import CASES, FALSIFIED, PROVIDERS, Case
from tests.providers.clients import RESOURCE, USER
from tests.providers.world import HAS_WRONG_GRANT, WRONG_CLIENT, WRONG_GRANT, World

pytestmark = pytest.mark.asyncio(loop_scope="package")

REASONS: Final = {
    ("oidc-provider", "password"): "invalid_grant",
    ("oidc-provider", "refresh_token"): "invalid_grant",
    ("oidc-provider", "jwt_bearer"): "invalid_grant",
    ("oidc-provider", "token_exchange"): "provider_4xx",  # invalid_request (RFC 8693 §2.2.2)
    ("authlib", "password"): "provider_4xx",  # invalid_request, though RFC 6749 §5.2 has invalid_grant for it
    ("authlib", "refresh_token"): "invalid_grant",
    ("authlib", "jwt_bearer"): "invalid_grant",
}
"""What a caller is told of a grant that the provider does not believe."""

ASKS_NO_CLIENT: Final = {("authlib", "jwt_bearer")}
"""There the assertion speaks for whoever sends it."""


@pytest.fixture
def case(request: pytest.FixtureRequest) -> Case:
    """One of the table; skipped where its provider cannot run."""
    PROVIDERS[request.param.provider].needed()
    return cast("Case", request.param)


def each(*cases: Case) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", cases, indirect=True, ids=str)


@each(*CASES)
async def test_a_request_is_answered_and_one_with_a_dead_token_renewed_and_sent_again(world: World, case: Case) -> None:
    first = await world.ask(str(case))
    assert (first.status, first.document["client"]) == (200, case.client), first.document
    assert first.document["user"] == (None if case.grant == "client_credentials" else USER)
    same = await world.ask(str(case))
    assert same.document["token"] == first.document["token"]
    await world.forget(case.provider, first.document["token"])
    second = await world.ask(str(case))
    assert (second.status, second.document["client"]) == (200, case.client), second.document
    assert second.document["token"] != first.document["token"]


@each(*(case for case in FALSIFIED if (case.provider, case.grant) not in ASKS_NO_CLIENT))
async def test_an_impostor_is_told_invalid_client(world: World, case: Case) -> None:
    answer = await world.ask(f"{case}{WRONG_CLIENT}")
    assert (answer.status, answer.document["reason"]) == (502, "invalid_client"), answer.document
    assert answer.document["type"].endswith("/token-unavailable")


@each(*(case for case in FALSIFIED if case.grant in HAS_WRONG_GRANT))
async def test_a_grant_that_is_not_believed_is_told_as_such(world: World, case: Case) -> None:
    answer = await world.ask(f"{case}{WRONG_GRANT}")
    assert (answer.status, answer.document["reason"]) == (502, REASONS[case.provider, case.grant]), answer.document
    assert answer.document["type"].endswith("/token-unavailable")


async def test_a_password_is_sent_again_once_the_refresh_token_has_ended(world: World, provider: str) -> None:
    first = await world.ask(f"{provider}-password-consent")
    assert first.status == 200, first.document
    await world.forget(provider, first.document["token"], consent="withdrawn")
    second = await world.ask(f"{provider}-password-consent")
    assert (second.status, second.document["user"]) == (200, USER), second.document


async def test_a_person_who_takes_consent_back_ends_what_it_gave(world: World, provider: str) -> None:
    first = await world.ask(f"{provider}-refresh-consent")
    assert first.status == 200, first.document
    await world.forget(provider, first.document["token"], consent="withdrawn")
    second = await world.ask(f"{provider}-refresh-consent")
    assert (second.status, second.document["reason"]) == (502, "invalid_grant"), second.document


async def test_a_chain_of_refresh_tokens_goes_on_as_often_as_it_must(world: World, provider: str) -> None:
    seen = set()
    for _ in range(5):
        answer = await world.ask(f"{provider}-refresh_token-public")
        assert answer.status == 200, answer.document
        seen.add(answer.document["token"])
        await world.forget(provider, answer.document["token"])
    assert len(seen) == 5


async def test_a_resource_is_what_the_token_is_for(world: World, provider: str) -> None:
    answer = await world.ask(f"{provider}-resource")
    assert answer.status == 200, answer.document
    assert (answer.document["audience"], answer.document["scope"]) == (RESOURCE, "read")


async def test_the_table_is_whole() -> None:
    grants, clients = 5, 10
    assert len([case for case in CASES if case.provider == "oidc-provider"]) == grants * clients
    assert len([case for case in CASES if case.provider == "authlib"]) == 3 * 6 + 2
