"""The recipe for a service account of Google, by its key file."""

import json
from collections.abc import AsyncIterator

import pytest_asyncio

from tests.fakes import keys
from tests.fakes.vendors.google import ACCOUNT, KEY, KEY_ID, SCOPE, Google
from tests.recipes.harness import Recipe, explained, refused, renews, running

GIVEN = {"GOOGLE_SERVICE_ACCOUNT": ACCOUNT}


@pytest_asyncio.fixture
async def google() -> AsyncIterator[Google]:
    async with Google() as google:
        yield google


def key_file(number: int, key_id: str = KEY_ID) -> dict[str, str]:
    """Return the file as the console gives it out."""
    told = {"type": "service_account", "private_key_id": key_id, "private_key": keys.pem("rsa", number)}
    return {"google-service-account.json": json.dumps({**told, "client_email": ACCOUNT})}


def recipe(google: Google) -> Recipe:
    addresses = {"https://oauth2.googleapis.com": google.url, "https://storage.googleapis.com": google.url}
    return Recipe("google", GIVEN, key_file(KEY[1]), addresses)


async def test_a_token_is_had_used_and_had_again_when_it_was_taken_back(google: Google) -> None:
    async with running(recipe(google)) as example:
        told = await renews(example, google, "/google/storage/b/a-bucket")
    assert told.document["name"] == "a-bucket"
    assert google.statuses("/storage") == [200, 401, 200]
    assert [claims["scope"] for claims in google.asserted] == [SCOPE, SCOPE]
    assert all(claims["aud"] == f"{google.url}/token" for claims in google.asserted)
    assert all(b"scope=" not in visit.body for visit in google.visits)


async def test_a_key_that_was_deleted_is_named_as_a_grant_that_is_refused(google: Google) -> None:
    wrong = recipe(google).given(files=key_file(99))
    assert await refused(wrong, "/google/storage/b/a-bucket") == ("token-unavailable", "invalid_grant")
    assert google.issued == []


def test_explain_says_what_would_be_sent() -> None:
    told = explained(Recipe("google", GIVEN, key_file(KEY[1])), "GET", "/google/storage/b/a-bucket?fields=name")
    assert "would be sent: GET https://storage.googleapis.com/storage/v1/b/a-bucket?fields=name\n" in told
    assert "  Authorization: ***\n" in told
