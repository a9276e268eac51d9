"""The recipe for SAP OData: by name and password, and by OAuth."""

from tests.fakes.vendors.sap import CLIENT, PASSWORD, SECRET, SERVICE, SESSION, USER, XSRF, Sap
from tests.recipes.harness import Answer, Example, Recipe, explained, refused, running

GIVEN = {
    "SAP_HOST": "sap.example",
    "SAP_TOKEN_HOST": "login.sap.example",
    "SAP_USER": USER,
    "SAP_CLIENT_ID": CLIENT,
    "SAP_CLIENT_SECRET": SECRET,
}
FILES = {"sap-password": PASSWORD}
PARTNERS = "API_BUSINESS_PARTNER/A_BusinessPartner"
PARTNER = b'{"BusinessPartnerCategory": "2"}'


def recipe(sap: Sap) -> Recipe:
    there = {"https://${env:SAP_HOST}": sap.url, "https://${env:SAP_TOKEN_HOST}": sap.url}
    return Recipe("sap-odata", GIVEN, FILES, there)


async def make(example: Example, route: str, **headers: str) -> Answer:
    """Make a business partner."""
    headers = {"Content-Type": "application/json", **headers}
    return await example.ask(f"/{route}/{PARTNERS}", "POST", data=PARTNER, headers=headers)


async def test_a_token_is_fetched_for_whoever_writes_and_fetched_again_once_the_session_has_ended() -> None:
    async with Sap() as sap, running(recipe(sap)) as example:
        assert (await make(example, "sap")).status == 201
        sap.end_sessions()
        assert (await example.ask(f"/sap/{PARTNERS}")).status == 200
        made = await make(example, "sap")
        metrics = await example.metrics()
    assert (made.status, made.document["d"]) == (201, {"BusinessPartnerCategory": "2"})
    written = [visit for visit in sap.visits if visit.method == "POST"]
    assert [(visit.status, visit.body) for visit in written] == [(201, PARTNER), (403, PARTNER), (201, PARTNER)]
    assert sap.statuses(f"{SERVICE}/A_BusinessPartner") == [201, 200, 403, 201]
    assert len(sap.issued) == 2
    assert metrics.of("countersign_replays_total", outcome="succeeded") == 1


async def test_every_cookie_goes_back_beside_those_of_the_caller_and_none_of_them_to_the_caller() -> None:
    async with Sap() as sap, running(recipe(sap)) as example:
        made = await make(example, "sap", Cookie=f"theme=dark; {SESSION}=of-the-caller")
    assert made.status == 201
    assert "Set-Cookie" not in made.headers
    [line] = sap.visits[-1].headers.getall("Cookie")
    assert line.startswith("theme=dark; ")
    assert "sap-usercontext=sap-client=100" in line
    assert f"{SESSION}={sap.issued[0]}" in line
    assert f"{XSRF}=" in line
    assert "of-the-caller" not in line


async def test_a_right_that_is_missing_costs_no_renewal() -> None:
    async with Sap() as sap, running(recipe(sap)) as example:
        sap.may_write = False
        made = await make(example, "sap")
    assert (made.status, made.document["error"]["code"]) == (403, "/IWFND/CM_MGW/007")
    assert len(sap.visits) == 2


async def test_with_oauth_the_access_token_is_had_again_too() -> None:
    async with Sap() as sap, running(recipe(sap)) as example:
        assert (await make(example, "sap-cloud")).status == 201
        sap.end_sessions()
        assert (await make(example, "sap-cloud")).status == 201
        sap.revoke_all()
        assert (await make(example, "sap-cloud")).status == 201
    assert sap.statuses(f"{SERVICE}/A_BusinessPartner") == [201, 403, 201, 401, 201]
    assert sap.statuses("/oauth/token") == [200, 200, 200]


async def test_a_wrong_password_is_named_and_sent_once() -> None:
    async with Sap() as sap:
        wrong = recipe(sap).given(files={"sap-password": "another-password"})
        assert await refused(wrong, f"/sap/{PARTNERS}") == ("token-unavailable", "provider_4xx")
        wrong = recipe(sap).given(SAP_CLIENT_SECRET="another-secret")
        assert await refused(wrong, f"/sap-cloud/{PARTNERS}") == ("token-unavailable", "provider_4xx")
    assert [visit.status for visit in sap.visits] == [401, 401]


def test_explain_says_what_would_be_sent() -> None:
    for route in ("sap", "sap-cloud"):
        told = explained(Recipe("sap-odata", GIVEN, FILES), "POST", f"/{route}/{PARTNERS}")
        assert f"would be sent: POST https://***{SERVICE}/A_BusinessPartner\n" in told
        assert "  Cookie: ***\n  Authorization: ***\n  X-CSRF-Token: ***\n" in told
