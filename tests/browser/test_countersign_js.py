"""A page of another origin pushes tokens by the script while its user's requests go on; a foreign one cannot."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from importlib import resources
from typing import Any, Final

import aiohttp
import jwt
import pytest
import pytest_asyncio
from aiohttp import web
from playwright.async_api import Page, Route

from proxy.core.secret import Secret
from proxy.users.identity import user_hash
from tests.browser.conftest import Mistakes
from tests.fakes.process import Proxy
from tests.fakes.served import Served
from tests.fakes.world import eventually

pytestmark = pytest.mark.asyncio(loop_scope="package")

SECRET: Final = "0123456789abcdef0123456789abcdef"
KEY: Final = "the key of the API, which nobody else needs to know"
HASH: Final = user_hash("ann", Secret(SECRET))
CONFIG: Final = """
users: {{identity_secret: '{secret}', origins: ['http://localhost:{app}']}}
callers:
  anyone: {{kind: anonymous}}
credentials:
  crm: {{kind: user_token}}
routes:
  crm: {{match: {{path: /crm/}}, upstream: 'http://127.0.0.1:{app}/api/', callers: [anyone], credential: crm}}
"""
PAGE: Final = """<!doctype html><title>an app</title><link rel="icon" href="data:,">
<script>
window.Countersign = window.Countersign || function () {
  var call = arguments;
  return new Promise(function (done, failed) { (Countersign.q = Countersign.q || []).push([call, done, failed]); });
};
window.booted = Countersign('boot', {user_id: 'ann', user_hash: '%HASH%', auth_tokens: {crm: '%TOKEN%'}});
window.updated = Countersign('update');
</script>
<script async src="%PROXY%/.countersign/countersign.js" integrity="%INTEGRITY%" crossorigin="anonymous"></script>
"""
BY_HAND: Final = """
([url, body, type]) => fetch(url, {method: 'POST', headers: {'Content-Type': type}, body}).then(
    (answer) => answer.status, (error) => String(error))
"""
SET: Final = "(tokens) => Countersign('setAuthTokens', tokens)"
CAUGHT: Final = """
([command, given]) => Countersign(command, given).then(
    () => null, (error) => ({...error, name: error.name, message: error.message}))
"""


def token(number: int, user: str = "ann", **claims: Any) -> str:
    return jwt.encode({"sub": user, "n": number, "exp": time.time() + 60, **claims}, KEY, "HS256")


class World(Served):
    """The app's pages and its API, on one origin; the proxy is another."""

    def __init__(self) -> None:
        self.oldest = 0
        """The API takes no token with a lower number."""
        self.accepted: list[int] = []
        self.page = ""

    @property
    def origin(self) -> str:
        """The app's origin."""
        return f"http://localhost:{self.port}"

    def app(self) -> web.Application:
        site = web.Application()
        site.router.add_get("/", self.show)
        site.router.add_route("*", "/api/{rest:.*}", self.api)
        return site

    async def api(self, request: web.Request) -> web.Response:
        number = 0
        with suppress(jwt.PyJWTError):
            shown = request.headers.get("Authorization", "").removeprefix("Bearer ")
            number = jwt.decode(shown, KEY, ["HS256"])["n"]
        if number < max(1, self.oldest):
            return web.json_response({"error": "token"}, status=401)
        self.accepted.append(number)
        return web.json_response({"n": number})

    async def show(self, _: web.Request) -> web.Response:
        return web.Response(text=self.page, content_type="text/html")


@pytest_asyncio.fixture(scope="module", loop_scope="package")
async def served() -> AsyncIterator[tuple[World, Proxy]]:
    async with World() as world, Proxy(CONFIG.format(secret=SECRET, app=world.port)) as proxy:
        yield world, proxy


@pytest_asyncio.fixture(loop_scope="package")
async def opened(served: tuple[World, Proxy], page: Page) -> tuple[World, Proxy, Page]:
    """The app's page, which has booted."""
    world, proxy = served
    world.oldest = 0
    url = f"http://127.0.0.1:{proxy.port}"
    async with aiohttp.ClientSession() as session, session.get(f"{url}/.countersign/integrity") as answer:
        integrity = (await answer.json())["countersign.js"]
    filled = {"%HASH%": HASH, "%TOKEN%": token(1), "%PROXY%": url, "%INTEGRITY%": integrity}
    world.page = PAGE
    for name, value in filled.items():
        world.page = world.page.replace(name, value)
    await page.goto(world.origin)
    return world, proxy, page


