"""What only the package `oidc-provider` of npm knows of: resources, token exchange, certificates."""

import pytest

from tests.providers.clients import RESOURCE, USER
from tests.providers.provider import OidcProvider
from tests.providers.world import World

pytestmark = pytest.mark.asyncio(loop_scope="package")


@pytest.fixture(autouse=True)
def _needed() -> None:
    OidcProvider.needed()


async def test_a_resource_that_the_provider_does_not_know_is_told_as_its_refusal(world: World) -> None:
    answer = await world.ask("oidc-provider-resource-unknown")
    assert (answer.status, answer.document["reason"]) == (502, "provider_4xx"), answer.document


async def test_a_token_is_exchanged_for_one_that_an_actor_may_use_at_a_resource(world: World) -> None:
    answer = await world.ask("oidc-provider-exchange-resource")
    assert (answer.status, answer.document["user"]) == (200, USER), answer.document
    assert (answer.document["audience"], answer.document["scope"]) == (RESOURCE, "read")


async def test_an_issuer_tells_clients_with_a_certificate_where_it_asks_for_one(world: World) -> None:
    answer = await world.ask("oidc-provider-discovered-vouched")
    assert (answer.status, answer.document["client"]) == (200, "vouched"), answer.document
