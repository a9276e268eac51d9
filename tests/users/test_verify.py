"""The link in a refusal, the two calls for apps, and the page: what each takes, and what each refuses."""

import json
import re
from collections.abc import AsyncIterator
from html import unescape
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from proxy.core.errors import (
    CodeRefusedError,
    DependencyUnavailableError,
    RequestInvalidError,
    UserUnprovenError,
    VerificationLimitedError,
    VerificationRequiredError,
)
from proxy.core.message import RequestHead
from proxy.users.codes import PAUSE, TRIES
from proxy.users.handles import LIFETIME, Handle
from proxy.users.portal import Answer, Call, Portal
from tests.fakes.code_room import APP, OWN, CodeRoom
from tests.fakes.heads import head_of

SCOPE = "route/billing"


@pytest.fixture
async def room() -> AsyncIterator[CodeRoom]:
    async with CodeRoom() as made:
        await made.user("ann")
        yield made


async def answered(room: CodeRoom, method: str, path: str, body: bytes = b"", **headers: str) -> Answer:
    """Ask the portal."""
    portal = Portal(room.verify.entries(), OWN, (APP,))
    path, mark, query = path.partition("?")
    lines = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    head = head_of(f"/.countersign/{path}", method=method, headers=lines)
    return await portal.answer(Call(RequestHead(*(*head[:2], mark + query, *head[3:])), body=body))


async def said(room: CodeRoom, verb: str, document: object, **headers: str) -> Answer:
    body = json.dumps(document).encode()
    return await answered(room, "POST", f"verify/{verb}", body, Content_Type="application/json", **headers)


def written(room: CodeRoom, user: str = "ann", scope: str = SCOPE) -> str:
    return room.verifications.handles.write(Handle(user, scope))


async def form(room: CodeRoom, handle: str, do: str, **more: str) -> Answer:
    token = room.verifications.handles.form_token(handle)
    fields = {"handle": handle, "token": token, "do": do, **more}
    return await answered(room, "POST", "verify", urlencode(fields).encode(), Origin=OWN)


async def test_a_refusal_leads_to_the_page_and_has_the_handle_for_apps(room: CodeRoom) -> None:
    with pytest.raises(VerificationRequiredError) as caught:
        await room.verify.demand(room.registry.person("ann"), SCOPE, 900)
    told = caught.value.members
    parts = urlsplit(told["verify_url"])
    assert (f"{parts.scheme}://{parts.netloc}{parts.path}") == f"{OWN}/.countersign/verify"
    assert parse_qs(parts.query) == {"handle": [told["handle"]]}
    assert room.verifications.handles.read(told["handle"]) == Handle("ann", SCOPE)


async def test_an_app_has_a_code_sent_and_comes_with_it(room: CodeRoom) -> None:
    handle = written(room)
    answer = await said(room, "start", {"handle": handle})
    assert (answer.status, json.loads(answer.body)) == (
        202,
        {"status": "accepted", "expires_in": 600, "resend_after": 30},
    )
    code = await room.mail.code_for("ann@mail.example")
    answer = await said(room, "check", {"handle": handle, "code": code}, Origin=APP)
    assert (answer.status, json.loads(answer.body)) == (200, {"status": "verified"})
    assert answer.headers["Access-Control-Allow-Origin"] == APP
    await room.verify.demand(room.registry.person("ann"), SCOPE, 900)


@pytest.mark.parametrize("verb", ["start", "check"])
@pytest.mark.parametrize("document", [{}, {"handle": 1}, {"handle": "x"}, {"code": "123456"}, [], {"handle": None}])
async def test_a_call_that_is_about_nobody_is_refused(room: CodeRoom, verb: str, document: object) -> None:
    with pytest.raises(RequestInvalidError):
        await said(room, verb, document)


@pytest.mark.parametrize("code", [None, 123456, ["123456"], {}])
async def test_a_code_is_a_text(room: CodeRoom, code: object) -> None:
    with pytest.raises(RequestInvalidError, match="`code` is missing"):
        await said(room, "check", {"handle": written(room), "code": code})


@pytest.mark.parametrize("code", ["", " ", "12345", "1234567", "１２３４５６", "0" * 5000, "\x00"])  # noqa: RUF001
async def test_no_other_text_is_the_code(room: CodeRoom, code: str) -> None:
    handle = written(room)
    await said(room, "start", {"handle": handle})
    with pytest.raises(CodeRefusedError):
        await said(room, "check", {"handle": handle, "code": code})


async def test_a_proof_of_another_user_beside_a_handle_is_refused(room: CodeRoom) -> None:
    handle = written(room)
    with pytest.raises(UserUnprovenError):
        await said(room, "start", {"handle": handle}, X_Proven="ben")
    assert (await said(room, "start", {"handle": handle}, X_Proven="ann")).status == 202


async def test_pages_of_foreign_origins_may_not_call(room: CodeRoom) -> None:
    with pytest.raises(RequestInvalidError, match="origin"):
        await said(room, "start", {"handle": written(room)}, Origin="https://evil.example")
    with pytest.raises(RequestInvalidError, match="origin"):
        await answered(room, "POST", "verify", b"", Origin=APP)