async def test_calls_made_before_the_script_is_there_are_carried_out_when_it_is(
    opened: tuple[World, Proxy, Page],
) -> None:
    _, _, page = opened
    said = await page.evaluate("window.booted")
    assert said["auth_tokens"]["crm"]["expires_at"]
    assert await page.evaluate("window.updated") == {"auth_tokens": {}}


async def test_tokens_rotate_while_requests_go_on_and_none_of_them_fails(opened: tuple[World, Proxy, Page]) -> None:
    world, proxy, page = opened
    await page.evaluate("window.booted")
    answers: list[int] = []
    rotating = True

    async def ask() -> None:
        headers = {"X-Countersign-User": "ann", "X-Countersign-User-Hash": HASH}
        async with aiohttp.ClientSession(f"http://127.0.0.1:{proxy.port}") as session:
            while rotating:
                async with session.get("/crm/x", headers=headers) as answer:
                    answers.append(answer.status)

    asking = [asyncio.create_task(ask()) for _ in range(4)]
    for number in range(2, 42):
        await page.evaluate(SET, {"crm": token(number)})
        world.oldest = number  # what was good before is refused from now on
    rotating = False
    await asyncio.gather(*asking)
    assert set(answers) == {200}
    assert len(answers) > 40
    assert world.accepted[-1] == 41


async def test_a_page_is_told_what_is_wrong_and_goes_on_with_what_it_had(
    opened: tuple[World, Proxy, Page], mistakes: Mistakes
) -> None:
    _, _, page = opened
    await page.evaluate("window.booted")
    refused = await page.evaluate(CAUGHT, ["setAuthTokens", {"crm": token(9, "ben")}])
    assert (refused["name"], refused["status"], refused["code"]) == ("CountersignError", 422, "user-token-refused")
    assert refused["credential"] == "crm"
    assert "another user" in refused["message"]
    assert "has no" in (await page.evaluate(CAUGHT, ["shutdown", {}]))["message"]
    wrong = {"user_id": "ben", "user_hash": HASH, "auth_tokens": {"crm": token(9, "ben")}}
    assert (await page.evaluate(CAUGHT, ["boot", wrong]))["code"] == "user-unproven"
    right = {"user_id": "ann", "user_hash": HASH, "auth_tokens": {"crm": token(9)}}
    assert await page.evaluate(CAUGHT, ["boot", right]) is None
    mistakes.expect("status of 4")  # the console shows each status that is an error


async def test_calls_are_carried_out_in_their_order(opened: tuple[World, Proxy, Page]) -> None:
    world, proxy, page = opened
    tokens = [{"crm": token(number)} for number in range(50, 70)]
    await page.evaluate("(all) => Promise.all(all.map((one) => Countersign('setAuthTokens', one)))", tokens)
    headers = {"X-Countersign-User": "ann", "X-Countersign-User-Hash": HASH}
    async with (
        aiohttp.ClientSession(f"http://127.0.0.1:{proxy.port}") as session,
        session.get("/crm/x", headers=headers) as answer,
    ):
        assert await answer.json() == {"n": 69}
    assert world.accepted[-1] == 69


async def test_a_page_that_has_the_script_twice_goes_on_with_the_first(opened: tuple[World, Proxy, Page]) -> None:
    _, proxy, page = opened
    await page.evaluate("window.booted")
    await page.add_script_tag(url=f"http://127.0.0.1:{proxy.port}/.countersign/countersign.js")
    assert await page.evaluate(CAUGHT, ["setAuthTokens", {"crm": token(9)}]) is None


