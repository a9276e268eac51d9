"""The page on which a person types their code works with forms alone, and no GET does anything."""

import re
from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
import pytest_asyncio

from tests.fakes import redis
from tests.fakes.mailboxes import APP, World, mailboxes

pytestmark = [pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    redis.needed()
    folder: Path = tmp_path_factory.mktemp("mailboxes")
    async with mailboxes(folder) as made:
        yield made


class Page:
    """What a browser without scripts would do."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.url = ""
        self.status = 0
        self.text = ""
        self.headers: dict[str, str] = {}
        self.left_to = ""
        """Where the page sent the browser, if that is another origin."""

    async def open(self, url: str, *, method: str = "GET") -> "Page":
        """Follow a link."""
        await self._ask(method, url)
        return self

    async def submit(self, form: str, **typed: str) -> "Page":
        """Press the button of a form."""
        (inner,) = re.findall(rf'<form id="{form}" method="post" action="verify">(.*?)</form>', self.text, re.DOTALL)
        hidden = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', inner)
        ((name, value),) = re.findall(r'<button[^>]* name="(\w+)" value="(\w+)"', inner)
        data = {field: unescape(given) for field, given in hidden} | {name: value} | typed
        base = self.url.partition("?")[0].rpartition("/")[0]
        await self._ask("POST", f"{base}/verify", data=data, headers={"Origin": base.removesuffix("/.countersign")})
        return self

    async def _ask(self, method: str, url: str, **options: object) -> None:
        while True:
            options["allow_redirects"] = False
            async with self._world.http.request(method, url, **options) as answer:  # type: ignore[arg-type]  # as given
                self.status, self.text, self.url = answer.status, await answer.text(), url
                self.headers = dict(answer.headers)
            if self.status != 303:
                return
            there = self.headers["Location"]
            if there.startswith("http"):
                self.left_to = there
                return
            method, options = "GET", {}
            url = f"{url.partition('?')[0].rpartition('/')[0]}/{there}"


async def link(world: World, user: str, route: str = "billing") -> str:
    refused = await world.ask(user, route)
    return str(refused.document["verify_url"])


async def test_a_person_asks_for_a_code_types_it_and_is_sent_back(world: World) -> None:
    user = await world.user("ann")
    page = await Page(world).open(f"{await link(world, user)}&return_to={quote(f'{APP}/orders?a=1&b=2', safe='')}")
    assert (page.status, "<h1>Confirm your e-mail address</h1>" in page.text) == (200, True)
    await page.submit("send")
    assert "<h1>Type the code</h1>" in page.text
    code = await world.mail.code_for("ann@mail.example")
    await page.submit("check", code=f" {code[:3]} {code[3:]} ")
    assert page.left_to == f"{APP}/orders?a=1&b=2"
    assert (await world.ask(user)).status == 200


async def test_a_wrong_code_is_told_on_the_page_which_takes_another(world: World) -> None:
    user = await world.user("ben")
    page = await (await Page(world).open(await link(world, user))).submit("send")
    code = await world.mail.code_for("ben@mail.example")
    await page.submit("check", code="x")
    assert page.status == 403
    assert re.search(r'role="alert" id="problem">This code is wrong', page.text)
    assert 'aria-describedby="hint problem" aria-invalid="true"' in page.text
    await page.submit("again")
    assert (page.status, page.headers["Retry-After"]) in {(429, "30"), (429, "29")}
    await page.open(await link(world, user))
    await page.open(f"{page.url}&sent=1")
    await page.submit("check", code=code)
    assert (page.status, "<h1>Thank you</h1>" in page.text) == (200, True)


async def test_opening_the_link_as_scanners_do_sends_nothing_and_uses_nothing_up(world: World) -> None:
    user = await world.user("cid")
    url = await link(world, user)
    for method in ("GET", "HEAD", "GET"):
        await Page(world).open(url, method=method)
        await Page(world).open(f"{url}&sent=1&do=send&code=123456", method=method)
    assert not [to for to, _ in world.mail.letters if to.startswith("cid")]
    page = await (await Page(world).open(url)).submit("send")
    code = await world.mail.code_for("cid@mail.example")
    for _ in range(6):
        await Page(world).open(f"{url}&do=check&code={code}")
    await page.submit("check", code=code)
    assert "Thank you" in page.text


@pytest.mark.parametrize(
    "return_to",
    [
        "https://evil.example/",
        "//evil.example/",
        "https://app.example.evil.example/",
        "https://app.example@evil.example/",
        "https:/\\evil.example",
        "https://app.example\\@evil.example/",
        "javascript:alert(1)",
        "https://app.example/\r\nSet-Cookie: a=1",
        "http://app.example/",
        "https://app.example:444/",
        "/elsewhere",
        "https://app.example/é",
    ],
)
async def test_nobody_is_sent_to_where_no_origin_is_configured(world: World, return_to: str) -> None:
    url = await link(world, await world.user("dan"))
    page = await Page(world).open(f"{url}&return_to={quote(return_to, safe='')}")
    assert (page.status, "no page to return to" in page.text) == (400, True)
    page = await Page(world).open(url)
    await page.submit("send", return_to=return_to)
    assert (page.status, page.left_to) == (400, "")


async def test_a_form_that_is_not_of_the_page_is_refused(world: World) -> None:
    user = await world.user("eve")
    url = await link(world, user)
    handle = urlsplit(url).query.removeprefix("handle=")
    post = f"{world.proxies[0].url}/.countersign/verify"
    for token in ("", "0" * 64, "é"):
        async with world.http.post(post, data={"handle": handle, "do": "send", "token": token}) as answer:
            assert answer.status == 400
    for origin in ("https://evil.example", APP, "null"):
        page = await Page(world).open(url)
        (token,) = re.findall(r'name="token" value="(\w+)"', page.text)
        form = {"handle": handle, "do": "send", "token": token}
        async with world.http.post(post, data=form, headers={"Origin": origin}) as answer:
            assert answer.status == 400
    other = await Page(world).open(await link(world, await world.user("fay")))
    await other.submit("send", handle=handle)
    assert other.status == 400
    assert not world.mail.letters or not [to for to, _ in world.mail.letters if to[:3] in {"eve", "fay"}]


async def test_the_page_looks_the_same_to_everybody_and_holds_nothing_to_run(world: World) -> None:
    users = [await world.user("gus"), await world.user("hal", None), "nobody"]
    seen = set()
    for user in users:
        page = await Page(world).open(await link(world, user))
        policy = page.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "form-action 'self'" in policy
        assert "script" not in page.text + policy
        assert page.headers["Cache-Control"] == "no-store"
        texts = [re.sub(r'(value|href)="[^"]*"', "", page.text)]
        await page.submit("send")
        texts.append(re.sub(r'(value|href)="[^"]*"', "", page.text))
        await page.submit("check", code="000000")
        texts.append(re.sub(r'(value|href)="[^"]*"', "", page.text))
        seen.add("".join(texts))
    assert len(seen) == 1


async def test_a_link_that_is_none_leads_to_a_page_that_says_so(world: World) -> None:
    page = await Page(world).open(f"{world.proxies[0].url}/.countersign/verify?handle=%3Cscript%3E")
    assert page.status == 400
    assert "<script>" not in page.text
    assert "This link is not valid." in page.text
