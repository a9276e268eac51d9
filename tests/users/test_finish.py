"""Where the application finishes sign-ins, what a browser brings is for the user who began it, and for no other."""

import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from proxy.core.errors import (
    DependencyUnavailableError,
    RequestInvalidError,
    TokenUnavailableError,
    UserRequiredError,
    UserUnprovenError,
)
from proxy.core.secret import Secret
from proxy.stores.base import StoreError
from proxy.users.browser import USER
from proxy.users.identity import user_hash
from tests.fakes.sign_in_bench import APP, OWN, USERS_SECRET, Browser, SignInBench

BACK = f"{APP}/connected?tab=2#here"


@pytest.fixture
async def bench() -> AsyncIterator[SignInBench]:
    async with SignInBench(sign_in={"finished_by": "application"}) as bench:
        yield bench


def said(user: str, code: str, **more: Any) -> dict[str, Any]:
    return {"user_id": user, "user_hash": user_hash(user, Secret(USERS_SECRET)), "code": code, **more}


async def came_back(bench: SignInBench, browser: Browser, user: str = "ann", **more: str) -> str:
    """Return the code with which a browser comes back to the application."""
    answer = await browser.open(await bench.to_callback(browser, user, return_to=BACK, **more))
    address = urlsplit(answer.headers["Location"])
    assert (answer.status, f"{address.scheme}://{address.netloc}{address.path}") == (303, f"{APP}/connected")
    assert (parse_qs(address.query)["tab"], address.fragment) == (["2"], "here")
    return parse_qs(address.query)["countersign_code"][0]


async def finish(bench: SignInBench, document: Any, **headers: str) -> Any:
    sent = {"Content-Type": "application/json", "Origin": APP, **headers}
    answer = await bench.browser().post(f"{OWN}/.countersign/sign-ins", json.dumps(document).encode(), **sent)
    return json.loads(answer.body)


async def test_it_counts_when_the_application_says_so_and_not_before(bench: SignInBench) -> None:
    browser = bench.browser()
    code = await came_back(bench, browser)
    assert (await bench.value("ann"), bench.server.count, USER in browser.cookies) == (None, 0, False)
    assert await finish(bench, said("ann", code)) == {"status": "signed_in", "credential": "drive"}
    assert bench.server.is_valid(str(await bench.value("ann")))
    event = bench.events.query().events[0]
    assert (event.event, event.user) == ("signed_in", bench.registry.pseudonym("ann"))


async def test_who_was_talked_into_a_sign_in_gives_nothing_away(bench: SignInBench) -> None:
    code = await came_back(bench, bench.browser(), "eve")  # Eve's link, opened and agreed to by Ann
    with pytest.raises(RequestInvalidError, match="another user") as caught:
        await finish(bench, said("ann", code))
    assert caught.value.members["reason"] == "other_user"
    with pytest.raises(RequestInvalidError, match="over already"):
        await finish(bench, said("eve", code))
    assert (await bench.value("ann"), await bench.value("eve"), bench.server.count) == (None, None, 0)
    event = bench.events.query().events[0]
    assert (event.event, event.reason) == ("sign_in_refused", "other_user")
    assert event.user == bench.registry.pseudonym("eve")


async def test_a_code_works_once_and_what_was_made_up_does_not(bench: SignInBench) -> None:
    code = await came_back(bench, bench.browser())
    await finish(bench, said("ann", code))
    for wrong in (code, "made-up"):
        with pytest.raises(RequestInvalidError):
            await finish(bench, said("ann", wrong))
    assert bench.server.count == 1


@pytest.mark.parametrize(
    ("document", "error"),
    [
        ({"code": "x"}, UserRequiredError),
        ({"code": "x", "user_id": "ann"}, UserUnprovenError),
        ({"code": "x", "user_id": "ann", "user_hash": "0" * 64}, UserUnprovenError),
        (said("ann", "x", more="y"), RequestInvalidError),
        ({**said("ann", ""), "code": 7}, RequestInvalidError),
        ([], RequestInvalidError),
    ],
)
async def test_a_call_without_a_proof_or_a_code_is_refused_and_uses_nothing_up(
    bench: SignInBench, document: Any, error: type[Exception]
) -> None:
    code = await came_back(bench, bench.browser())
    with pytest.raises(error):
        await finish(bench, document)
    assert (await finish(bench, said("ann", code)))["status"] == "signed_in"


async def test_pages_of_other_origins_may_not_call_it(bench: SignInBench) -> None:
    with pytest.raises(RequestInvalidError, match="origin"):
        await finish(bench, said("ann", "x"), Origin="https://evil.example")


async def test_what_the_provider_says_of_it_is_told_to_the_application(bench: SignInBench) -> None:
    code = await came_back(bench, bench.browser())
    bench.server.knobs.status, bench.server.knobs.error = 400, "invalid_grant"
    with pytest.raises(TokenUnavailableError) as caught:
        await finish(bench, said("ann", code))
    assert caught.value.members == {"reason": "invalid_grant", "credential": "drive"}
    assert bench.reasons() == ["invalid_grant"]


async def test_a_token_of_another_sign_in_is_not_kept(bench: SignInBench) -> None:
    code = await came_back(bench, bench.browser())
    bench.server.claims = {"nonce": "another"}
    with pytest.raises(RequestInvalidError) as caught:
        await finish(bench, said("ann", code))
    assert (caught.value.members["reason"], await bench.value("ann")) == ("wrong_id_token", None)


async def test_while_the_store_is_away_the_code_stays_good(bench: SignInBench) -> None:
    code = await came_back(bench, bench.browser())
    bench.store.error = StoreError("away")
    with pytest.raises(DependencyUnavailableError, match="repeat"):
        await finish(bench, said("ann", code))
    bench.store.error = None
    assert (await finish(bench, said("ann", code)))["status"] == "signed_in"


async def test_a_link_without_a_page_to_go_back_to_is_told_so(bench: SignInBench) -> None:
    answer = await bench.browser().open(bench.link("ann"))
    assert (answer.status, "return_to" in answer.body.decode()) == (400, True)


async def test_an_access_for_all_is_finished_by_the_operators_browser(bench: SignInBench) -> None:
    browser = bench.browser()
    await browser.open(await bench.to_callback(browser, None, "shared"))
    assert bench.server.is_valid(str(await bench.value(None, "shared")))
