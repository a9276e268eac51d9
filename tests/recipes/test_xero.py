"""The recipe for Xero: a refresh token that is good for one use."""

from tests.fakes.vendors.xero import CLIENT, SECRET, TENANT, Xero
from tests.recipes.harness import Example, Recipe, explained, refused, renews

GIVEN = {"XERO_CLIENT_ID": CLIENT, "XERO_CLIENT_SECRET": SECRET, "XERO_TENANT_ID": TENANT}
FILES = {"xero-refresh-token": "refresh-token-0-of-xero", "seal-key": f"{'A' * 43}=\n"}
INVOICES = b'{"Invoices": [{"Type": "ACCREC"}]}'
JSON = {"Content-Type": "application/json"}


def recipe(xero: Xero) -> Recipe:
    there = {"https://identity.xero.com": xero.url, "https://api.xero.com": xero.url}
    return Recipe("xero", GIVEN, FILES, there)


class Restarted(Example):
    """The process, and another one that comes after it."""

    async def restart(self) -> None:
        """Stop it, and start it anew where its files are."""
        assert await self.stop() == 0
        await self._begin()


async def test_each_refresh_token_is_used_once_and_its_successor_outlives_the_process() -> None:
    async with Xero() as xero, Restarted(recipe(xero)) as example:
        told = await renews(example, xero, "/xero/Invoices", method="PUT", data=INVOICES, headers=JSON)
        xero.revoke_all()
        await example.restart()
        again = await example.ask("/xero/Invoices", "PUT", data=INVOICES, headers=JSON)
    assert told.document["Invoices"] == [{"Type": "ACCREC"}]
    assert again.status == 200
    assert len(xero.refresh_tokens) == 4
    assert xero.statuses("/connect/token") == [200, 200, 200]


async def test_a_refresh_token_that_was_used_elsewhere_is_named_as_what_it_is() -> None:
    async with Xero() as xero:
        xero.refresh_tokens.append("a-successor-that-somebody-else-has")
        assert await refused(recipe(xero), "/xero/Invoices") == ("token-unavailable", "invalid_grant")
        wrong = recipe(xero).given(XERO_CLIENT_SECRET="another-secret")
        assert await refused(wrong, "/xero/Invoices") == ("token-unavailable", "invalid_client")


def test_explain_says_what_would_be_sent() -> None:
    told = explained(Recipe("xero", GIVEN, FILES), "GET", "/xero/Invoices")
    assert "would be sent: GET https://api.xero.com/api.xro/2.0/Invoices\n" in told
    assert "  Authorization: ***\n" in told
    assert "  Xero-Tenant-Id: ***\n" in told
