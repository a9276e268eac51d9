"""Secrets are planted wherever a token request and its reply have room, and hunted for in all that a trial tells."""

import base64
import json
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Any, Final
from urllib.parse import quote

import pytest

from proxy.admin import showing
from proxy.credentials import KINDS
from proxy.credentials.trial import trial
from proxy.net.endpoint import Endpoint
from tests.fakes.clock import FakeClock
from tests.fakes.raw_server import RawServer, close, request, send
from tests.faults.odd_replies.row import reply

OURS: Final = {name: f"LEAK {name}/of+ours" for name in ("FORM", "QUERY", "PATH", "HEADER", "COOKIE", "JSON", "BASIC")}
"""What the request holds."""
THEIRS: Final = {
    name: f"LEAK{name}OfTheirs4711"
    for name in (
        *("token", "saved", "refresh", "description", "error", "header", "cookie", "location", "realm", "type"),
        *("key", "text", "reason", "encoding", "retry"),
    )
}
"""What the reply holds."""

BODIES: Final = {
    "a token": {"access_token": THEIRS["token"], "refresh_token": THEIRS["refresh"], "sid": THEIRS["saved"]},
    "a token that has an odd expiry": {"access_token": THEIRS["token"], "expires_in": THEIRS["text"]},
    "another key": {"session": {THEIRS["key"]: THEIRS["token"]}, "token_type": THEIRS["type"], "scope": 1},
    "an error": {"error": THEIRS["error"], "error_description": THEIRS["description"]},
    "an error that repeats the request": {
        "error": "invalid_request",
        "error_description": f"client_secret {OURS['FORM']} of {THEIRS['description']} is no good",
        "scope": OURS["FORM"],
    },
    "a token with a line break": {"access_token": f"{THEIRS['token']}\n{THEIRS['text']}"},
    "a token of another type": {"access_token": THEIRS["token"], "token_type": THEIRS["type"]},
}
TEXTS: Final = {
    "a page": f"<html><title>{THEIRS['text']}</title><a href='/{OURS['PATH']}'><input type=password>",
    "a form": f"access_token={THEIRS['token']}&scope={THEIRS['text']}",
    "xml": f"<session {THEIRS['key']}='{THEIRS['text']}'>{THEIRS['token']}</session>",
    "a bare text": THEIRS["token"],
    "a text that repeats the request": f"{OURS['FORM']} {quote(OURS['FORM'])}",
    "nothing": "",
}
LINES: Final = (
    f"X-Auth-Token: {THEIRS['header']}",
    f"Set-Cookie: sid={THEIRS['cookie']}; Path=/{THEIRS['cookie']}",
    f"Set-Cookie: {THEIRS['cookie']}",
    f"Location: https://login.example/{THEIRS['location']}?code={THEIRS['location']}#{THEIRS['location']}",
    f'WWW-Authenticate: Basic realm="{THEIRS["realm"]}"',
    f"Retry-After: {THEIRS['retry']}",
    f"ETag: {OURS['HEADER']}",
)
STATUSES: Final = ("200 OK", f"302 {THEIRS['reason']}", "400 Bad Request", "401 Unauthorized", "503 Down")


def hunted() -> set[str]:
    """Return every spelling of a secret that must not be found anywhere, in lower case."""
    marks = (*OURS.values(), *THEIRS.values())
    encoded = [base64.b64encode(mark.encode()).decode().rstrip("=")[:-1] for mark in marks]
    percented = [quote(mark, safe=safe) for mark in marks for safe in ("", "/")]
    return {
        spelling.lower() for spelling in (*marks, *encoded, *percented, *(mark.replace(" ", "+") for mark in marks))
    }


def settings(kind: str, url: str) -> dict[str, Any]:
    """Return settings of a credential that has a secret in every part of its request."""
    if kind == "client_credentials":
        made = {"token_url": url, "client_id": "me", "client_secret": OURS["BASIC"], "parameters": {"a": OURS["FORM"]}}
        return {"kind": kind, "allow_plain_http": True, **made}
    made = {
        "url": f"{url}/{{{{ PATH }}}}/token",
        "query": {"key": "{{ QUERY }}"},
        "headers": {
            "Authorization": f"Basic {base64.b64encode(OURS['BASIC'].encode()).decode()}",
            "X-Key": "{{ HEADER }}",
            "Cookie": "sid={{ COOKIE }}",
        },
    }
    token, variables = {"from": "json", "path": "access_token"}, dict(OURS)
    saved = {"SID": {"from": "json", "path": "sid"}}
    if kind == "workflow":
        step = {"request": {**made, "json": {"pin": "{{ JSON }}"}}, "extract": {"ACCESS_TOKEN": token, **saved}}
        steps = [{"name": "login", **step}, {"name": "again", "request": made}]
        return {"kind": kind, "allow_plain_http": True, "variables": variables, "steps": steps}
    body = {"form": {"client_secret": "{{ FORM }}", "pin": OURS["JSON"]}}
    rest = {"token": token, "save": saved, "expiry": {"from": "json", "path": "expires_in", "type": "seconds"}}
    return {"kind": kind, "allow_plain_http": True, "variables": variables, "request": {**made, **body}, **rest}


@pytest.fixture
async def endpoint() -> AsyncIterator[Endpoint]:
    made = Endpoint(FakeClock())
    yield made
    await made.close()


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("kind", ["http_request", "client_credentials", "workflow"])
async def test_a_trial_tells_no_secret(endpoint: Endpoint, kind: str, status: str) -> None:
    bodies = {name: json.dumps(body) for name, body in BODIES.items()} | TEXTS
    for name, body in bodies.items():
        answer = reply(body, *LINES, status=status, kind=f"application/json; charset={THEIRS['type']}")
        async with RawServer(scripts=[[request(), send(answer), close]]) as server:
            made = KINDS[kind].Settings.model_validate(settings(kind, server.url))
            tried = await trial(KINDS[kind]("main", made, endpoint, FakeClock()))
            assert server.requests, name
        told = {
            "lines": "\n".join(tried.lines()),
            "json": json.dumps(asdict(tried), default=str),
            "admin": showing.trial(tried).model_dump_json(),
            "repr": repr(tried),
        }
        leaks = [(name, way, mark) for way, text in told.items() for mark in hunted() if mark in text.lower()]
        assert leaks == []
        assert tried.steps[0].status == int(status[:3])


def test_the_hunt_finds_what_is_there() -> None:
    assert any(mark in f"sid={OURS['FORM']}".lower() for mark in hunted())
    assert any(mark in f"sid={quote(OURS['FORM'])}".lower() for mark in hunted())
    assert any(mark in base64.b64encode(THEIRS["token"].encode()).decode().lower() for mark in hunted())
