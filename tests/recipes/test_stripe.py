"""The recipe for Stripe."""

from hashlib import sha256

from tests.fakes.vendors.stripe import KEY, Stripe
from tests.recipes.harness import Recipe, explained, running

CALLER = "the-key-of-the-shop"
PROOF = {"Authorization": f"Bearer {CALLER}"}
GIVEN = {"STRIPE_KEY": KEY, "SHOP_KEY_HASH": f"sha256:{sha256(CALLER.encode()).hexdigest()}"}


def recipe(stripe: Stripe) -> Recipe:
    return Recipe("stripe", GIVEN, addresses={"https://api.stripe.com": stripe.url})


async def test_a_charge_is_made_once_however_often_the_sdk_asks_with_its_key() -> None:
    async with Stripe() as stripe, running(recipe(stripe)) as example:
        headers = {**PROOF, "Idempotency-Key": "a-key-for-this-charge"}
        first = await example.ask("/stripe/v1/charges", "POST", headers=headers, data={"amount": "2000"})
        again = await example.ask("/stripe/v1/charges", "POST", headers=headers, data={"amount": "2000"})
        other = await example.ask("/stripe/v1/charges", "POST", headers=headers, data={"amount": "3000"})
    assert (first.status, first.document["amount"]) == (200, 2000)
    assert (again.body, again.headers["Idempotent-Replayed"]) == (first.body, "true")
    assert (other.status, other.document["error"]["type"]) == (400, "idempotency_error")
    assert stripe.charges == 1


async def test_the_sdks_own_version_goes_on_and_whoever_names_none_gets_the_configured_one() -> None:
    async with Stripe() as stripe, running(recipe(stripe)) as example:
        for version in ({}, {"Stripe-Version": "2023-10-16"}):
            answer = await example.ask("/stripe/v1/balance", headers={**PROOF, **version})
            assert answer.status == 200, answer.body
    assert [visit.headers["Stripe-Version"] for visit in stripe.visits] == ["2024-06-20", "2023-10-16"]


async def test_a_key_that_was_revoked_is_refused_once_and_the_refusal_is_the_vendors() -> None:
    async with Stripe() as stripe, running(recipe(stripe)) as example:
        assert (await example.ask("/stripe/v1/balance", headers=PROOF)).status == 200
        stripe.keys.clear()
        answer = await example.ask("/stripe/v1/balance", headers=PROOF)
        nobody = await example.ask("/stripe/v1/balance")
    assert (answer.status, answer.document["error"]["type"]) == (401, "invalid_request_error")
    assert "Proxy-Status" not in answer.headers
    assert stripe.statuses("/v1/balance") == [200, 401]
    assert nobody.status == 401
    assert "Proxy-Status" in nobody.headers


def test_explain_says_what_would_be_sent() -> None:
    told = explained(
        Recipe("stripe", GIVEN), "POST", "/stripe/v1/charges", f"Authorization: Bearer {CALLER}", "Idempotency-Key: one"
    )
    assert "would be sent: POST https://api.stripe.com/v1/charges\n" in told
    assert "  Idempotency-Key: ***\n  Authorization: ***\n  Stripe-Version: ***\n" in told
    assert KEY not in told
