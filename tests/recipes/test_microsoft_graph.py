"""The recipe for Microsoft Graph: by a secret, and by a certificate."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.fakes import keys
from tests.fakes.vendors.microsoft import CLIENT, KEY, SECRET, TENANT, Microsoft
from tests.recipes.harness import Recipe, explained, refused, renews, running

GIVEN = {"GRAPH_TENANT_ID": TENANT, "GRAPH_CLIENT_ID": CLIENT, "GRAPH_CLIENT_SECRET": SECRET}
ROUTES = ("graph", "graph-by-certificate")


@pytest_asyncio.fixture
async def microsoft() -> AsyncIterator[Microsoft]:
    async with Microsoft() as microsoft:
        yield microsoft


def certified(number: int) -> dict[str, str]:
    return {"graph-key.pem": keys.pem("rsa", number), "graph.crt": keys.certificate("rsa", number)}


def recipe(microsoft: Microsoft) -> Recipe:
    addresses = {
        "https://login.microsoftonline.com": microsoft.url,
        "https://graph.microsoft.com/v1.0": f"{microsoft.url}/v1.0",
    }
    return Recipe("microsoft-graph", GIVEN, certified(KEY[1]), addresses)


async def test_a_token_is_had_used_and_had_again_when_it_was_taken_back(microsoft: Microsoft) -> None:
    async with running(recipe(microsoft)) as example:
        for route in ROUTES:
            told = await renews(example, microsoft, f"/{route}/users?$top=5")
            assert told.document["value"] == []
    assert microsoft.statuses("/v1.0/users?$top=5") == [200, 401, 200] * 2


async def test_a_429_is_the_callers_with_its_retry_after(microsoft: Microsoft) -> None:
    async with running(recipe(microsoft)) as example:
        microsoft.busy = True
        told = await example.ask("/graph/users")
    assert (told.status, told.headers["Retry-After"]) == (429, "17")
    assert told.document["error"]["code"] == "TooManyRequests"
    assert microsoft.statuses("/v1.0") == [429]
    assert len(microsoft.issued) == 1


async def test_a_wrong_secret_and_a_strange_certificate_are_named_as_what_they_are(microsoft: Microsoft) -> None:
    wrong = recipe(microsoft).given(GRAPH_CLIENT_SECRET="its-id-not-its-value", files=certified(99))
    for route in ROUTES:
        assert await refused(wrong, f"/{route}/users") == ("token-unavailable", "invalid_client")
    assert microsoft.issued == []


@pytest.mark.parametrize("route", ROUTES)
def test_explain_says_what_would_be_sent(route: str) -> None:
    told = explained(Recipe("microsoft-graph", GIVEN, certified(KEY[1])), "GET", f"/{route}/users?$top=5")
    assert "would be sent: GET https://graph.microsoft.com/v1.0/users?$top=5\n" in told
    assert "  Authorization: ***\n" in told
