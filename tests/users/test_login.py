"""A sign-in begins when its user says so, in their own browser, with a link that works once."""

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import parse_qs, urlsplit

import pytest

from proxy.core.errors import LoginRequiredError, RequestInvalidError
from proxy.core.secret import Secret
from proxy.credentials.sign_in import login_required
from proxy.stores.base import StoreError
from proxy.tokens.sources import build_sources
from proxy.users.browser import BROWSER, USER
from proxy.users.portal import Answer
from proxy.users.registry import User
from proxy.users.tickets import LIFETIME
from tests.fakes.known import keep
from tests.fakes.sign_in_bench import APP, CALLBACK, OWN, SignInBench, address_of, fields_of


@pytest.fixture
async def bench() -> AsyncIterator[SignInBench]:
    async with SignInBench() as bench:
        yield bench


async def begun(bench: SignInBench, user: str) -> Answer:
    """Return the answer that sends a user to the provider."""
    browser, link = bench.browser(), bench.link(user)
    return await browser.send(link, fields_of(await browser.open(link)))


async def test_a_link_leads_to_a_question_and_the_question_to_the_provider(bench: SignInBench) -> None:
    browser, link = bench.browser(), bench.link("ann")
    page = await browser.open(link)
    assert (page.status, set(fields_of(page))) == (200, {"ticket", "token"})
    answer = await browser.send(link, fields_of(page))
    assert answer.status == 200
    assert address_of(answer).startswith(f"{bench.server.base}/authorize?")
    said = parse_qs(urlsplit(address_of(answer)).query)
    assert said["redirect_uri"] == [CALLBACK]


async def test_a_question_changes_nothing_and_may_be_asked_twice(bench: SignInBench) -> None:
    browser, link = bench.browser(), bench.link("ann")
    first = await browser.open(link)
    mark = browser.cookies[BROWSER]
    await browser.open(bench.link("ann"))
    assert browser.cookies[BROWSER] == mark
    asked = dict(bench.store.asked)
    await browser.open(link, method="HEAD")
    assert bench.store.asked.get("save") == asked.get("save")
    assert (await browser.send(link, fields_of(first))).status == 200


async def test_the_question_shows_what_is_known_of_the_user(bench: SignInBench) -> None:
    await keep(bench.registry, User("ann", "annabel@mail.example", "Annabel Lee"))
    page = (await bench.browser().open(bench.link("ann"))).body.decode()
    assert "An… Le…, an…@mail.example" in page
    bench.store.error = StoreError("away")
    assert "an…" in (await bench.browser().open(bench.link("ann"))).body.decode()


async def test_a_browser_in_which_the_user_has_signed_in_is_not_asked(bench: SignInBench) -> None:
    browser = bench.browser()
    await browser.open(await bench.to_callback(browser, "ann"))
    assert USER in browser.cookies
    answer = await browser.open(bench.link("ann"))
    assert (answer.status, answer.headers["Location"].partition("?")[0]) == (303, f"{bench.server.base}/authorize")
    assert (await browser.open(bench.link("ann"), method="HEAD")).status == 200
    page = await browser.open(bench.link("ben"))
    assert (page.status, "Somebody else" in page.body.decode()) == (200, True)
    assert (await browser.open(bench.link(None, "shared"))).status == 200


async def test_a_link_that_is_too_old_is_refused_and_told_of(bench: SignInBench) -> None:
    browser, link = bench.browser(), bench.link("ann")
    page = await browser.open(link)
    await bench.clock.advance(seconds=LIFETIME)
    for answer in (await browser.open(link), await browser.send(link, fields_of(page))):
        assert (answer.status, "too old" in answer.body.decode()) == (400, True)
    assert bench.reasons() == ["ticket_expired"] * 2
    assert {event.user for event in bench.events.query().events} == {bench.registry.pseudonym("ann")}


async def test_a_form_without_our_word_in_that_browser_begins_nothing(bench: SignInBench) -> None:
    browser, link = bench.browser(), bench.link("ann")
    fields = fields_of(await browser.open(link))
    for wrong in ({**fields, "token": ""}, {**fields, "token": "é"}, {"ticket": fields["ticket"]}):
        assert (await browser.send(link, wrong)).status == 400
    assert (await bench.browser().send(link, fields)).status == 400
    assert bench.reasons() == ["other_browser"] * 4
    with pytest.raises(RequestInvalidError):
        await browser.send(link, fields, Origin="https://evil.example")


async def test_who_goes_back_goes_on_with_the_same_sign_in_until_it_is_over(bench: SignInBench) -> None:
    browser, link = bench.browser(), bench.link("ann")
    fields = fields_of(await browser.open(link))
    first, second = [await browser.send(link, fields) for _ in range(2)]
    assert (second.status, address_of(second)) == (200, address_of(first))
    assert (await browser.open(bench.server.consent(address_of(second)))).status == 303
    for answer in (await browser.send(link, fields), await browser.open(link)):  # known by now, and not asked
        assert (answer.status, "used before" in answer.body.decode()) == (400, True)
    assert bench.reasons() == ["ticket_used"] * 2


