"""What the portal serves is answered to those alone who may ask, and never cached, framed or sniffed."""

import json
from collections.abc import Mapping
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.errors import RequestInvalidError, RouteNotFoundError, UserUnprovenError
from proxy.core.message import RequestHead
from proxy.users.portal import SAFE, Answer, Call, Entry, Portal, page, redirect, told
from tests.fakes.heads import head_of

OWN = "https://proxy.example"
APP = "https://app.example"
EVIL = "https://evil.example"


async def echo(call: Call) -> Answer:
    return told({"rest": call.rest, "body": call.body.decode()})


async def refuse(call: Call) -> Answer:
    raise UserUnprovenError(f"no {call.rest}")


PORTAL = Portal(
    (
        Entry("GET", "login/", echo),
        Entry("POST", "push", echo, cross_origin=True),
        Entry("POST", "check", echo),
        Entry("PUT", "refuse", refuse, cross_origin=True),
    ),
    OWN,
    (APP,),
)


def call_of(method: str, path: str, *, query: str = "", body: bytes = b"", **headers: str) -> Call:
    lines = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    head = head_of(f"/.countersign/{path}", method=method, headers=lines)
    return Call(RequestHead(*(*head[:2], query, *head[3:])), body=body)


async def answered(call: Call) -> Answer:
    return await PORTAL.answer(call)


async def test_a_call_reaches_its_entry_with_what_follows_the_path() -> None:
    assert json.loads((await answered(call_of("GET", "login/stripe"))).body)["rest"] == "stripe"
    assert json.loads((await answered(call_of("POST", "check", body=b"x"))).body) == {"rest": "", "body": "x"}


@pytest.mark.parametrize("path", ["", "login", "login/", "push/more", "nothing"])
async def test_what_is_not_served_is_not_found(path: str) -> None:
    for method in ("GET", "POST"):
        with pytest.raises(RouteNotFoundError):
            await answered(call_of(method, path))


async def test_another_method_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(RequestInvalidError, match="GET"):
        await answered(call_of("POST", "login/stripe"))


async def test_every_answer_says_how_to_keep_it_safe() -> None:
    answer = await answered(call_of("GET", "login/stripe"))
    assert SAFE.items() <= answer.headers.items()
    with pytest.raises(UserUnprovenError) as caught:
        await answered(call_of("PUT", "refuse"))
    assert SAFE.items() <= caught.value.headers.items()


async def test_pages_of_a_configured_origin_may_read_what_is_marked() -> None:
    answer = await answered(call_of("POST", "push", Origin=APP))
    assert (answer.headers["Access-Control-Allow-Origin"], answer.headers["Vary"]) == (APP, "Origin")
    assert "Access-Control-Allow-Credentials" not in answer.headers
    with pytest.raises(UserUnprovenError) as caught:
        await answered(call_of("PUT", "refuse", Origin=APP))
    assert caught.value.headers["Access-Control-Allow-Origin"] == APP
    assert "Retry-After" in caught.value.headers["Access-Control-Expose-Headers"]


@pytest.mark.parametrize(
    ("path", "origin"), [("push", EVIL), ("push", "null"), ("check", APP), ("check", EVIL), ("push", "")]
)
async def test_pages_of_other_origins_are_refused_before_anything_happens(path: str, origin: str) -> None:
    with pytest.raises(RequestInvalidError, match="origin") as caught:
        await answered(call_of("POST", path, Origin=origin))
    assert "Access-Control-Allow-Origin" not in caught.value.headers


async def test_its_own_pages_and_those_that_are_no_browser_may_call_everything() -> None:
    assert (await answered(call_of("POST", "check", Origin=OWN))).status == 200
    assert (await answered(call_of("POST", "check"))).status == 200


async def test_a_browser_that_asks_beforehand_is_told_what_is_allowed() -> None:
    answer = await answered(call_of("OPTIONS", "push", Origin=APP))
    assert answer.status == 204
    assert answer.headers["Access-Control-Allow-Methods"] == "POST"
    assert answer.headers["Access-Control-Allow-Origin"] == APP
    stranger = await answered(call_of("OPTIONS", "push", Origin=EVIL))
    assert "Access-Control-Allow-Origin" not in stranger.headers
    with pytest.raises(RequestInvalidError):
        await answered(call_of("OPTIONS", "check", Origin=APP))


