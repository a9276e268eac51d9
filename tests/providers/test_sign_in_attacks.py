"""Nobody can plant an account on somebody else, or collect what somebody else allows: each try is refused, and told."""

from collections.abc import AsyncIterator
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import pytest
import pytest_asyncio

from tests.providers.clients import Identities
from tests.providers.sign_in_world import APP, SignInWorld, drive, in_browser, signing_in
from tests.providers.visitor import Page, Visitor

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(identities: Identities) -> AsyncIterator[SignInWorld]:
    async with signing_in(
        identities, lambda provider: {"drive": drive(provider), "own": drive(provider, callback="own")}
    ) as world:
        yield world


@pytest.fixture
def victim() -> Visitor:
    return Visitor()


@pytest.fixture
def attacker() -> Visitor:
    return Visitor()


async def reason(world: SignInWorld, credential: str = "drive") -> str:
    """Return why the last sign-in was refused, as the event log has it."""
    event = (await world.events(credential))[0]
    assert event["event"] == "sign_in_refused"
    return str(event["reason"])


async def opened(visitor: Visitor, url: str) -> Page:
    return await in_browser(lambda: visitor.get(url))


def altered(url: str, **parameters: str | None) -> str:
    """Return the address with other parameters; None takes one out."""
    parts = urlsplit(url)
    known = {name: values[0] for name, values in parse_qs(parts.query).items()} | parameters
    query = urlencode({name: value for name, value in known.items() if value is not None})
    return parts._replace(query=query).geturl()


async def test_a_stolen_state_is_of_no_use_in_another_browser(
    world: SignInWorld, victim: Visitor, attacker: Visitor
) -> None:
    url = await world.to_callback("ann", victim)
    await world.to_callback("eve", attacker)
    page = await opened(attacker, url)
    assert (page.status, "another browser" in page.text) == (400, True)
    assert await reason(world) == "other_browser"
    assert (await world.ask("ann"))[0] == 403
    assert (await opened(victim, url)).status == 303
    assert (await world.ask("ann"))[0] == 200


async def test_a_callback_without_a_cookie_is_refused(world: SignInWorld, victim: Visitor) -> None:
    url = await world.to_callback("bea", victim)
    victim.forget_cookies()
    assert (await opened(victim, url)).status == 400
    assert await reason(world) == "other_browser"
    assert (await world.ask("bea"))[0] == 403


async def test_a_callback_counts_once(world: SignInWorld, victim: Visitor) -> None:
    url = await world.to_callback("cyd", victim)
    assert (await opened(victim, url)).status == 303
    page = await opened(victim, url)
    assert (page.status, "over already" in page.text) == (400, True)
    assert await reason(world) == "state_used"
    assert (await world.ask("cyd"))[0] == 200


async def test_an_attackers_own_callback_plants_nothing_in_a_victims_browser(
    world: SignInWorld, victim: Visitor, attacker: Visitor
) -> None:
    await world.to_callback("dot", victim)
    url = await world.to_callback("eve", attacker)
    assert (await opened(victim, url)).status == 400
    assert (await world.ask("dot"))[0] == 403
    assert (await world.ask("eve"))[0] == 403


async def test_a_stolen_code_is_of_no_use_in_another_sign_in(
    world: SignInWorld, victim: Visitor, attacker: Visitor
) -> None:
    stolen = parse_qs(urlsplit(await world.to_callback("fay", victim)).query)["code"][0]
    url = altered(await world.to_callback("eve", attacker), code=stolen)
    assert (await opened(attacker, url)).status == 502
    assert await reason(world) == "invalid_grant"
    assert (await world.ask("eve"))[0] == 403


async def test_a_form_from_another_browser_is_refused(world: SignInWorld, victim: Visitor, attacker: Visitor) -> None:
    link = await world.invitation("eve")
    address, fields = (await opened(attacker, link)).form()
    page = await in_browser(lambda: victim.post(address, fields))
    assert page.status == 400
    assert await reason(world) == "other_browser"
    await opened(victim, await world.invitation("gil"))
    page = await in_browser(lambda: victim.post(address, fields))
    assert (page.status, await reason(world)) == (400, "other_browser")


