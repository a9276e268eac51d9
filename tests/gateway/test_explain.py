from collections.abc import Mapping, Sequence

import pytest

from proxy.callers.anonymous import AnonymousSettings
from proxy.config.schema import Config
from proxy.core.errors import (
    CallerForbiddenError,
    CallerUnauthenticatedError,
    RequestInvalidError,
    RouteNotFoundError,
    UserRequiredError,
)
from proxy.core.secret import Secret
from proxy.credentials.text import TextSettings
from proxy.gateway.explain import Explanation, explain, head_of
from proxy.gateway.require import EmailOtpSettings
from tests.fakes.gateway_room import CREDENTIAL, ROUTE, gateway
from tests.fakes.raw_client import RawClient

KEY = "sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"  # of `foo`
CONFIG = Config.model_validate(
    {
        "callers": {
            "backend": {"kind": "api_key", "keys": [KEY]},
            "other": {"kind": "api_key", "keys": [f"sha256:{'0' * 64}"]},
            "local": {"kind": "anonymous"},
        },
        "credentials": {
            "header": {"kind": "text", "value": "the-secret"},
            "query": {"kind": "text", "value": "the-secret", "inject": [{"kind": "query", "name": "key"}]},
            "cookie": {"kind": "text", "value": "the-secret", "inject": [{"kind": "cookie", "name": "sid"}]},
        },
        "routes": {
            "keyed": {
                "match": {"path": "/a/"},
                "upstream": "https://api.example/v2",
                "credential": "header",
                "callers": ["backend"],
            },
            "open": {
                "match": {"path": "/b/", "host": "B.example"},
                "upstream": "https://api.example",
                "credentials": ["query", "cookie"],
                "callers": ["other", "local"],
                "strip_prefix": False,
            },
            "dots": {
                "match": {"path": "/dots/"},
                "upstream": "https://api.example",
                "credential": "header",
                "callers": ["local"],
                "dot_segments": "pass",
            },
        },
    }
)


def told(method: str, url: str, headers: Sequence[str] = ()) -> Explanation:
    return explain(method, url, headers, routes=CONFIG.routes, callers=CONFIG.callers, credentials=CONFIG.credentials)


def test_it_names_the_route_who_may_call_it_who_calls_and_what_signs() -> None:
    one = told("GET", "/a/x", ["X-Countersign-Key: foo"])
    assert (one.route, one.callers, one.caller) == ("keyed", (("backend", "api_key"),), "backend")
    assert one.credentials == ("header",)
    assert one.refusal is None


def test_it_says_of_every_route_why_it_was_chosen_or_not() -> None:
    assert dict(told("GET", "/a/x").considered) == {
        "keyed": "matches, and is the first choice",
        "open": "does not match: the host is not b.example; the path does not begin with /b/",
        "dots": "does not match: the path does not begin with /dots/",
    }


def test_what_would_be_sent_is_prepared_as_for_a_real_request() -> None:
    outgoing = told("POST", "http://b.example:8080/b/%2F//x?q=%zz&key=mine").outgoing
    assert outgoing is not None
    assert outgoing.method == "POST"
    assert outgoing.url == "https://api.example/b/%2F//x?q=%zz&key=***"
    assert {"Host", "Cookie", "Via"} <= set(outgoing.headers)


def test_the_callers_own_copy_and_proof_would_not_be_sent() -> None:
    outgoing = told("GET", "/a/x", ["X-Countersign-Key: foo", "authorization: mine", "X-Own: 1"]).outgoing
    assert outgoing is not None
    assert [name for name in outgoing.headers if name.lower() == "authorization"] == ["Authorization"]
    assert "X-Own" in outgoing.headers
    assert "X-Countersign-Key" not in outgoing.headers


def test_nothing_that_is_told_holds_a_secret() -> None:
    said = repr([told("GET", "/a/x", ["X-Countersign-Key: foo"]), told("GET", "http://b.example/b/")])
    assert "the-secret" not in said
    assert "foo" not in said


@pytest.mark.parametrize(
    ("url", "headers", "refusal"),
    [
        ("/nowhere", [], RouteNotFoundError),
        ("/a/x", [], CallerUnauthenticatedError),
        ("/dots/../x", [], type(None)),
        ("/a/../x", ["X-Countersign-Key: foo"], RequestInvalidError),
        ("/dots/x", ["Via: 1.1 somebody-else"], type(None)),
    ],
)
def test_it_stops_where_a_real_request_would(url: str, headers: list[str], refusal: type) -> None:
    one = told("GET", url, headers)
    assert type(one.refusal) is refusal
    assert (one.outgoing is None) == (one.refusal is not None)


