"""A real Chromium without a window, and a page of it for each test, on which nothing may go wrong unnoticed."""

import shutil
from collections.abc import AsyncIterator, Iterator
from typing import Final

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, async_playwright

BINARY: Final = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
MISSING: Final = "needs Chromium (Debian: apt-get install chromium, macOS: brew install --cask chromium)"
PHONE: Final = {"width": 375, "height": 667}
DESKTOP: Final = {"width": 1280, "height": 800}


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def browser() -> AsyncIterator[Browser]:
    """One Chromium for all tests of the directory."""
    assert BINARY is not None, MISSING
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=BINARY, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="package")
async def context(browser: Browser) -> AsyncIterator[BrowserContext]:
    """Somebody's browser: cookies and storage of their own, gone after the test."""
    context = await browser.new_context(viewport={"width": DESKTOP["width"], "height": DESKTOP["height"]})
    yield context
    await context.close()


class Mistakes(list[str]):
    """What went wrong on a test's pages, in the browser's words."""

    def __init__(self) -> None:
        super().__init__()
        self._expected: list[str] = []

    def expect(self, text: str) -> None:
        """Forgive what says that, whenever the browser gets round to saying it."""
        self._expected.append(text)

    @property
    def unexpected(self) -> list[str]:
        """What nobody expected."""
        return [mistake for mistake in self if not any(text in mistake for text in self._expected)]


@pytest.fixture
def mistakes() -> Iterator[Mistakes]:
    """What goes wrong on the pages of the test, which fails for what it does not expect."""
    found = Mistakes()
    yield found
    assert found.unexpected == []


@pytest_asyncio.fixture(loop_scope="package")
async def page(context: BrowserContext, mistakes: Mistakes) -> Page:
    """An empty page of that browser."""
    page = await context.new_page()
    page.on("pageerror", lambda error: mistakes.append(str(error)))
    page.on("console", lambda said: mistakes.append(said.text) if said.type == "error" else None)
    return page