def test_parameters_come_from_the_query_or_from_a_form() -> None:
    assert call_of("GET", "x", query="?a=1&b=%C3%A9+x&c=").parameters() == {"a": "1", "b": "é x", "c": ""}
    assert call_of("POST", "x", query="?a=1", body=b"b=2").parameters() == {"b": "2"}


@pytest.mark.parametrize("query", ["?a=1&a=2", "?a=%ff", "?" + "&".join(f"a{n}=1" for n in range(60))])
def test_parameters_that_could_be_read_in_two_ways_are_refused(query: str) -> None:
    with pytest.raises(RequestInvalidError):
        call_of("GET", "x", query=query).parameters()


def test_json_is_read_when_it_says_that_it_is_json() -> None:
    assert call_of("POST", "x", body=b'{"a": 1}', Content_Type="application/json; charset=utf-8").json() == {"a": 1}


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"{}", {}),
        (b"{}", {"Content_Type": "text/plain"}),
        (b"[]", {"Content_Type": "application/json"}),
        (b"{", {"Content_Type": "application/json"}),
        (b"\xff", {"Content_Type": "application/json"}),
        (rb'{"user_id": "\ud800"}', {"Content_Type": "application/json"}),
        (rb'{"auth_tokens": {"\udfff": "x"}}', {"Content_Type": "application/json"}),
        (b'{"a": NaN}', {"Content_Type": "application/json"}),
        (b"[" * 9_000, {"Content_Type": "application/json"}),
    ],
)
def test_what_is_no_json_object_is_refused(body: bytes, headers: Mapping[str, str]) -> None:
    with pytest.raises(RequestInvalidError):
        call_of("POST", "x", body=body, **headers).json()


def test_a_cookie_is_found_by_its_name() -> None:
    assert call_of("GET", "x", Cookie="a=1; __Host-b=2").cookie("__Host-b") == "2"
    assert call_of("GET", "x", Cookie="a=1").cookie("b") is None
    assert call_of("GET", "x", Cookie="\x00=;;=").cookie("b") is None
    assert call_of("GET", "x", Cookie="ab; a = 1 ;a=1").cookie("a") == "1"
    assert call_of("GET", "x", Cookie="a=1; a=2").cookie("a") is None


@pytest.mark.parametrize(
    "others",
    [
        ('odd={"a": "b"}', ""),
        ("utm@x=1", ""),
        ("b[0]=1", ""),
        ("path=/", "expires=Thu, 1 Jan"),
        ("nameless", ""),
        ("é=ü", ""),
        ('a="', 'b="'),
        ("a=__Host-ours=evil", "a=1=2"),
    ],
)
def test_a_cookie_is_found_among_whatever_sites_next_door_have_set(others: tuple[str, str]) -> None:
    before, after = others
    assert call_of("GET", "x", Cookie=f"{before}; __Host-ours=1; {after}").cookie("__Host-ours") == "1"


def test_a_page_runs_nothing_that_it_was_not_made_with() -> None:
    answer = page("<p>", style="'sha256-x'", forms="'self'")
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "form-action 'self'" in answer.headers["Content-Security-Policy"]
    assert "script-src" not in answer.headers["Content-Security-Policy"]
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"


def test_nobody_is_sent_to_an_address_with_lines_in_it() -> None:
    assert redirect(f"{APP}/x", cookies=("a=1",)).headers["Location"] == f"{APP}/x"
    with pytest.raises(RequestInvalidError):
        redirect(f"{APP}/\r\nSet-Cookie: a=1")


@given(st.binary(max_size=100), st.text(max_size=40), st.text('ab=&%;" ,\\\x00é', max_size=40))
def test_whatever_a_browser_sends_is_read_or_refused(body: bytes, query: str, cookie: str) -> None:
    call = call_of("POST", "x", query=f"?{query}", body=body, Content_Type="application/json")
    for read in (call.parameters, call.json):
        with suppress(RequestInvalidError):
            assert isinstance(read(), dict)
    assert call.cookie("a") is None or isinstance(call.cookie("a"), str)
