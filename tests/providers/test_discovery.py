"""Issuers that say themselves where tokens are asked for: one as OpenID has it, one as RFC 8414 has it, with a path."""

import pytest

from tests.providers.world import World

pytestmark = pytest.mark.asyncio(loop_scope="package")


@pytest.mark.parametrize("client", ["basic", "es256"])
async def test_an_issuer_is_asked_for_its_token_endpoint(world: World, provider: str, client: str) -> None:
    answer = await world.ask(f"{provider}-discovered-{client}")
    assert (answer.status, answer.document["client"]) == (200, client), answer.document
    await world.forget(provider, answer.document["token"])
    again = await world.ask(f"{provider}-discovered-{client}")
    assert (again.status, again.document["client"]) == (200, client), again.document


async def test_an_issuer_that_names_itself_otherwise_is_not_believed(world: World, provider: str) -> None:
    answer = await world.ask(f"{provider}-discovered-amiss")
    assert (answer.status, answer.document["reason"]) == (502, "malformed_response"), answer.document
    assert answer.document["type"].endswith("/token-unavailable")
