"""Where the application has the last word, who follows somebody else's link gives that one nothing."""

from collections.abc import AsyncIterator
from typing import Final
from urllib.parse import quote

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, Route, expect

from proxy.core.secret import Secret
from proxy.users.identity import user_hash
from tests.browser.test_login_page import pass_provider
from tests.providers.clients import USER, Identities
from tests.providers.sign_in_world import APP, SECRET, SignInWorld, drive, signing_in

pytestmark = [pytest.mark.asyncio(loop_scope="package")]

RETURN_TO: Final = f"{APP}/connected?tab=files"
PAGE: Final = """<!doctype html>
<meta charset="utf-8">
<title>The application</title>
<p id="outcome">…</p>
<script>
  const code = new URL(location).searchParams.get('countersign_code');
  history.replaceState(null, '', location.pathname);
  fetch('%s/.countersign/sign-ins', {
    method: 'POST',
    headers: {'Content-Type': 'application/json'},
    body: JSON.stringify({code: code, user_id: '%s', user_hash: '%s'}),
  }).then(answer => answer.json()).then(said => {
    document.getElementById('outcome').textContent = said.status === 'signed_in' ? 'Connected' : said.reason;
  });
</script>
"""
"""What the application shows to who is logged in to it: it knows who that is, and can prove it."""


@pytest_asyncio.fixture(scope="module", loop_scope="package")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SignInWorld]:
    async with signing_in(
        Identities(tmp_path_factory.mktemp("identities")),
        lambda provider: {"drive": drive(provider)},
        sign_in={"finished_by": "application"},
    ) as world:
        yield world


async def browser_of(user: str, world: SignInWorld, browser: Browser) -> tuple[BrowserContext, Page]:
    """Return the browser in which that user is logged in to the application."""
    context = await browser.new_context(permissions=["local-network-access"])  # the proxy is on this machine, for once
    page = await context.new_page()
    shown = PAGE % (world.proxy.url, user, user_hash(user, Secret(SECRET)))

    async def application(route: Route) -> None:
        await route.fulfill(body=shown, content_type="text/html")

    await page.route("https://**", lambda route: route.abort())
    await page.route(f"{APP}/**", application)
    return context, page


async def follow(world: SignInWorld, page: Page, user: str) -> None:
    await page.goto(await world.invitation(user, return_to=quote(RETURN_TO, safe="")))
    await page.get_by_role("button", name="Continue").click()
    await pass_provider(page)


async def test_who_comes_back_to_their_own_application_is_connected(world: SignInWorld, browser: Browser) -> None:
    context, page = await browser_of("ann", world, browser)
    await follow(world, page, "ann")
    await expect(page.locator("#outcome")).to_have_text("Connected")
    status, said = await world.ask("ann")
    assert (status, said["user"]) == (200, USER)
    await context.close()


async def test_who_follows_somebody_elses_link_gives_that_one_nothing(world: SignInWorld, browser: Browser) -> None:
    context, page = await browser_of("ben", world, browser)
    await follow(world, page, "eve")  # Eve sent Ben her own link, and Ben pressed the button
    await expect(page.locator("#outcome")).to_have_text("other_user")
    assert [(await world.ask(user))[0] for user in ("eve", "ben")] == [403, 403]
    (event,) = [event for event in await world.events() if event["event"] == "sign_in_refused"]
    assert event["reason"] == "other_user"
    await context.close()
