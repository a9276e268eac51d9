"""The recipe for Zoom, from server to server."""

from collections.abc import AsyncIterator
from urllib.parse import parse_qs

import pytest_asyncio

from tests.fakes.vendors.zoom import ACCOUNT, CLIENT, SECRET, Zoom
from tests.recipes.harness import Recipe, explained, refused, renews, running

GIVEN = {"ZOOM_ACCOUNT_ID": ACCOUNT, "ZOOM_CLIENT_ID": CLIENT, "ZOOM_CLIENT_SECRET": SECRET}


@pytest_asyncio.fixture
async def zoom() -> AsyncIterator[Zoom]:
    async with Zoom() as zoom:
        yield zoom


def recipe(zoom: Zoom) -> Recipe:
    return Recipe("zoom", GIVEN, addresses={"https://zoom.us": zoom.url, "https://api.zoom.us": zoom.url})


async def test_a_token_is_had_used_and_had_again_when_it_was_taken_back(zoom: Zoom) -> None:
    async with running(recipe(zoom)) as example:
        told = await renews(example, zoom, "/zoom/users/me")
    assert told.document["account_id"] == ACCOUNT
    assert zoom.statuses("/v2/users/me") == [200, 401, 200]
    sent = parse_qs(zoom.visits[0].body.decode())
    assert sent == {"grant_type": ["account_credentials"], "account_id": [ACCOUNT]}


async def test_a_wrong_secret_is_named_as_what_it_is(zoom: Zoom) -> None:
    wrong = recipe(zoom).given(ZOOM_CLIENT_SECRET="another-secret")
    assert await refused(wrong, "/zoom/users/me") == ("token-unavailable", "invalid_client")
    assert zoom.statuses("/v2") == []


def test_explain_says_what_would_be_sent() -> None:
    told = explained(Recipe("zoom", GIVEN), "GET", "/zoom/users/me")
    assert "would be sent: GET https://api.zoom.us/v2/users/me\n" in told
    assert "  Authorization: ***\n" in told
