"""Every row of the troubleshooting table, brought about over a real socket, with the words that a person reads."""

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest

from proxy.core.symptom import Symptom
from proxy.credentials import KINDS
from proxy.credentials.trial import Trial, trial
from proxy.net.endpoint import BODY_LIMIT, Endpoint
from tests.fakes.clock import FakeClock
from tests.fakes.token_server import TokenServer

ELSEWHERE: Final = frozenset(
    {
        Symptom.CONNECT_TIMEOUT,
        Symptom.TLS_EXPIRED,
        Symptom.TLS_HOST,
        Symptom.TLS_SELF_SIGNED,
        Symptom.TLS_ISSUER,
        Symptom.TLS_CLIENT,
    }
)
"""Rows that tests/net/test_failing.py brings about: they need certificates, and a kernel that drops packets."""

FORM: Final = {"client_id": "me", "client_secret": "s3cret-value", "grant_type": "client_credentials"}
PAGE: Final = "<!doctype html><html><form><input type=password name=s3cret-value>"


@dataclass(frozen=True)
class Case:
    """What is answered, and what is said of it."""

    symptom: Symptom
    said: str
    """The end of the sentence, after the method and the address; or all of it."""
    status: int = 200
    body: Any = None
    """A text, or what becomes JSON; None: a good reply."""
    headers: Mapping[str, str] = field(default_factory=dict)
    url: str = ""
    """None: the server's."""
    given: Mapping[str, Any] = field(default_factory=dict)
    patience: str = "5s"
    knobs: Mapping[str, Any] = field(default_factory=dict)
    candidates: tuple[str, ...] = ()


OAUTH: Final = {"kind": "client_credentials", "client_id": "me", "client_secret": "s3cret-value"}
STEP: Final = {"name": "login", "extract": {"ACCESS_TOKEN": {"from": "json", "path": "access_token"}}}

