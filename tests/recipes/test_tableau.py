"""The recipe for Tableau."""

import time

import pytest

from tests.fakes.vendors.tableau import NAME, SECRET, SITE, Tableau
from tests.recipes.harness import Recipe, explained, refused, renews, running

GIVEN = {"TABLEAU_HOST": "tableau.example", "TABLEAU_TOKEN_NAME": NAME}
FILES = {"tableau": SECRET}
WORKBOOKS = f"/tableau/sites/{SITE}/workbooks"


def recipe(tableau: Tableau) -> Recipe:
    return Recipe("tableau", GIVEN, FILES, {"https://${env:TABLEAU_HOST}": tableau.url})


async def test_a_session_is_begun_used_and_begun_again_when_it_was_idle_for_too_long() -> None:
    async with Tableau() as tableau, running(recipe(tableau)) as example:
        told = await renews(example, tableau, WORKBOOKS, method="PUT", data=b"x" * 1000)
    assert told.document["sent"] == 1000
    assert tableau.statuses("/api/3.22/sites") == [200, 401, 200]
    assert "Authorization" not in tableau.visits[1].headers


async def test_a_session_lasts_as_long_as_the_configuration_says() -> None:
    async with Tableau() as tableau, running(recipe(tableau).given(TABLEAU_IDLE_SECONDS="14400")) as example:
        assert (await example.ask(WORKBOOKS)).status == 200
        ends = (await example.metrics()).of("countersign_token_expires_at_seconds", credential="tableau")
    assert ends == pytest.approx(time.time() + 14400, abs=60)


async def test_a_wrong_secret_is_named_though_the_refusal_is_xml() -> None:
    async with Tableau() as tableau:
        wrong = recipe(tableau).given(files={"tableau": "another-secret"})
        assert await refused(wrong, WORKBOOKS) == ("token-unavailable", "provider_4xx")
    assert tableau.statuses("/api") == [401]


def test_explain_says_what_would_be_sent() -> None:
    told = explained(Recipe("tableau", GIVEN, FILES), "GET", WORKBOOKS)
    assert f"would be sent: GET https://***/api/3.22/sites/{SITE}/workbooks\n" in told
    assert "  X-Tableau-Auth: ***\n" in told
    assert "Authorization" not in told