def test_a_caller_that_is_known_but_not_allowed_is_told_apart() -> None:
    config = CONFIG.model_copy(
        update={"routes": {"keyed": CONFIG.routes["keyed"].model_copy(update={"callers": ("other",)})}}
    )
    one = explain(
        "GET",
        "/a/x",
        ["X-Countersign-Key: foo"],
        routes=config.routes,
        callers=config.callers,
        credentials=config.credentials,
    )
    assert type(one.refusal) is CallerForbiddenError


@pytest.mark.parametrize(
    ("url", "host", "path", "query"),
    [
        ("/x?y=1?2", "127.0.0.1", "/x", "?y=1?2"),
        ("http://API.example:8080/x", "api.example", "/x", ""),
        ("https://api.example", "api.example", "/", ""),
        ("http://[::1]:8080/x", "[::1]", "/x", ""),
        ("//double", "127.0.0.1", "//double", ""),
        ("http://me@api.example.?y", "api.example", "/", "?y"),
    ],
)
def test_a_url_is_taken_apart_byte_for_byte(url: str, host: str, path: str, query: str) -> None:
    head = head_of("GET", url, [])
    assert (head.host, head.path, head.query) == (host, path, query)


@pytest.mark.parametrize(
    ("method", "url", "header"),
    [
        ("G T", "/", "A: b"),
        ("GET", "x", "A: b"),
        ("GET", "/#", "A: b"),
        ("GET", "/ü", "A: b"),
        ("GET", "/", ": b"),
        ("GET", "ftp://x/", "A: b"),
        ("GET", "/", "no colon here"),
        ("GET", "/", "nocolon"),
        ("GET", "/", "A: b\r\nC: d"),
    ],
)
def test_what_is_no_request_is_refused(method: str, url: str, header: str) -> None:
    with pytest.raises(ValueError, match="such as"):
        head_of(method, url, [header])


REQUESTS: list[tuple[str, str, list[str]]] = [
    ("GET", "/billing/x?a=%2F&b", []),
    ("POST", "/billing/a//b%2Fc?x=1&key=theirs", ["X-Other: 1", "X-Other: 2"]),
    ("GET", "/billing/", ["Authorization: Bearer theirs", "Cookie: a=1"]),
    ("GET", "/billing/x", ["Connection: X-Private", "X-Private: 1", "TE: trailers", "Via: 1.1 somebody"]),
    ("OPTIONS", "/billing/x", ["Max-Forwards: 3", "X-Request-Id: theirs"]),
    ("GET", "/billing/../x", []),
    ("GET", "/elsewhere", []),
]


@pytest.mark.parametrize(("method", "url", "headers"), REQUESTS)
async def test_what_is_told_is_what_happens(method: str, url: str, headers: list[str]) -> None:
    async with gateway(match={"path": "/billing/"}, strip_prefix=False) as (room, api), RawClient(room.port) as caller:
        lines = "".join(f"{line}\r\n" for line in ["Host: here.example", *headers])
        await caller.send(f"{method} {url} HTTP/1.1\r\n{lines}\r\n".encode())
        answer = await caller.answer(method)
        told = explain(
            method,
            url,
            ["Host: here.example", *headers],
            routes={ROUTE: room.plan.settings},
            callers={"anyone": AnonymousSettings(kind="anonymous")},
            credentials={CREDENTIAL: TextSettings(kind="text", value=Secret("planted"))},
        )
        if told.refusal is not None:
            assert (told.refusal.status, told.refusal.code.encode() in answer.body) == (answer.status, True)
            assert (told.outgoing, api.requests) == (None, [])
        else:
            (one,) = api.requests
            assert (answer.status, told.outgoing is None) == (200, False)
            assert told.outgoing is not None
            assert told.outgoing.url == api.url + one.target.decode()
            assert (told.outgoing.method, told.route, told.caller) == (one.method, ROUTE, "anyone")
            assert list(told.outgoing.headers) == [name.decode() for name, _ in one.headers]


