"""The recipe for a GitHub App: signed claims for a token of one installation."""

import time
from collections.abc import AsyncIterator
from datetime import datetime

import pytest_asyncio

from tests.fakes import keys
from tests.fakes.vendors.github import CLIENT, INSTALLATION, KEY, Github
from tests.recipes.harness import Recipe, explained, refused, renews, running

GIVEN = {"GITHUB_CLIENT_ID": CLIENT, "GITHUB_INSTALLATION_ID": INSTALLATION}


@pytest_asyncio.fixture
async def github() -> AsyncIterator[Github]:
    async with Github() as github:
        yield github


def key_file(number: int) -> dict[str, str]:
    return {"github-app-key.pem": keys.pem("rsa", number)}


def recipe(github: Github) -> Recipe:
    return Recipe("github-app", GIVEN, key_file(KEY[1]), {"https://api.github.com": github.url})


async def test_a_token_of_the_installation_is_had_used_and_had_again_when_it_was_taken_back(github: Github) -> None:
    async with running(recipe(github)) as example:
        told = await renews(example, github, "/github/repos/acme/things")
    assert told.document["full_name"] == "acme/things"
    assert github.statuses("/repos") == [200, 401, 200]
    assert github.statuses("/app") == [201, 201]
    for claims in github.asserted:
        assert claims["iss"] == CLIENT
        assert claims["iat"] < time.time() - 5
        assert claims["exp"] - claims["iat"] == 540
    assert len({claims["jti"] for claims in github.asserted}) == 2


async def test_an_hour_is_what_github_says_of_a_token(github: Github) -> None:
    async with running(recipe(github)) as example:
        assert (await example.ask("/github/repos/acme/things")).status == 200
        state = await example.admin("GET", "/api/v1/credentials/github")
    left = datetime.fromisoformat(state["expires_at"]).timestamp() - time.time()
    assert 3500 < left <= 3601


async def test_a_key_that_is_not_the_apps_is_refused(github: Github) -> None:
    wrong = recipe(github).given(files=key_file(99))
    assert await refused(wrong, "/github/repos/acme/things") == ("token-unavailable", "provider_4xx")
    assert github.statuses("/app") == [401]


async def test_an_installation_that_is_not_the_apps_is_refused(github: Github) -> None:
    wrong = recipe(github).given(GITHUB_INSTALLATION_ID="4711")
    assert await refused(wrong, "/github/repos/acme/things") == ("token-unavailable", "provider_4xx")
    assert github.statuses("/app") == [404]


def test_explain_says_what_would_be_sent() -> None:
    told = explained(
        Recipe("github-app", GIVEN, key_file(KEY[1])), "GET", "/github/repos/acme/things", "Accept: application/json"
    )
    assert "would be sent: GET https://api.github.com/repos/acme/things\n" in told
    assert "  Accept: ***\n" in told
    assert "  Authorization: ***\n" in told
