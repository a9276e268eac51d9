"""The recipe for Salesforce: by the app's secret, and by a key for a user."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.fakes import keys
from tests.fakes.vendors.salesforce import CLIENT, KEY, SECRET, USER, Salesforce
from tests.recipes.harness import Recipe, explained, refused, renews, running

GIVEN = {
    "SALESFORCE_DOMAIN": "acme.my.salesforce.com",
    "SALESFORCE_CLIENT_ID": CLIENT,
    "SALESFORCE_CLIENT_SECRET": SECRET,
    "SALESFORCE_USER": USER,
}
ROUTES = ("salesforce", "salesforce-user")


@pytest_asyncio.fixture
async def salesforce() -> AsyncIterator[Salesforce]:
    async with Salesforce() as salesforce:
        yield salesforce


def key_file(number: int) -> dict[str, str]:
    return {"salesforce-key.pem": keys.pem("rsa", number)}


def recipe(salesforce: Salesforce) -> Recipe:
    return Recipe("salesforce", GIVEN, key_file(KEY[1]), {"https://${env:SALESFORCE_DOMAIN}": salesforce.url})


async def test_a_session_that_salesforce_ends_is_begun_again(salesforce: Salesforce) -> None:
    async with running(recipe(salesforce)) as example:
        for route in ROUTES:
            told = await renews(example, salesforce, f"/{route}/v62.0/query?q=SELECT+Id+FROM+Account")
            assert told.document["done"]
    assert salesforce.statuses("/services/data/v62.0/query") == [200, 401, 200] * 2


async def test_what_is_refused_for_another_reason_passes_and_renews_nothing(salesforce: Salesforce) -> None:
    async with running(recipe(salesforce)) as example:
        assert (await example.ask("/salesforce/v62.0/missing")).document[0]["errorCode"] == "NOT_FOUND"
        salesforce.complains = "INVALID_AUTH_HEADER"
        assert (await example.ask("/salesforce/v62.0/limits")).status == 401
    assert len(salesforce.issued) == 1


async def test_a_wrong_secret_is_named_as_what_it_is(salesforce: Salesforce) -> None:
    wrong = recipe(salesforce).given(SALESFORCE_CLIENT_SECRET="another-secret")
    assert await refused(wrong, "/salesforce/v62.0/limits") == ("token-unavailable", "invalid_client")
    assert salesforce.statuses("/services/data") == []


async def test_a_user_who_has_not_approved_the_app_is_named_as_a_grant_that_is_refused(salesforce: Salesforce) -> None:
    wrong = recipe(salesforce).given(SALESFORCE_USER="stranger@acme.example")
    assert await refused(wrong, "/salesforce-user/v62.0/limits") == ("token-unavailable", "invalid_grant")


async def test_a_key_that_is_not_the_apps_is_named_as_a_grant_that_is_refused(salesforce: Salesforce) -> None:
    wrong = recipe(salesforce).given(files=key_file(99))
    assert await refused(wrong, "/salesforce-user/v62.0/limits") == ("token-unavailable", "invalid_grant")


@pytest.mark.parametrize("route", ROUTES)
def test_explain_says_what_would_be_sent(route: str) -> None:
    told = explained(Recipe("salesforce", GIVEN, key_file(KEY[1])), "GET", f"/{route}/v62.0/limits")
    # what comes from the environment is taken for a secret
    assert "would be sent: GET https://***/services/data/v62.0/limits\n" in told
    assert f"signed with: {route}\n" in told
    assert "  Authorization: ***\n" in told
