"""The recipes that are no vendor's: a session in a cookie, a key in the query, a name and a password, and a gateway."""

import re
from dataclasses import replace
from hashlib import sha256

from tests.fakes.vendors.houses import KEY, PARTNER_KEY, PASSWORD, SECRET, USER, Billing, Legacy, Maps, Reports
from tests.recipes.harness import Recipe, explained, refused, renews, running

LEGACY = Recipe("session-cookie", {"LEGACY_USER": USER}, {"legacy": PASSWORD})
MAPS = Recipe("query-key", {"MAPS_KEY": KEY})
REPORTS = Recipe("basic", {"REPORTS_USER": USER}, {"reports-password": PASSWORD})
CALLERS = ("backend", "backend-next", "reporting", "ops")


def digest(key: str) -> str:
    return f"sha256:{sha256(key.encode()).hexdigest()}"


def at(recipe: Recipe, addresses: dict[str, str]) -> Recipe:
    return replace(recipe, addresses=addresses)


class Gateway(Recipe):
    """The example has listeners, store and administrators of its own, and waits before it goes."""

    def text(self) -> str:
        text = re.sub(r"^(listen:\n(  .*\n)+|admin:.*\n)", "", super().text(), flags=re.MULTILINE)
        return text.replace("delay: 5s", "delay: 0s")


GATEWAY = Gateway(
    "gateway",
    {f"{name.upper().replace('-', '_')}_KEY_HASH": digest(name) for name in CALLERS},
    {"billing": SECRET, "partner": PARTNER_KEY},
)


async def test_a_session_in_a_cookie_is_begun_again_when_the_answer_is_a_page_of_200() -> None:
    async with Legacy() as legacy, running(at(LEGACY, {"https://legacy.example.com": legacy.url})) as example:
        headers = {"Cookie": "language=de; JSESSIONID=of-the-caller"}
        told = await renews(example, legacy, "/legacy/orders", method="POST", data=b"an order", headers=headers)
    assert told.document == {"sent": "an order", "language": "de"}
    assert legacy.statuses("/orders") == [200, 200, 200]


async def test_a_wrong_password_for_a_session_is_named() -> None:
    async with Legacy() as legacy:
        wrong = at(LEGACY, {"https://legacy.example.com": legacy.url}).given(files={"legacy": "another-password"})
        assert await refused(wrong, "/legacy/orders") == ("token-unavailable", "provider_4xx")


async def test_a_key_goes_into_the_query_and_its_refusal_passes() -> None:
    async with Maps() as maps:
        there = at(MAPS, {"https://maps.example.com": maps.url})
        async with running(there) as example:
            found = await example.ask("/maps/geocode?address=a%20street&key=of-the-caller")
        async with running(there.given(MAPS_KEY="another-key")) as example:
            denied = await example.ask("/maps/geocode?address=a%20street")
    assert (found.status, found.document) == (200, {"status": "OK", "asked": "a street"})
    assert (denied.status, denied.document["status"]) == (200, "REQUEST_DENIED")
    assert len(maps.visits) == 2


async def test_answers_of_200_that_mean_no_open_the_circuit() -> None:
    async with Maps() as maps:
        maps.is_exhausted = True
        there = at(MAPS, {"https://maps.example.com": maps.url})
        async with running(there, expected_errors=("breaker_opened",)) as example:
            statuses = [(await example.ask("/maps/geocode?address=a")).status for _ in range(8)]
    assert statuses == [200] * 5 + [503] * 3
    assert len(maps.visits) == 5


async def test_a_name_and_a_password_go_along_and_their_refusal_passes() -> None:
    async with Reports() as reports:
        there = at(REPORTS, {"https://reports.example.com": reports.url})
        async with running(there) as example:
            assert (await example.ask("/reports/sales")).document == {"sales": 7}
            assert (await example.ask("/reports/sales", "DELETE")).status == 404
        async with running(there.given(files={"reports-password": "another-password"})) as example:
            denied = await example.ask("/reports/sales")
    assert (denied.status, denied.headers["WWW-Authenticate"]) == (401, 'Basic realm="reports"')
    assert reports.statuses("/api") == [200, 401]


async def test_a_gateway_lets_its_callers_in_and_renews_what_an_error_of_200_says_is_over() -> None:
    async with Billing() as billing:
        there = {"https://auth.example.com": billing.url, "https://api.example.com": billing.url}
        async with running(at(GATEWAY, there)) as example:
            for caller in ("backend", "backend-next"):
                headers = {"Authorization": f"Bearer {caller}"}
                told = await renews(example, billing, "/billing/invoices", method="POST", data=b"one", headers=headers)
                assert told.document["sent"] == "one"
            assert (await example.ask("/billing/invoices", "POST")).status == 401
            other = await example.ask("/billing/invoices", "POST", headers={"X-Countersign-Key": "reporting"})
    assert other.status == 403
    assert billing.statuses("/v2/invoices") == [200] * 6


def test_explain_says_what_would_be_sent() -> None:
    assert "  Cookie: ***\n" in explained(LEGACY, "GET", "/legacy/orders")
    assert "would be sent: GET https://maps.example.com/api/geocode?a=1&key=***\n" in explained(
        MAPS, "GET", "/maps/geocode?a=1"
    )
    assert "  Authorization: ***\n" in explained(REPORTS, "GET", "/reports/sales")
    told = explained(GATEWAY, "POST", "/billing/invoices", "Authorization: Bearer backend")
    assert "this caller is: backend\nsigned with: billing, partner\n" in told
    assert "  Authorization: ***\n  X-Partner-Key: ***\n" in told