CASES: Final = {
    "a parameter is missing": Case(
        Symptom.BAD_REQUEST,
        "answered 400 (application/json): invalid_request; the reply names `client_id`, which is sent,"
        " `scope`, which is not sent",
        400,
        {"error": "invalid_request", "error_description": "client_id needs a scope; s3cret-value"},
    ),
    "a parameter of our own is missing": Case(
        Symptom.BAD_REQUEST,
        "answered 400 (text/plain); the reply names `tenant_name`, which is sent",
        400,
        "bad value for tenant_name: s3cret-value",
        {"Content-Type": "text/plain"},
        given={"query": {"tenant_name": "s3cret-value"}},
    ),
    "a bad request that names nothing": Case(
        Symptom.BAD_REQUEST, "answered 400 (application/json)", 400, {"message": "s3cret-value"}
    ),
    "a scope is refused": Case(
        Symptom.FORBIDDEN, "answered 400 (application/json): invalid_scope", 400, {"error": "invalid_scope"}
    ),
    "unknown credentials": Case(Symptom.FORBIDDEN, "answered 401 (application/json)", 401, {}),
    "credentials of another kind": Case(
        Symptom.FORBIDDEN,
        "answered 401 (application/json) and wants Basic",
        401,
        {},
        {"WWW-Authenticate": 'Basic realm="s3cret-value"'},
    ),
    "credentials without the right": Case(Symptom.FORBIDDEN, "answered 403 (application/json)", 403, {}),
    "an unknown client": Case(
        Symptom.INVALID_CLIENT, "answered 401 (application/json): invalid_client", 401, {"error": "invalid_client"}
    ),
    "a grant that is over": Case(
        Symptom.INVALID_GRANT, "answered 400 (application/json): invalid_grant", 400, {"error": "invalid_grant"}
    ),
    "a proxy in between": Case(Symptom.PROXY_AUTH, "answered 407 (application/json)", 407, {}),
    "a wrong path": Case(Symptom.NOT_FOUND, "answered 404 (application/json)", 404, {}),
    "a wrong method": Case(Symptom.METHOD, "answered 405 (application/json)", 405, {}),
    "a wrong content type": Case(Symptom.CONTENT_TYPE, "answered 415 (application/json)", 415, {}),
    "another refusal": Case(Symptom.CLIENT_ERROR, "answered 418 (application/json)", 418, {}),
    "a busy provider": Case(
        Symptom.BUSY, "answered 425 (application/json) and asks to wait 7 s", 425, {}, {"Retry-After": "7"}
    ),
    "too many requests": Case(
        Symptom.RATE_LIMITED, "answered 429 (application/json) and asks to wait 120 s", 429, {}, {"Retry-After": "120"}
    ),
    "a provider that fails": Case(Symptom.PROVIDER, "answered 500 (application/json)", 500, {}),
    "a provider that is down for a while": Case(
        Symptom.PROVIDER, "answered 503 (application/json) and asks to wait 30 s", 503, {}, {"Retry-After": "30"}
    ),
    "a redirect to another host": Case(
        Symptom.REDIRECT,
        "answered 302 (application/json) and pointed to login.example",
        302,
        {},
        {"Location": "https://login.example/s3cret-value"},
    ),
    "a redirect to another path": Case(
        Symptom.REDIRECT,
        "answered 307 (application/json) and pointed to another path of the same host",
        307,
        {},
        {"Location": "/s3cret-value"},
    ),
    "a status that is none": Case(Symptom.STATUS, "answered 600 (application/json)", 600, {}),
    "a host that does not resolve": Case(
        Symptom.DNS, "has a host name that does not resolve", url="http://no-such-host.invalid/token"
    ),
    "a port that nobody listens on": Case(
        Symptom.CONNECT, "did not accept a connection", url="http://127.0.0.1:1/token"
    ),
    "a service without tls": Case(Symptom.TLS, "did not agree on TLS", url="https"),
    "silence": Case(
        Symptom.TIMEOUT,
        "accepted the connection, but did not answer in time (0.2 s)",
        patience="200ms",
        knobs={"delay": 60},
    ),
    "a connection that breaks": Case(
        Symptom.BROKEN_OFF, "closed the connection without an answer", knobs={"drop": True}
    ),
    "something that is no http": Case(
        Symptom.NOT_HTTP, "answered with something that is not valid HTTP", headers={"X": "s3cret" * 4000}
    ),
    "a reply that is too large": Case(
        Symptom.TOO_LARGE, "answered 200 with more than 1024 KiB", body="x" * (BODY_LIMIT + 1)
    ),
    "an unknown coding": Case(
        Symptom.ENCODING,
        "answered 200 with a body that cannot be read: a content coding other than gzip, deflate or identity",
        body="s3cret-value",
        headers={"Content-Encoding": "br"},
    ),
    "a login page": Case(
        Symptom.PAGE,
        "the reply to POST * is an HTML page (text/html), with a field for a password",
        body=PAGE,
        headers={"Content-Type": "text/html"},
    ),
    "a form in place of json": Case(
        Symptom.NOT_JSON,
        "in the reply to POST * the body is not JSON but text/plain and begins with xxxxxx_xxxxx=x0xxxx-xxxxx",
        body="access_token=s3cret-value",
        headers={"Content-Type": "text/plain"},
        candidates=("form access_token",),
    ),
    "json in place of xml": Case(
        Symptom.FORMAT,
        "in the reply to POST * the body is not XML but application/json and begins with {}",
        body={},
        given={"token": {"from": "xml", "path": "/session/token"}},
    ),
    "another key": Case(
        Symptom.TOKEN_NOT_FOUND,
        "in the reply to POST * nothing stands at json $.access_token",
        body={"data": {"jwt": "s3cret-value"}},
        candidates=("$.data.jwt",),
    ),
    "an empty token": Case(
        Symptom.TOKEN_EMPTY,
        "the reply to POST * has an empty text in the token's place",
        body={"access_token": " ", "session": "s3cret-value"},
        candidates=("$.session",),
    ),
    "a token with a line break": Case(
        Symptom.TOKEN_CONTROL,
        "the reply to POST * has a token with line breaks or control characters",
        body={"access_token": "s3cret-value\nX: 1"},
        candidates=("$.access_token",),
    ),
    "a token that no header holds": Case(
        Symptom.TOKEN_UNUSABLE,
        "the reply to POST * has a token with characters outside latin-1, or invisible ones",
        body={"access_token": "s3cret-value-ключ"},
        candidates=("$.access_token",),
    ),
    "a reply that is not oauth": Case(
        Symptom.NOT_OAUTH,
        "the reply to POST * has no `access_token`",
        body={"token": "s3cret-value"},
        given=OAUTH,
        candidates=("$.token",),
    ),
    "a token that is no bearer": Case(
        Symptom.TOKEN_TYPE,
        "the reply to POST * brings a token of another type mac",
        body={"access_token": "s3cret-value", "token_type": "mac"},
        given=OAUTH,
    ),
    "no expiry": Case(
        Symptom.EXPIRY_NOT_FOUND,
        "nothing stands at json $.expires_in; so it is replaced after five minutes",
        body={"access_token": "s3cret-value", "expires": 1_800_003_600, "ttl_ms": 3_600_000},
        candidates=("$.expires looks like epoch", "$.ttl_ms looks like milliseconds"),
    ),
    "an expiry that nobody asked for": Case(
        Symptom.EXPIRY_NOT_FOUND,
        "no `expiry` is configured, but the reply has what may be one; so it is replaced after five minutes",
        body={"access_token": "s3cret-value", "n": 7, "expires_in": 900},
        given={"expiry": None},
        candidates=("$.expires_in looks like seconds",),
    ),
    "an expiry of another type": Case(
        Symptom.EXPIRY_WRONG,
        "the reply to POST * has at json $.expires_in a number that, read as seconds, is more than ten years ahead",
        body={"access_token": "s3cret-value", "expires_in": 1_800_003_600},
        candidates=("$.expires_in looks like epoch",),
    ),
    "milliseconds read as seconds": Case(
        Symptom.EXPIRY_DOUBTFUL,
        "read as seconds, the token lives 42 days; read as milliseconds, it would live 3600 s",
        body={"access_token": "s3cret-value", "expires_in": 3_600_000},
        candidates=("$.expires_in looks like milliseconds",),
    ),
    "seconds read as milliseconds": Case(
        Symptom.EXPIRY_DOUBTFUL,
        "read as milliseconds, the token lives 3.6 s; read as seconds, it would live 3600 s",
        body={"access_token": "s3cret-value", "expires_in": 3600},
        given={"expiry": {"from": "json", "path": "expires_in", "type": "milliseconds"}},
        candidates=("$.expires_in looks like seconds",),
    ),
    "a variable that is not there": Case(
        Symptom.VARIABLE_NOT_FOUND,
        "step login: the reply to POST * has no ACCESS_TOKEN at json $.access_token",
        body={"token": "s3cret-value"},
        given={"kind": "workflow", "steps": [STEP]},
        candidates=("$.token",),
    ),
    "a step that did not succeed": Case(
        Symptom.STEP_REFUSED,
        "step login: POST * answered 200 (application/json), which is no success here",
        given={"kind": "workflow", "steps": [{**STEP, "succeeds_when": {"status": 201}}]},
    ),
    "a value that no request can hold": Case(
        Symptom.REQUEST,
        "a header of the request cannot be sent: ",
        given={"headers": {"X-Key": "{{ KEY }}"}, "variables": {"KEY": "s3cret-value\r\nX: 1"}},
    ),
    "an issuer that says nothing of itself": Case(
        Symptom.DISCOVERY,
        "",
        body={"issuer": "https://somebody.example", "token_endpoint": "s3cret-value"},
        given={**OAUTH, "issuer": "server"},
    ),
}


