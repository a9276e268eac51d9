"""Who signs in at a real provider is back with the access that they gave: on a phone, at a desk, by keys alone."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, Route, expect

from tests.browser.conftest import DESKTOP, PHONE
from tests.browser.test_verify_page import CONTRAST
from tests.providers.clients import USER, Identities
from tests.providers.sign_in_world import BRIEF, SignInWorld, WebProvider, by_steps, drive, signing_in

pytestmark = [pytest.mark.asyncio(loop_scope="package")]

SIZES: Final = {"phone": PHONE, "desktop": DESKTOP}
OURS: Final = "The Drive of Example"


@pytest_asyncio.fixture(scope="module", loop_scope="package")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SignInWorld]:
    async with signing_in(
        Identities(tmp_path_factory.mktemp("identities")),
        lambda provider: {
            "drive": drive(provider, service=OURS),
            "steps": by_steps(provider),
            "stateless": stateless(provider),
            "brief": drive(provider, client_id=BRIEF),
        },
        expected_errors=("invalid_grant",),
    ) as world:
        yield world


@pytest_asyncio.fixture(loop_scope="package")
async def page(context: BrowserContext) -> Page:
    """An empty page; the provider's own pages want fonts from elsewhere, and do without."""
    page = await context.new_page()
    await page.route("https://**", lambda route: route.abort())
    return page


def stateless(provider: WebProvider) -> dict[str, Any]:
    """Return a workflow for a service that knows no `state`, so that ours stands in the address to come back to."""
    address = provider.at.issuer + '/stateless?back={{ REDIRECT_URI + "?state=" + STATE }}'
    steps = [{"name": "consent", "browser": {"url": address}}]
    return {"kind": "workflow", "per_user": True, "steps": steps, "allow_plain_http": True}


async def pass_provider(page: Page) -> None:
    """Sign in on the provider's pages, and agree."""
    await page.get_by_placeholder("Enter any login").fill(USER)
    await page.get_by_placeholder("and password").fill("any")
    await page.get_by_role("button", name="Sign-in").click()
    await page.get_by_role("button", name="Continue").click()


async def sign_in(world: SignInWorld, page: Page, user: str, credential: str = "drive") -> None:
    await page.goto(await world.invitation(user, credential))
    await page.get_by_role("button", name="Continue").click()
    await pass_provider(page)
    await expect(page.get_by_role("heading", name="You are signed in")).to_be_visible()


async def test_access_lasts_from_the_consent_to_its_end_and_can_be_given_again(world: SignInWorld, page: Page) -> None:
    await sign_in(world, page, "ann")
    assert urlsplit(page.url).path == "/.countersign/signed-in"
    status, first = await world.ask("ann")
    assert (status, first["user"]) == (200, USER)
    await world.forget(first["token"])
    status, second = await world.ask("ann")
    assert (status, second["token"] != first["token"]) == (200, True)
    await world.forget(second["token"], consent="withdrawn")
    await page.goto(await world.invitation("ann"))  # this browser is known to be hers, so that nobody asks
    await page.get_by_role("button", name="Continue").click()
    await expect(page.get_by_role("heading", name="You are signed in")).to_be_visible()
    assert (await world.ask("ann"))[0] == 200


async def test_a_token_that_ends_is_renewed_until_its_user_takes_it_back(world: SignInWorld, page: Page) -> None:
    await sign_in(world, page, "abe", "brief")
    status, first = await world.ask("abe", "brief")
    assert status == 200
    async with asyncio.timeout(30):
        while await world.is_good(first["token"]):  # noqa: ASYNC110 - a provider of its own, whose clock is none of ours
            await asyncio.sleep(0.2)
    status, second = await world.ask("abe", "brief")
    assert (status, second["user"], second["token"] != first["token"]) == (200, USER, True)
    events = [(event["event"], event["reason"]) for event in await world.events("brief")]
    assert events[0] in {("token_fetched", "expired"), ("token_fetched", "stale")}
    assert ("token_rejected", None) not in events
    assert await world.sign_out("abe", "brief") == (200, {"status": "signed_out", "revoked": True})
    assert not await world.is_good(second["token"])
    assert "ticket=" in await world.invitation("abe", "brief")


async def test_an_answer_behind_the_hash_is_handed_over_and_leaves_the_address(world: SignInWorld, page: Page) -> None:
    seen: list[str] = []
    page.on("framenavigated", lambda frame: seen.append(frame.url))
    await sign_in(world, page, "ben", "steps")
    assert any("#" in url for url in seen)
    assert "code" not in page.url
    assert (await world.ask("ben", "steps"))[0] == 200


async def test_a_service_that_hands_on_no_state_may_answer_behind_the_hash(world: SignInWorld, page: Page) -> None:
    async def send_back(route: Route) -> None:
        back = parse_qs(urlsplit(route.request.url).query)["back"][0]
        await route.fulfill(status=302, headers={"Location": f"{back}#access_token=t0ken&expires_in=300"})

    await page.route(f"{world.provider.at.issuer}/stateless?**", send_back)
    await page.goto(await world.invitation("bob", "stateless"))
    await page.get_by_role("button", name="Continue").click()
    await expect(page.get_by_role("heading", name="You are signed in")).to_be_visible()
    assert "#" not in page.url
    assert [event["event"] for event in await world.events("stateless")] == ["signed_in"]