@pytest.mark.parametrize("origin", ["https://evil.example", "null", APP])
async def test_a_foreign_page_cannot_send_the_form(world: SignInWorld, victim: Visitor, origin: str) -> None:
    link = await world.invitation("hal")
    address, fields = (await opened(victim, link)).form()
    page = await in_browser(lambda: victim.post(address, fields, origin))
    assert (page.status, "users.origins" in page.text) == (400, True)
    assert (await in_browser(lambda: victim.post(address, {**fields, "token": "0" * 64}))).status == 400


async def test_a_link_works_once(world: SignInWorld, victim: Visitor, attacker: Visitor) -> None:
    link = await world.invitation("ida")
    until = world.provider.at.issuer
    assert (await in_browser(lambda: victim.follow(victim.get(link), until=until))).url.startswith(until)
    page = await in_browser(lambda: attacker.follow(attacker.get(link), until=until))
    assert (page.status, "used before" in page.text) == (400, True)
    assert await reason(world) == "ticket_used"


async def test_to_look_at_a_link_does_not_use_it_up(world: SignInWorld, victim: Visitor, attacker: Visitor) -> None:
    link = await world.invitation("jan")
    for _ in range(3):
        assert (await opened(attacker, link)).status == 200
    page = await in_browser(lambda: victim.follow(victim.get(link), until=APP))
    assert page.title == "You are signed in"


async def test_a_ticket_is_for_one_credential_and_cannot_be_changed(world: SignInWorld, victim: Visitor) -> None:
    link = await world.invitation("kit")
    assert (await opened(victim, link.replace("/drive?", "/own?"))).status == 400
    assert await reason(world) == "ticket_invalid"
    ticket = parse_qs(urlsplit(link).query)["ticket"][0]
    for wrong in ("", "x", ticket[:-4] + "AAAA", ticket[:-8], "é"):
        page = await opened(victim, altered(link, ticket=wrong))
        assert (page.status, "not valid" in page.text) == (400, True)


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example/",
        "https://app.example.evil.example/",
        "https://app.example@evil.example/",
        "https://app.example:444/",
        "http://app.example/",
        "//evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "https://app.example\\@evil.example",
        "https://app.example\t.evil.example",
    ],
)
async def test_nobody_is_sent_to_a_page_of_another_origin(world: SignInWorld, victim: Visitor, address: str) -> None:
    page = await opened(victim, await world.invitation("lea", return_to=quote(address, safe="")))
    assert page.status == 400
    assert "Location" not in page.headers
    assert address not in page.text


@pytest.mark.parametrize("issuer", ["https://evil.example", "", None])
async def test_an_answer_of_another_provider_is_refused(
    world: SignInWorld, victim: Visitor, issuer: str | None
) -> None:
    url = altered(await world.to_callback("mia", victim), iss=issuer)
    page = await opened(victim, url)
    assert (page.status, "another service" in page.text) == (400, True)
    assert await reason(world) == "wrong_issuer"
    assert (await world.ask("mia"))[0] == 403


async def test_an_answer_at_the_address_of_another_credential_is_refused(world: SignInWorld, victim: Visitor) -> None:
    url = await world.to_callback("ned", victim, "own")
    page = await opened(victim, url.replace("/callback/own?", "/callback?"))
    assert page.status == 400
    assert await reason(world, "own") == "wrong_issuer"
    assert (await world.ask("ned", "own"))[0] == 403


async def test_what_is_shown_to_browsers_is_neither_kept_nor_framed_and_tells_no_other_site(
    world: SignInWorld, victim: Visitor
) -> None:
    page = await opened(victim, await world.invitation("oda"))
    assert page.headers["Cache-Control"] == "no-store"
    assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]
    assert page.headers["Referrer-Policy"] == "same-origin"
    cookie = page.headers["Set-Cookie"]
    assert cookie.startswith("__Host-countersign-browser=")
    assert cookie.endswith("; Path=/; Secure; HttpOnly; SameSite=Lax")