class Bench:
    """A server, and trials of credentials that ask it."""

    def __init__(self) -> None:
        self.clock = FakeClock(1_800_000_000.0)
        self.endpoint = Endpoint(self.clock)
        self.server = TokenServer(self.clock)

    async def attempt(self, case: Case) -> Trial:
        knobs = self.server.knobs
        knobs.status, knobs.headers = case.status, dict(case.headers)
        knobs.body = case.body if case.body is None or isinstance(case.body, str) else json.dumps(case.body)
        for name, value in case.knobs.items():
            setattr(knobs, name, value)
        settings = KINDS[case.given.get("kind", "http_request")].Settings.model_validate(self.settings(case))
        return await trial(KINDS[settings.kind]("main", settings, self.endpoint, self.clock))

    def settings(self, case: Case) -> dict[str, Any]:
        url = self.server.url.replace("http:", "https:") if case.url == "https" else case.url or self.server.url
        given = dict(case.given)
        own: dict[str, Any] = {name: given.pop(name) for name in ("query", "headers") if name in given}
        request: dict[str, Any] = {"url": url, "form": FORM, "timeout": case.patience, **own}
        made: dict[str, Any]
        match given.get("kind"):
            case None:
                token = {"from": "json", "path": "access_token"}
                expiry = {"from": "json", "path": "expires_in", "type": "seconds"}
                made = {"kind": "http_request", "request": request, "token": token, "expiry": expiry}
            case "workflow":
                made = {}
                given["steps"] = [{"request": request, **step} for step in given["steps"]]
            case _:
                made = {"issuer": self.server.base} if given.pop("issuer", None) else {"token_url": url}
        return {"allow_plain_http": True, **made, **given}


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    made = Bench()
    async with made.server:
        yield made
    await made.endpoint.close()


@pytest.mark.parametrize("name", CASES)
async def test_a_row_of_the_table_is_told_in_words(bench: Bench, name: str) -> None:
    case = CASES[name]
    tried = await bench.attempt(case)
    seen = tried.diagnosis
    sentence = seen.sentence.replace(bench.server.base.partition("//")[2], "*")
    assert (seen.code, seen.remedy) == (case.symptom.code, case.symptom.remedy)
    assert case.said in sentence
    assert sentence.endswith(case.said) or case.symptom in {Symptom.REQUEST, Symptom.DISCOVERY}
    assert tuple(map(str, seen.candidates))[: len(case.candidates)] == case.candidates
    assert "s3cret" not in "\n".join(tried.lines())


def test_every_row_is_brought_about() -> None:
    assert {case.symptom for case in CASES.values()} | ELSEWHERE == set(Symptom)


def test_what_is_brought_about_elsewhere_is() -> None:
    net = (Path(__file__).parents[1] / "net" / "test_failing.py").read_text()
    assert [row.code for row in ELSEWHERE if row.code not in net and f"Symptom.{row.name}" not in net] == []


def test_every_row_stands_on_the_page_with_its_remedy() -> None:
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "troubleshoot-a-credential.md").read_text()
    words = " ".join(page.split())
    assert [row.code for row in Symptom if f"- **`{row.code}`** (reason `{row.reason.value}`)" not in words] == []
    assert [row.code for row in Symptom if f": {row.remedy}." not in words] == []
