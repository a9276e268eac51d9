"""The recipe for ServiceNow: as a user, and as the application's own."""

from urllib.parse import parse_qs

import pytest

from tests.fakes.vendors.servicenow import CLIENT, PASSWORD, SECRET, USER, ServiceNow
from tests.recipes.harness import Recipe, explained, refused, running

GIVEN = {
    "SERVICENOW_INSTANCE": "an-instance",
    "SERVICENOW_CLIENT_ID": CLIENT,
    "SERVICENOW_CLIENT_SECRET": SECRET,
    "SERVICENOW_USER": USER,
}
FILES = {"servicenow-password": PASSWORD, "seal-key": f"{'A' * 43}=\n"}
INCIDENTS = "/servicenow/table/incident"
INCIDENT = b'{"short_description": "It is broken"}'
JSON = {"Content-Type": "application/json"}


def recipe(servicenow: ServiceNow) -> Recipe:
    there = "https://${env:SERVICENOW_INSTANCE}.service-now.com"
    return Recipe("servicenow", GIVEN, FILES, {there: servicenow.url})


@pytest.mark.parametrize("rotates", [False, True])
async def test_the_password_is_sent_once_and_refresh_tokens_from_then_on(rotates: bool) -> None:
    async with ServiceNow() as servicenow, running(recipe(servicenow)) as example:
        servicenow.rotates = rotates
        assert (await example.ask(INCIDENTS)).status == 200
        for _ in range(2):
            servicenow.revoke_all()
            made = await example.ask(INCIDENTS, "POST", data=INCIDENT, headers=JSON)
            assert (made.status, made.document["result"]["short_description"]) == (201, "It is broken"), made.body
    assert servicenow.grants == ["password", "refresh_token", "refresh_token"]
    assert servicenow.statuses("/api") == [200, 401, 201, 401, 201]
    assert {visit.body for visit in servicenow.visits if visit.method == "POST" and "/api" in visit.path} == {INCIDENT}
    spent = [parse_qs(visit.body.decode()).get("refresh_token") for visit in servicenow.visits if "oauth" in visit.path]
    assert spent[1] == [servicenow.refresh_tokens[0]]
    assert spent[2] == [servicenow.refresh_tokens[1 if rotates else 0]]


async def test_a_refresh_token_that_has_ended_gives_way_to_the_password_though_it_is_called_a_server_error() -> None:
    async with ServiceNow() as servicenow, running(recipe(servicenow)) as example:
        assert (await example.ask(INCIDENTS)).status == 200
        servicenow.revoke_all()
        servicenow.ended.update(servicenow.refresh_tokens)
        assert (await example.ask(INCIDENTS)).status == 200
    assert servicenow.grants == ["password", "refresh_token", "password"]


async def test_a_wrong_password_is_sent_once_so_that_nobody_is_locked_out() -> None:
    async with ServiceNow() as servicenow:
        wrong = recipe(servicenow).given(files={"servicenow-password": "another-password"})
        assert await refused(wrong, INCIDENTS) == ("token-unavailable", "provider_4xx")
    assert servicenow.grants == ["password"]
    assert servicenow.statuses("/api") == []


async def test_the_application_asks_for_itself() -> None:
    async with ServiceNow() as servicenow, running(recipe(servicenow)) as example:
        assert (await example.ask("/servicenow-app/table/incident")).status == 200
        servicenow.revoke_all()
        assert (await example.ask("/servicenow-app/table/incident")).status == 200
    assert servicenow.grants == ["client_credentials"] * 2


def test_explain_says_what_would_be_sent() -> None:
    for route in ("servicenow", "servicenow-app"):
        told = explained(Recipe("servicenow", GIVEN, FILES), "GET", f"/{route}/table/incident?sysparm_limit=1")
        assert "would be sent: GET https://***.service-now.com/api/now/table/incident?sysparm_limit=1\n" in told
        assert "  Authorization: ***\n" in told
