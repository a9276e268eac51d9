"""Who types the code from their mail into the page is back where they were: on a phone, at a desk, by keys alone."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final
from urllib.parse import quote

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from tests.browser.conftest import DESKTOP, PHONE, Mistakes
from tests.fakes import redis
from tests.fakes.mailboxes import World, mailboxes

pytestmark = [pytest.mark.asyncio(loop_scope="package")]

SIZES: Final = {"phone": PHONE, "desktop": DESKTOP}
CONTRAST: Final = """
() => {
    const light = (rgb) => {
        const [r, g, b] = rgb.match(/[0-9.]+/g).map((part) => part / 255)
            .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const paper = getComputedStyle(document.body).backgroundColor;
    const ratio = (element) => {
        const style = getComputedStyle(element);
        const behind = style.backgroundColor.endsWith(", 0)") ? paper : style.backgroundColor;
        const [low, high] = [light(style.color), light(behind)].sort((a, b) => a - b);
        return (high + 0.05) / (low + 0.05);
    };
    return Math.min(...[...document.querySelectorAll("h1, p, label, input:not([type=hidden]), button")].map(ratio));
}
"""
"""The least contrast of any text on the page to what is behind it (WCAG 2.2, 1.4.3)."""


@pytest_asyncio.fixture(scope="module", loop_scope="package")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    redis.needed()
    async with mailboxes(tmp_path_factory.mktemp("mailboxes")) as made:
        yield made


async def link(world: World, user: str) -> str:
    """Return the link of a refusal, with the way back to a page of the app."""
    refused = await world.ask(await world.user(user))
    return f"{refused.document['verify_url']}&return_to={quote(f'{world.app}/orders?a=1', safe='')}"


async def test_who_types_the_code_from_their_mail_is_back_in_the_app_and_may_go_on(
    world: World, page: Page, mistakes: Mistakes
) -> None:
    await page.goto(await link(world, "ann"))
    await page.get_by_role("button", name="Send the code").click()
    code = page.get_by_label("Code")
    await expect(code).to_be_focused()
    right = await world.mail.code_for("ann@mail.example")
    await code.fill("000000" if right != "000000" else "000001")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("alert")).to_contain_text("This code is wrong")
    told = re.compile("^6 digits This code is wrong")
    await expect(page.get_by_label("Code")).to_have_accessible_description(told)
    mistakes.expect("403")
    await page.get_by_label("Code").fill(f"{right[:3]} {right[3:]}")
    await page.get_by_role("button", name="Confirm").click()
    await page.wait_for_url(f"{world.app}/orders?a=1")
    assert (await world.ask("ann")).status == 200


async def test_keys_alone_lead_through_in_the_order_of_reading(world: World, page: Page) -> None:
    await page.goto(await link(world, "ben"))
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("button", name="Send the code")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.get_by_label("Code")).to_be_focused()
    for name in ("Confirm", "Send another code"):
        await page.keyboard.press("Tab")
        await expect(page.get_by_role("button", name=name)).to_be_focused()
    assert "countersign" in page.url


async def test_it_works_where_scripts_do_not(world: World, browser: Browser) -> None:
    context = await browser.new_context(java_script_enabled=False)
    page = await context.new_page()
    await page.goto(await link(world, "cid"))
    await page.click("text=Send the code")
    await page.fill("#code", await world.mail.code_for("cid@mail.example"))
    await page.click("text=Confirm")
    await page.wait_for_url(f"{world.app}/orders?a=1")
    await context.close()
    assert (await world.ask("cid")).status == 200


async def test_a_form_on_another_site_does_nothing(world: World, page: Page, mistakes: Mistakes) -> None:
    refused = await world.ask(await world.user("dan"))
    handle, there = refused.document["handle"], f"{world.proxies[0].url}/.countersign/verify"
    await page.goto(await link(world, "dan"))
    token = await page.locator("#send input[name=token]").get_attribute("value")
    await page.goto(f"{world.app}/evil")
    await page.set_content(
        f'<form method="post" action="{there}"><input name="handle" value="{handle}">'
        f'<input name="token" value="{token}"><button name="do" value="send">Win</button></form>'
    )
    mistakes.expect("400")
    async with page.expect_response(there) as answered:
        await page.click("text=Win")
    assert (await answered.value).status == 400
    assert not [to for to, _ in world.mail.letters if to.startswith("dan")]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
async def test_each_page_fits_and_can_be_read(
    world: World, browser: Browser, tmp_path: Path, size: str, scheme: str
) -> None:
    user = f"user-{size}-{scheme}"
    context = await browser.new_context(
        viewport={"width": SIZES[size]["width"], "height": SIZES[size]["height"]},
        color_scheme="dark" if scheme == "dark" else "light",
    )
    page = await context.new_page()

    async def look(name: str, heading: str) -> None:
        await expect(page.get_by_role("heading", name=heading)).to_be_visible()
        await page.wait_for_load_state("load")
        await page.screenshot(path=tmp_path / f"{name}-{size}-{scheme}.png")
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert await page.evaluate(CONTRAST) >= 4.5
        heights = await page.locator("button").evaluate_all("all => all.map((one) => one.offsetHeight)")
        assert all(height >= 44 for height in heights)

    url = (await link(world, user)).partition("&return_to")[0]
    await page.goto(url)
    await look("asking", "Confirm your e-mail address")
    await page.click("text=Send the code")
    await look("entering", "Type the code")
    await page.click("text=Send another code")
    await expect(page.get_by_role("alert")).to_contain_text("Wait ")
    await look("hasty", "Type the code")
    await page.fill("#code", "12")
    await page.click("text=Confirm")
    await expect(page.get_by_role("alert")).to_be_visible()
    await look("wrong", "Type the code")
    await page.fill("#code", await world.mail.code_for(f"{user}@mail.example"))
    await page.click("text=Confirm")
    await look("done", "Thank you")
    await page.goto(f"{world.proxies[0].url}/.countersign/verify?handle=x")
    await look("broken", "This does not work")
    await context.close()