@pytest.mark.parametrize(
    ("method", "url", "headers"),
    [
        ("TRACE", "/b/x", []),
        ("CONNECT", "/b/x", []),
        ("FOO-BAR", "/b/x", []),
        ("get", "/b/x", []),
        ("GET", "/b/x", ["Host: a b"]),
        ("GET", "http://b.example:99999/b/x", []),
        ("GET", "/b/x", ["Host: b.example", "Host: a.example"]),
        ("POST", "/b/x", ["Transfer-Encoding: gzip"]),
        ("POST", "/b/x", ["Transfer-Encoding: chunked", "Content-Length: 1"]),
        ("POST", "/b/x", ["Expect: something"]),
    ],
)
def test_what_is_refused_before_a_route_is_looked_for_is_refused_here(
    method: str, url: str, headers: list[str]
) -> None:
    one = told(method, url, headers)
    assert type(one.refusal) is RequestInvalidError
    assert (one.route, one.considered, one.outgoing) == (None, (), None)


def injecting(*settings: Mapping[str, object], **more: object) -> Explanation:
    """Return what becomes of `POST /x?a=1` with these injectors."""
    credential = {"kind": "http_request", "request": {"url": "https://a.example"}, "token": {"from": "text"}, **more}
    config = Config.model_validate(
        {
            "callers": {"local": {"kind": "anonymous"}},
            "credentials": {"one": {**credential, "inject": settings}},
            "routes": {"api": {"upstream": "https://api.example", "credential": "one", "callers": ["local"]}},
        }
    )
    return explain(
        "POST",
        "/x?a=1",
        ["X-Mine: 1", "Authorization: mine"],
        routes=config.routes,
        callers=config.callers,
        credentials=config.credentials,
    )


def test_fields_of_the_body_are_named() -> None:
    one = injecting({"kind": "body", "form": "api_key"}, {"kind": "body", "json": "auth.key"})
    assert one.outgoing is not None
    assert one.outgoing.body == ("form field api_key", "JSON field $.auth.key")
    assert "  form field api_key in the body: ***" in one.lines()


def test_what_signatures_add_is_named() -> None:
    amazon = {"kind": "aws_sigv4", "region": "r", "service": "s3", "access_key_id": "AKID"}
    other = {
        "kind": "hmac",
        "sign": "{{ QUERY }}",
        "key": "a literal key",
        "key_encoding": "base64",
        "query": "signature",
        "parameters": {"timestamp": "{{ timestamp }}"},
    }
    one = injecting(amazon, other)
    assert one.outgoing is not None
    assert {"Authorization", "X-Amz-Date", "X-Amz-Content-SHA256", "X-Mine"} <= set(one.outgoing.headers)
    assert one.outgoing.headers.count("Authorization") == 1
    assert one.outgoing.url == "https://api.example/x?a=1&timestamp=***&signature=***"


def test_literals_and_variables_of_templates_are_masked() -> None:
    query = {"kind": "query", "name": "key", "value": "literal-{{ TENANT }}-{{ TOKEN | base64 }}"}
    one = injecting(query, variables={"TENANT": "acme"})
    assert one.outgoing is not None
    assert one.outgoing.url == "https://api.example/x?a=1&key=***"


def test_what_the_callers_own_wins_over_is_not_added() -> None:
    kept = injecting({"kind": "header", "name": "X-Mine", "mode": "keep"})
    moved = injecting({"kind": "header", "name": "Authorization", "move_to": "X-Was"})
    assert kept.outgoing is not None
    assert moved.outgoing is not None
    assert kept.outgoing.headers.count("X-Mine") == 1
    assert [moved.outgoing.headers.count(name) for name in ("Authorization", "X-Was")] == [1, 1]


def test_what_the_route_requires_of_a_user_is_told() -> None:
    settings = CONFIG.routes["open"].model_copy(
        update={"require": (EmailOtpSettings(kind="email_otp", valid_for=900.0),)}
    )

    def asked(user: str | None) -> Explanation:
        credentials, callers = CONFIG.credentials, CONFIG.callers
        headers = ["Host: b.example"]
        return explain(
            "GET", "/b/x", headers, routes={"r": settings}, callers=callers, credentials=credentials, user=user
        )

    assert isinstance(asked(None).refusal, UserRequiredError)
    told = asked("ann")
    assert (told.user, told.requires) == ("ann", ("email_otp, not longer than 15m ago",))
    assert "if the user ann has shown lately: email_otp, not longer than 15m ago" in told.lines()
