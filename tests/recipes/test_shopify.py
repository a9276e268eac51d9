"""The recipe for Shopify: new apps, and those that were made in the shop's admin."""

import time

import pytest

from tests.fakes.vendors.shopify import ADMIN_TOKEN, CLIENT, SECRET, Shopify
from tests.recipes.harness import Recipe, explained, refused, renews, running

GIVEN = {
    "SHOPIFY_SHOP": "a-shop",
    "SHOPIFY_CLIENT_ID": CLIENT,
    "SHOPIFY_CLIENT_SECRET": SECRET,
    "SHOPIFY_ADMIN_TOKEN": ADMIN_TOKEN,
}
QUERY = '{"query": "{ shop { name } }"}'
GRAPHQL = "/shopify/2026-10/graphql.json"


def recipe(shopify: Shopify) -> Recipe:
    return Recipe("shopify", GIVEN, addresses={"https://${env:SHOPIFY_SHOP}.myshopify.com": shopify.url})


async def test_a_token_is_had_used_and_had_again_when_it_was_taken_back() -> None:
    async with Shopify() as shopify, running(recipe(shopify)) as example:
        json = {"Content-Type": "application/json"}
        told = await renews(example, shopify, GRAPHQL, method="POST", data=QUERY, headers=json)
        ends = (await example.metrics()).of("countersign_token_expires_at_seconds", credential="shopify")
        old = await example.ask("/shopify-admin/2026-10/shop.json")
    assert told.document["data"]["asked"] == "{ shop { name } }"
    assert shopify.statuses("/admin/api/2026-10/graphql") == [200, 401, 200]
    assert {visit.body for visit in shopify.visits if "graphql" in visit.path} == {QUERY.encode()}
    assert "Authorization" not in shopify.visits[0].headers
    assert old.status == 200
    assert ends == pytest.approx(time.time() + 86_399, abs=60)


async def test_a_wrong_secret_is_named_as_what_it_is() -> None:
    async with Shopify() as shopify:
        wrong = recipe(shopify).given(SHOPIFY_CLIENT_SECRET="another-secret")
        assert await refused(wrong, GRAPHQL) == ("token-unavailable", "invalid_client")
    assert shopify.statuses("/admin/api") == []


async def test_an_app_that_is_not_installed_is_refused_with_a_page_and_asked_for_once() -> None:
    async with Shopify() as shopify:
        shopify.is_installed = False
        assert await refused(recipe(shopify), GRAPHQL) == ("token-unavailable", "provider_4xx")
    assert shopify.statuses("/admin/oauth") == [400]


def test_explain_says_what_would_be_sent() -> None:
    for route in ("shopify", "shopify-admin"):
        told = explained(Recipe("shopify", GIVEN), "GET", f"/{route}/2026-10/shop.json")
        assert "would be sent: GET https://***.myshopify.com/admin/api/2026-10/shop.json\n" in told
        assert "  X-Shopify-Access-Token: ***\n" in told
        assert "Authorization" not in told
        assert ADMIN_TOKEN not in told