async def test_a_link_that_another_browser_has_used_leads_nowhere_and_asks_nobody(bench: SignInBench) -> None:
    one, other, link = bench.browser(), bench.browser(), bench.link("ann")
    forms = [fields_of(await browser.open(link)) for browser in (one, other)]
    assert (await one.send(link, forms[0])).status == 200
    bench.server.knobs.metadata_status = 404  # who is refused before that does not meet it
    bench.sources = await build_sources({"drive": bench.settings(service="New")}, bench.workshop, bench.sources)
    answer = await other.send(link, forms[1])
    assert (answer.status, "used before" in answer.body.decode()) == (400, True)
    assert bench.reasons() == ["ticket_used"]


async def test_who_sends_the_form_many_times_at_once_is_led_one_way(bench: SignInBench) -> None:
    browser, link = bench.browser(), bench.link("ann")
    fields = fields_of(await browser.open(link))
    answers = await asyncio.gather(*(browser.send(link, fields) for _ in range(5)))
    assert len({address_of(answer) for answer in answers}) == 1
    assert (await browser.open(bench.server.consent(address_of(answers[0])))).status == 303


async def test_a_provider_that_is_away_uses_no_link_up(bench: SignInBench) -> None:
    browser, link = bench.browser(), bench.link("ann", return_to=f"{APP}/x")
    fields = fields_of(await browser.open(link))
    bench.server.knobs.metadata_status = 404
    answer = await browser.send(link, fields)
    assert (answer.status, "cannot be reached" in answer.body.decode()) == (502, True)
    assert f"{APP}/x" in answer.body.decode()
    bench.server.knobs.metadata_status = 200
    assert (await browser.send(link, fields)).status == 200


async def test_who_lacks_a_variable_that_the_provider_is_told_is_sent_nowhere(bench: SignInBench) -> None:
    settings = bench.settings(parameters={"login_hint": "{{ USER_EMAIL }}", "tenant": ["{{ TENANT }}"]})
    bench.sources = await build_sources({"drive": settings}, bench.workshop, bench.sources)
    browser, link = bench.browser(), bench.link("ann")
    answer = await browser.send(link, fields_of(await browser.open(link)))
    assert (answer.status, "not known of you" in answer.body.decode()) == (400, True)
    event = bench.events.query().events[0]
    assert (event.event, event.reason) == ("sign_in_refused", "misconfigured")
    assert "the variable USER_EMAIL has no value for this user" in str(event.detail)
    known = User("ben", "ben@mail.example", variables={"TENANT": Secret("acme")})
    await keep(bench.registry, known)
    bench.server.consent(address_of(await begun(bench, "ben")))
    assert bench.server.asked[-1].items() >= {("login_hint", "ben@mail.example"), ("tenant", "acme")}


async def test_what_cannot_be_kept_does_not_begin(bench: SignInBench) -> None:
    browser, link = bench.browser(), bench.link("ann")
    fields = fields_of(await browser.open(link))
    bench.store.error = StoreError("away")
    answer = await browser.send(link, fields)
    assert (answer.status, "cannot be kept" in answer.body.decode()) == (503, True)
    assert bench.reasons() == ["store_away"]


async def test_a_link_leads_back_to_configured_origins_alone(bench: SignInBench) -> None:
    assert (await bench.browser().open(bench.link("ann", return_to=f"{APP}/x"))).status == 200
    for elsewhere in ("https://evil.example/", f"{APP}.evil.example/", f"{OWN}/", "/x"):
        answer = await bench.browser().open(bench.link("ann", return_to=elsewhere))
        assert (answer.status, "Location" in answer.headers) == (400, False)


async def test_a_link_is_for_a_credential_of_that_sort_that_is_there(bench: SignInBench) -> None:
    for link in (bench.link("ann", "shared"), bench.link(None, "drive"), bench.link("ann", "gone")):
        answer = await bench.browser().open(link)
        assert (answer.status, "leads nowhere" in answer.body.decode()) == (400, True)


async def test_a_refusal_gets_a_link_for_its_user_where_the_access_is_theirs_to_give(bench: SignInBench) -> None:
    person = bench.registry.person("ann")
    error = login_required("drive", personal=True)
    bench.people.invite(error, person)
    assert error.members["login_url"].startswith(f"{OWN}/.countersign/login/drive?ticket=")
    assert (await bench.browser().open(error.members["login_url"])).status == 200
    for other, whose in ((login_required("shared", personal=False), person), (LoginRequiredError(), person)):
        bench.people.invite(other, whose)
        assert "login_url" not in other.members
    without = login_required("drive", personal=True)
    bench.people.invite(without, None)
    assert "login_url" not in without.members
