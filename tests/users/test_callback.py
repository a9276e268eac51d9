"""A sign-in ends in the browser in which it began, and what it brings counts before anybody is told so."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from proxy.core.errors import ProxyError, RequestInvalidError
from proxy.credentials.workflow import WorkflowSettings
from proxy.stores.base import StoreError
from proxy.tokens.sources import build_sources
from proxy.users.browser import USER
from tests.fakes.authorization_server import CLIENT, SECRET
from tests.fakes.sign_in_bench import APP, CALLBACK, OWN, SignInBench, address_of
from tests.fakes.until import until


@pytest.fixture
async def bench() -> AsyncIterator[SignInBench]:
    async with SignInBench() as bench:
        yield bench


async def test_who_comes_back_is_sent_on_to_a_clean_address_and_requests_have_a_token(bench: SignInBench) -> None:
    browser = bench.browser()
    answer = await browser.open(await bench.to_callback(browser, "ann"))
    assert (answer.status, answer.headers["Location"]) == (303, f"{OWN}/.countersign/signed-in")
    assert bench.server.is_valid(str(await bench.value("ann")))
    assert "You can close this window" in (await browser.open(answer.headers["Location"])).body.decode()
    event = bench.events.query().events[0]
    assert (event.event, event.credential, event.user) == ("signed_in", "drive", bench.registry.pseudonym("ann"))
    assert await bench.value("ben") is None


async def test_who_has_somewhere_to_go_is_sent_there(bench: SignInBench) -> None:
    browser = bench.browser()
    answer = await browser.open(await bench.to_callback(browser, return_to=f"{APP}/settings"))
    assert answer.headers["Location"] == f"{APP}/settings"


async def test_one_person_can_give_access_for_all(bench: SignInBench) -> None:
    browser = bench.browser()
    await browser.open(await bench.to_callback(browser, None, "shared"))
    assert bench.server.is_valid(str(await bench.value(None, "shared")))
    assert USER not in browser.cookies


@pytest.mark.parametrize("claims", [{"nonce": "another"}, {"aud": "another"}, {"iss": "https://evil.example"}])
async def test_a_token_of_another_sign_in_is_not_kept(bench: SignInBench, claims: dict[str, str]) -> None:
    browser = bench.browser()
    url = await bench.to_callback(browser)
    bench.server.claims = dict(claims)
    answer = await browser.open(url)
    assert (answer.status, bench.reasons()) == (400, ["wrong_id_token"])
    assert await bench.value("ann") is None
    assert USER not in browser.cookies


async def test_a_failed_sign_in_leaves_what_was_there(bench: SignInBench) -> None:
    browser = bench.browser()
    await browser.open(await bench.to_callback(browser))
    before = await bench.value("ann")
    url = await bench.to_callback(browser, return_to=f"{APP}/x")
    bench.server.knobs.status, bench.server.knobs.error = 400, "invalid_grant"
    answer = await browser.open(url)
    assert (answer.status, bench.reasons()) == (502, ["invalid_grant"])
    assert f"Back to {APP}" in answer.body.decode()
    assert await bench.value("ann") == before


async def test_what_the_store_does_not_take_is_not_called_a_success(bench: SignInBench) -> None:
    browser = bench.browser()
    url = await bench.to_callback(browser)
    bench.store.error = StoreError("away")
    assert (await browser.open(url)).status == 503
    bench.store.error = None
    assert (await browser.open(url)).status == 303


async def test_who_comes_back_twice_at_once_is_let_in_once(bench: SignInBench) -> None:
    browser = bench.browser()
    url = await bench.to_callback(browser)
    answers = await asyncio.gather(*(browser.open(url) for _ in range(5)))
    assert sorted(answer.status for answer in answers) == [303, 400, 400, 400, 400]
    assert bench.reasons() == ["state_used"] * 4
    assert bench.server.count == 1


async def test_who_does_not_wait_for_the_end_is_signed_in_all_the_same(bench: SignInBench) -> None:
    browser = bench.browser()
    url = await bench.to_callback(browser)
    bench.server.hold()
    impatient = asyncio.create_task(browser.open(url))
    await until(lambda: bench.server.count)
    impatient.cancel()
    with pytest.raises(asyncio.CancelledError):
        await impatient
    bench.server.release()
    await until(lambda: bench.events.query().events)
    assert bench.events.query().events[0].event == "signed_in"
    assert bench.server.is_valid(str(await bench.value("ann")))


async def test_a_state_that_nobody_knows_is_no_event(bench: SignInBench) -> None:
    answer = await bench.browser().open(f"{CALLBACK}?state=invented&code=x")
    assert (answer.status, "invented" in answer.body.decode()) == (400, False)
    assert bench.reasons() == []


@pytest.mark.parametrize("query", ["state=a&state=b", "state=%ff", "&".join(f"a{n}=1" for n in range(60))])
async def test_an_answer_that_can_be_read_in_two_ways_is_refused(bench: SignInBench, query: str) -> None:
    assert (await bench.browser().open(f"{CALLBACK}?{query}")).status == 400


async def test_what_stands_behind_the_hash_is_handed_over_by_a_page(bench: SignInBench) -> None:
    browser = bench.browser()
    url = await bench.to_callback(browser, return_to=f"{APP}/x")
    page = await browser.open(CALLBACK)
    assert "location.hash" in page.body.decode()
    said = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    answer = await browser.send(CALLBACK, said)
    assert (answer.status, address_of(answer)) == (200, f"{APP}/x")
    assert await bench.value("ann")
    with pytest.raises(RequestInvalidError):
        await browser.send(CALLBACK, said, Origin="https://evil.example")


async def test_the_state_may_stand_before_the_hash_and_the_answer_behind_it(bench: SignInBench) -> None:
    browser = bench.browser()
    url = await bench.to_callback(browser)
    said = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    page = await browser.open(f"{CALLBACK}?{urlencode({'state': said['state']})}")
    assert (page.status, "location.hash" in page.body.decode()) == (200, True)
    assert (await browser.send(CALLBACK, said)).status == 200
    assert await bench.value("ann")


async def test_to_look_at_an_answer_does_not_use_it_up(bench: SignInBench) -> None:
    browser = bench.browser()
    url = await bench.to_callback(browser)
    await browser.open(url, method="HEAD")
    assert (await browser.open(url)).status == 303


async def test_an_answer_at_another_address_than_its_own_is_refused(bench: SignInBench) -> None:
    browser = bench.browser()
    url = await bench.to_callback(browser)
    assert (await browser.open(url.replace("/callback?", "/callback/drive?"))).status == 400
    assert bench.reasons() == ["wrong_issuer"]


async def test_who_lacks_a_variable_by_now_brings_nothing(bench: SignInBench) -> None:
    browser = bench.browser()
    url = await bench.to_callback(browser)
    asking = bench.settings(parameters={"login_hint": "{{ USER_EMAIL }}"})
    bench.sources = await build_sources({"drive": asking}, bench.workshop, bench.sources)
    answer = await browser.open(url)
    assert (answer.status, bench.reasons(), bench.server.count) == (400, ["misconfigured"], 0)


async def test_a_credential_that_is_gone_meanwhile_gets_nothing(bench: SignInBench) -> None:
    browser = bench.browser()
    url = await bench.to_callback(browser)
    bench.sources = await build_sources({}, bench.workshop, bench.sources)
    assert (await browser.open(url)).status == 503


def in_steps(bench: SignInBench, form: dict[str, str], **more: Any) -> WorkflowSettings:
    """Return a workflow with a step in the browser, after which it sends that form for the token."""
    url = bench.server.base + "/authorize?response_type=code&client_id=x&state={{ STATE }}"
    url += "&redirect_uri={{ REDIRECT_URI }}&code_challenge={{ VERIFIER | sha256 | base64url }}"
    token = {"ACCESS_TOKEN": {"from": "json", "path": "access_token"}}
    given = {
        "kind": "workflow",
        "steps": [{"name": "consent", "browser": {"url": f"{url}&code_challenge_method=S256"}}],
        "on_callback": [{"name": "redeem", "request": {"url": bench.server.url, "form": form}, "extract": token}],
        "allow_plain_http": True,
    }
    return WorkflowSettings.model_validate(given | more)


async def test_nobody_signs_in_as_another_user_of_the_api_by_a_parameter(bench: SignInBench) -> None:
    settings = in_steps(bench, {"on_behalf_of": "{{ USER_ID }}", "code": "{{ CODE }}"}, per_user=True)
    bench.sources = await build_sources({"drive": settings}, bench.workshop, bench.sources)
    browser = bench.browser()
    await browser.open(f"{await bench.to_callback(browser, 'ann')}&user_id=ben")
    assert b"on_behalf_of=ann&" in bench.server.requests[-1].body


async def test_what_a_person_brings_gets_to_whom_it_is_saved_to(bench: SignInBench) -> None:
    given = {"client_id": CLIENT, "client_secret": SECRET, "grant_type": "client_credentials", "for": "{{ CODE }}"}
    giver = in_steps(bench, given, save_to="taker")
    taker = WorkflowSettings.model_validate({"kind": "workflow", "steps": [], "token": "{{ ACCESS_TOKEN }}-{{ CODE }}"})
    bench.sources = await build_sources({"shared": giver, "taker": taker}, bench.workshop, bench.sources)
    bench.sources.connect(bench.workshop)
    with pytest.raises(ProxyError, match="has to sign in"):
        await bench.sources.by_name["taker"].obtain()
    browser = bench.browser()
    url = await bench.to_callback(browser, None, "shared")
    assert (await browser.open(url)).status == 303
    await until(lambda: bench.sources.by_name["taker"].token)
    (code,) = parse_qs(urlsplit(url).query)["code"]
    assert (await bench.sources.by_name["taker"].obtain()).token.value.reveal() == (
        f"{await bench.value(None, 'shared')}-{code}"
    )