class Stand:
    """Stands in for a proxy behind a path: says what it is told to, and remembers what it was asked."""

    def __init__(self, page: Page, *answers: tuple[int, dict[str, str]] | None) -> None:
        self.page = page
        self.answers = list(answers)
        """What is answered, one after the other, and 200 at last; None: nothing ever."""
        self.asked: list[str] = []

    async def open(self, world: World) -> None:
        """Show a page that has the script from here, and whose clock stands still."""
        world.page = "<!doctype html><title>an app</title><link rel='icon' href='data:,'>"
        script = resources.files("proxy.users").joinpath("countersign.js").read_text()

        async def answer(route: Route) -> None:
            if route.request.method == "GET":
                await route.fulfill(body=script, content_type="text/javascript")
                return
            self.asked.append(f"{route.request.url} {route.request.post_data}")
            status, headers = (self.answers.pop(0) if self.answers else (200, {})) or (0, {})
            if status:
                await route.fulfill(status=status, json={"auth_tokens": {}}, headers={**CORS, **headers})

        await self.page.clock.install()
        await self.page.route("**/auth/.countersign/*", answer)
        await self.page.goto(world.origin)
        await self.page.add_script_tag(url="http://127.0.0.1:1/auth/.countersign/countersign.js")
        await self.page.evaluate(BOOT)

    async def pass_(self, seconds: int) -> None:
        """Let time pass on the page, and what it brings about."""
        for _ in range(2 * seconds):
            await self.page.clock.run_for(500)
            await self.page.evaluate("null")


CORS: Final = {"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": "Retry-After"}
BOOT: Final = "window.first = Countersign('boot', {user_id: 'ann', user_hash: 'first'}), null"
UPDATE: Final = "window.second = Countersign('update', {user_hash: 'second'}), null"


async def test_behind_a_path_tokens_go_where_the_script_came_from(served: tuple[World, Proxy], page: Page) -> None:
    stand = Stand(page)
    await stand.open(served[0])
    await page.evaluate("window.first")
    assert stand.asked[0].startswith("http://127.0.0.1:1/auth/.countersign/user-tokens ")


async def test_a_call_that_hangs_is_given_up_and_tried_again(served: tuple[World, Proxy], page: Page) -> None:
    stand = Stand(page, None)
    await stand.open(served[0])
    await page.evaluate(UPDATE)
    await eventually(lambda: len(stand.asked) == 1)
    await stand.pass_(seconds=19)
    assert len(stand.asked) == 1
    await stand.pass_(seconds=5)
    await page.evaluate("window.second")
    assert ["first" in asked for asked in stand.asked] == [True, True, False]


async def test_a_page_waits_as_long_as_the_proxy_asks_for(
    served: tuple[World, Proxy], page: Page, mistakes: Mistakes
) -> None:
    stand = Stand(page, (503, {"Retry-After": "7"}))
    await stand.open(served[0])
    await eventually(lambda: len(stand.asked) == 1)
    await stand.pass_(seconds=6)
    assert len(stand.asked) == 1
    await stand.pass_(seconds=4)
    await page.evaluate("window.first")
    assert len(stand.asked) == 2
    mistakes.expect("status of 503")


@pytest.mark.parametrize("content_type", ["application/json", "text/plain"])
async def test_a_page_of_a_foreign_origin_cannot_push(
    served: tuple[World, Proxy], page: Page, mistakes: Mistakes, content_type: str
) -> None:
    world, proxy = served
    world.page = "<!doctype html><title>elsewhere</title><link rel='icon' href='data:,'>"
    await page.goto(f"http://127.0.0.1:{world.port}")  # the same server, under a name that is not among the origins
    before = [line for line in proxy.log_lines if line["event"] == "user_token_pushed"]
    body = json.dumps({"user_id": "ann", "user_hash": HASH, "auth_tokens": {"crm": token(99)}})
    url = f"http://127.0.0.1:{proxy.port}/.countersign/user-tokens"
    assert "Failed to fetch" in await page.evaluate(BY_HAND, [url, body, content_type])
    assert [line for line in proxy.log_lines if line["event"] == "user_token_pushed"] == before
    mistakes.expect("CORS")
    mistakes.expect("Failed to load resource")


async def test_a_script_that_is_not_the_expected_one_does_not_run(
    opened: tuple[World, Proxy, Page], mistakes: Mistakes
) -> None:
    world, _, page = opened
    at = world.page.index("sha384-") + 7
    world.page = world.page[:at] + ("B" if world.page[at] == "A" else "A") + world.page[at + 1 :]
    await page.goto(world.origin)
    await page.wait_for_load_state("load")
    assert await page.evaluate("Countersign.q.length") == 2
    assert any("integrity" in mistake for mistake in mistakes)
    mistakes.expect("integrity")