async def test_keys_alone_lead_to_the_provider(world: SignInWorld, page: Page) -> None:
    await page.goto(await world.invitation("cyd"))
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("button", name="Continue")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.get_by_placeholder("Enter any login")).to_be_visible()
    assert page.url.startswith(world.provider.at.issuer)


async def test_who_goes_back_from_the_provider_can_go_on_again(world: SignInWorld, page: Page) -> None:
    await page.goto(await world.invitation("cob"))
    await page.get_by_role("button", name="Continue").click()
    await expect(page.get_by_placeholder("Enter any login")).to_be_visible()
    await page.go_back()
    await page.get_by_role("button", name="Continue").click()
    await pass_provider(page)
    await expect(page.get_by_role("heading", name="You are signed in")).to_be_visible()
    assert (await world.ask("cob"))[0] == 200


async def test_a_link_of_somebody_else_is_told_from_ones_own(world: SignInWorld, page: Page, tmp_path: Path) -> None:
    await sign_in(world, page, "dot")
    await page.goto(await world.invitation("eve"))
    await expect(page.get_by_role("alert")).to_contain_text("Somebody else has signed in with this browser")
    await expect(page.get_by_text("ev…")).to_be_visible()
    assert (await world.ask("eve"))[0] == 403
    for size in SIZES:
        await look(page, tmp_path, size, "somebody-else")


async def test_no_page_of_another_site_gets_the_cookies_or_a_frame(world: SignInWorld, page: Page) -> None:
    await sign_in(world, page, "fay")
    cookies = {cookie["name"]: cookie for cookie in await page.context.cookies() if "name" in cookie}
    for name in ("__Host-countersign-browser", "__Host-countersign-user"):
        cookie = cookies[name]
        assert (cookie["httpOnly"], cookie["secure"], cookie["sameSite"]) == (True, True, "Lax")
    link = await world.invitation("gil")
    await page.set_content(f'<iframe src="{link}"></iframe>')
    frame = page.frames[-1]
    await expect(page.locator("iframe")).to_be_visible()
    assert await frame.get_by_role("button", name="Continue").count() == 0


async def look(page: Page, folder: Path, size: str, name: str) -> None:
    """See that the page fits and can be read on a screen of that size; leave a picture of it."""
    await page.set_viewport_size({"width": SIZES[size]["width"], "height": SIZES[size]["height"]})
    await expect(page.get_by_role("heading")).to_be_visible()
    await page.screenshot(path=folder / f"{size}-{name}.png", full_page=True)
    assert await page.evaluate(CONTRAST) >= 4.5
    assert await page.evaluate("document.documentElement.scrollWidth") <= SIZES[size]["width"]
    assert await page.evaluate("document.documentElement.lang") == "en"


@pytest.mark.parametrize("size", sorted(SIZES))
async def test_each_page_is_legible_and_fits(world: SignInWorld, browser: Browser, tmp_path: Path, size: str) -> None:
    context = await browser.new_context()
    page = await context.new_page()
    await page.route(f"{world.provider.at.issuer}/**", _nothing)
    link = await world.invitation("hal")
    await page.goto(link)
    await look(page, tmp_path, size, "question")
    height = await page.get_by_role("button").evaluate("element => element.getBoundingClientRect().height")
    assert height >= 44
    await page.get_by_role("button", name="Continue").click()
    await look(page, tmp_path, size, "leaving")
    target = await page.get_by_role("link", name="Continue").get_attribute("href")
    assert target is not None
    assert parse_qs(urlsplit(target).query)["code_challenge_method"] == ["S256"]
    await page.goto(f"{world.proxy.url}/.countersign/signed-in")
    await look(page, tmp_path, size, "signed-in")
    await page.goto(f"{link}x")
    await expect(page.get_by_role("alert")).to_contain_text("not valid")
    await look(page, tmp_path, size, "refused")
    await page.goto(f"{world.proxy.url}/.countersign/callback")
    await expect(page.locator("#nothing")).to_be_visible()
    await look(page, tmp_path, size, "nothing")
    ordered = await world.proxy.admin("POST", "/api/v1/credentials/drive/login", json={"user": "hal"})
    await page.goto(ordered["url"])
    await expect(page.get_by_text("ops")).to_be_visible()
    await look(page, tmp_path, size, "ordered")
    await context.close()


async def test_without_scripts_a_person_is_told_why_it_does_not_go_on(
    world: SignInWorld, browser: Browser, tmp_path: Path
) -> None:
    context = await browser.new_context(java_script_enabled=False, viewport={"width": 375, "height": 667})
    page = await context.new_page()
    await page.goto(f"{world.proxy.url}/.countersign/callback#code=x&state=y")
    await expect(page.get_by_text("needs JavaScript")).to_be_visible()
    await page.screenshot(path=tmp_path / "phone-without-scripts.png", full_page=True)
    assert "#code=x" in page.url
    await context.close()


async def _nothing(route: Route) -> None:
    await route.fulfill(status=204)