async def test_a_person_is_led_through_the_page(room: CodeRoom) -> None:
    handle = written(room)
    asked = await answered(room, "GET", f"verify?{urlencode({'handle': handle, 'return_to': f'{APP}/x'})}")
    assert b"Send the code" in asked.body
    assert f"form-action 'self' {APP};" in f"{asked.headers['Content-Security-Policy']};"
    sent = await form(room, handle, "send", return_to=f"{APP}/x")
    assert sent.status == 303
    entering = await answered(room, "GET", sent.headers["Location"])
    assert b"Type the code" in entering.body
    code = await room.mail.code_for("ann@mail.example")
    done = await form(room, handle, "check", code=code, return_to=f"{APP}/x")
    assert (done.status, done.headers["Location"]) == (303, f"{APP}/x")


async def test_nobody_is_sent_to_a_page_that_is_not_of_a_configured_origin(room: CodeRoom) -> None:
    handle = written(room)
    evil = "https://evil.example/x"
    shown = await answered(room, "GET", f"verify?{urlencode({'handle': handle, 'return_to': evil})}")
    posted = [await form(room, handle, do, return_to=evil, code="1") for do in ("send", "check")]
    for answer in (shown, *posted):
        assert (answer.status, b"evil" in answer.body, "Location" in answer.headers) == (400, False, False)
    assert room.mail.connections == 0


async def test_a_get_does_nothing(room: CodeRoom) -> None:
    handle, before = written(room), room.memory.loads
    for extra in ("", "&sent=1", "&sent=again", "&do=send", "&do=check&code=123456", "&done=1"):
        assert (await answered(room, "GET", f"verify?handle={handle}{extra}")).status == 200
    assert (room.mail.connections, room.told(), room.memory.loads) == (0, [], before)


async def test_what_goes_wrong_is_told_on_the_page(room: CodeRoom) -> None:
    handle = written(room)
    texts = []
    for _ in range(TRIES + 1):
        answer = await form(room, handle, "check", code="1")
        (text,) = re.findall(r'id="problem">([^<]*)<', answer.body.decode())
        texts.append((answer.status, unescape(text)[:14], "Retry-After" in answer.headers))
    assert texts == [(403, "This code is w", False)] * TRIES + [(429, "Too many codes", True)]
    assert b"Wait 15 minutes" in (await form(room, handle, "send")).body
    await room.mail.stop()
    other = await form(room, written(room, "ben"), "send")
    assert (other.status, b"Codes cannot be sent" in other.body) == (503, True)


async def test_who_asks_for_another_code_too_soon_keeps_the_field_for_the_one_they_have(room: CodeRoom) -> None:
    handle = written(room)
    await form(room, handle, "send")
    code = await room.mail.code_for("ann@mail.example")
    hasty = await form(room, handle, "again", return_to=f"{APP}/x")
    assert (hasty.status, hasty.headers["Retry-After"]) == (429, "30")
    assert b"Wait 30 seconds, then try again." in hasty.body
    assert b'id="code"' in hasty.body
    assert (await form(room, handle, "check", code=code, return_to=f"{APP}/x")).headers["Location"] == f"{APP}/x"


async def test_who_asks_for_another_code_is_told_that_those_before_count_no_more(room: CodeRoom) -> None:
    handle = written(room)
    await form(room, handle, "send")
    await room.clock.advance(seconds=PAUSE)
    sent = await form(room, handle, "again")
    assert sent.status == 303
    assert b"Those before it count no more." in (await answered(room, "GET", sent.headers["Location"])).body


async def test_who_asked_for_a_code_in_another_window_can_type_it_here(room: CodeRoom) -> None:
    handle = written(room)
    await form(room, handle, "send")
    hasty = await form(room, handle, "send")
    assert hasty.status == 429
    (link,) = re.findall(r'<a href="([^"]*)">I have a code already</a>', hasty.body.decode())
    assert b'id="code"' in (await answered(room, "GET", unescape(link))).body


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_link_that_is_none_or_too_old_leads_to_a_page(room: CodeRoom, method: str) -> None:
    old = written(room)
    await room.clock.advance(seconds=LIFETIME)
    for handle, why in (("<b>", "This link is not valid."), (old, "This link is too old."), ("", "not valid")):
        query = urlencode({"handle": handle})
        path, body = (f"verify?{query}", b"") if method == "GET" else ("verify", query.encode())
        answer = await answered(room, method, path, body)
        assert (answer.status, why in answer.body.decode()) == (400, True)
        assert b"<b>" not in answer.body


@pytest.mark.parametrize("token", ["", "x", "é", "0" * 64])
async def test_a_form_without_the_token_of_its_handle_is_refused(room: CodeRoom, token: str) -> None:
    handle = written(room)
    assert (await form(room, handle, "send", token=token)).status == 400
    other = room.verifications.handles.form_token(written(room, "ben"))
    assert (await form(room, handle, "send", token=other)).status == 400
    assert room.mail.connections == 0


async def test_what_an_app_is_told_when_it_has_to_wait(room: CodeRoom) -> None:
    handle = written(room)
    await said(room, "start", {"handle": handle})
    with pytest.raises(VerificationLimitedError) as caught:
        await said(room, "start", {"handle": handle})
    assert caught.value.retry_after == 30
    room.memory.is_away = True
    with pytest.raises(DependencyUnavailableError):
        await said(room, "check", {"handle": handle, "code": "123456"})
