"""One try of a credential, told to a person."""

import json
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Any

import jwt
import pytest

from proxy.credentials.authorization_code import AuthorizationCode, AuthorizationCodeSettings
from proxy.credentials.basic import Basic, BasicSettings
from proxy.credentials.http_request import HttpRequest, HttpRequestSettings
from proxy.credentials.refresh_token import RefreshToken, RefreshTokenSettings
from proxy.credentials.trial import Trial, trial
from proxy.credentials.workflow import Workflow, WorkflowSettings
from proxy.net.endpoint import Endpoint
from tests.fakes.authorization_server import CLIENT, SECRET, AuthorizationServer
from tests.fakes.clock import FakeClock
from tests.fakes.token_server import TokenServer

EXPIRY = {"from": "json", "path": "expires_in", "type": "seconds"}


class Bench:
    """A token server, and trials of credentials that ask it."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.endpoint = Endpoint(self.clock)
        self.server = TokenServer(self.clock)

    async def attempt(self, *, url: str | None = None, patience: str = "10s", **given: Any) -> Trial:
        form = {"client_id": "me", "client_secret": "s3cret", "grant_type": "client_credentials"}
        request = {"url": url or f"{self.server.url}?tenant=s3cret", "form": form, "timeout": patience}
        settings = HttpRequestSettings.model_validate(
            {
                "kind": "http_request",
                "request": request,
                "token": {"from": "json", "path": "access_token"},
                "expiry": EXPIRY,
                "allow_plain_http": True,
                **given,
            }
        )
        tried = await trial(HttpRequest("main", settings, self.endpoint, self.clock))
        printed = json.dumps(asdict(tried)) + repr(tried)
        assert "s3cret" not in printed
        assert not any(token in printed for token in self.server.issued)
        return tried


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    made = Bench()
    async with made.server:
        yield made
    await made.endpoint.close()


async def test_a_success_shows_every_step_and_where_things_were_found(bench: Bench) -> None:
    tried = await bench.attempt()
    step = tried.steps[0]
    assert (tried.succeeded, tried.diagnosis.code) == (True, "ok")
    assert (tried.token_at, tried.expiry_at, tried.lifetime) == (
        "json $.access_token",
        "json $.expires_in (seconds)",
        300,
    )
    assert (step.method, step.url) == ("POST", f"{bench.server.url}?tenant=***")
    assert step.sent == {"client_id": "***", "client_secret": "***", "grant_type": "client_credentials"}
    assert (step.status, step.content_type) == (200, "application/json")
    assert step.received == {"access_token": "***", "token_type": "Bearer", "expires_in": 300}


async def test_of_several_places_those_are_named_that_had_something(bench: Bench) -> None:
    tried = await bench.attempt(
        token=[{"from": "cookie", "name": "sid"}, {"from": "json", "path": "access_token"}],
        expiry=[{"from": "json", "path": "expires_at", "type": "epoch"}, EXPIRY],
    )
    assert (tried.token_at, tried.expiry_at) == ("json $.access_token", "json $.expires_in (seconds)")


async def test_a_default_is_named_as_one(bench: Bench) -> None:
    tried = await bench.attempt(expiry={"from": "header", "name": "X-Ttl", "type": "seconds", "default": 120})
    assert (tried.expiry_at, tried.lifetime) == ("the default of header X-Ttl (seconds)", 120)


async def test_when_no_place_has_anything_all_are_named(bench: Bench) -> None:
    tried = await bench.attempt(token=[{"from": "cookie", "name": "sid"}, {"from": "json", "path": "tokn"}])
    assert tried.diagnosis.code == "token-not-found"
    assert "the reply sets no cookie sid; nothing stands at json $.tokn" in tried.diagnosis.sentence


async def test_what_filters_make_of_a_variable_is_shown_nowhere(bench: Bench) -> None:
    tried = await bench.attempt(
        url=f"{bench.server.url}",
        request={
            "url": f"{bench.server.url}/{{{{ KEY | base64url }}}}",
            "headers": {"Accept": "{{ KEY | sha256 }}", "X-Key": "{{ KEY | md5 }}"},
            "json": {"grant_type": "{{ KEY | upper }}"},
        },
        variables={"KEY": "s3cret-key"},
    )
    assert tried.steps[0].url == f"{bench.server.url}/***"
    assert tried.steps[0].headers["Accept"] == "***"
    assert tried.steps[0].sent == {"grant_type": "***"}


@pytest.mark.parametrize("token", ["abc", "1", 4711, "Bearer"])
async def test_a_token_is_masked_whatever_its_length_and_type(bench: Bench, token: str | int) -> None:
    bench.server.knobs.body = json.dumps({"access_token": token, "scope": str(token), "expires_in": 300, "sid": 815})
    tried = await bench.attempt(save={"SID": {"from": "json", "path": "sid"}})
    assert tried.steps[0].received == {"access_token": "***", "scope": "***", "expires_in": 300, "sid": "***"}


async def test_a_trial_asks_once_and_keeps_nothing(bench: Bench) -> None:
    bench.server.knobs.status = 503
    tried = await bench.attempt()
    assert (tried.succeeded, tried.diagnosis.code, bench.server.count) == (False, "provider-failing", 1)
    assert tried.steps[0].status == 503


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (400, '{"message": "s3cret"}', "bad-request"),
        (400, '{"error": "invalid_grant"}', "invalid-grant"),
        (401, '{"error": "invalid_client"}', "invalid-client"),
        (401, "", "credentials-refused"),
        (403, "", "credentials-refused"),
        (404, "<html>", "not-found"),
        (405, "", "wrong-method"),
        (415, "", "wrong-content-type"),
        (429, "", "rate-limited"),
        (302, "", "redirect"),
        (200, "<html>s3cret</html>", "html-page"),
        (200, '{"access_token": ""}', "token-empty"),
        (200, '{"access_token": "s3cret\\nX: 1"}', "token-control-characters"),
        (200, '{"access_token": "abc", "expires_in": 0}', "expiry-wrong"),
        (200, '{"access_token": "abc", "expires_in": "s3cret"}', "expiry-wrong"),
    ],
)
async def test_each_row_of_the_troubleshooting_table_has_a_sentence_and_a_remedy(
    bench: Bench, status: int, body: str, code: str
) -> None:
    bench.server.knobs.status, bench.server.knobs.body = status, body
    bench.server.knobs.headers = {"Location": "https://login.example/?s3cret"}
    tried = await bench.attempt()
    assert tried.diagnosis.code == code
    assert tried.diagnosis.sentence
    assert tried.diagnosis.remedy
    assert not tried.succeeded
    assert tried.steps[0].status == status


async def test_a_token_in_another_place_is_pointed_to(bench: Bench) -> None:
    bench.server.knobs.body = json.dumps({"status": "success", "data": {"jwt": "s3cret-value"}})
    tried = await bench.attempt()
    assert (tried.diagnosis.code, [*map(str, tried.diagnosis.candidates)]) == (
        "token-not-found",
        ["$.data.jwt", "$.status"],
    )


async def test_an_expiry_in_another_place_is_pointed_to_and_the_token_still_serves(bench: Bench) -> None:
    bench.server.knobs.body = json.dumps({"access_token": "s3cret-value", "valid_for": 900, "id": 7})
    tried = await bench.attempt()
    assert (tried.succeeded, tried.lifetime) == (True, 300)
    assert tried.expiry_at == "nowhere: five minutes are assumed"
    assert (tried.diagnosis.code, [*map(str, tried.diagnosis.candidates)]) == (
        "expiry-not-found",
        ["$.valid_for looks like seconds", "$.id looks like seconds"],
    )


async def test_a_jwt_s_own_expiry_is_named(bench: Bench) -> None:
    bench.server.knobs.expiry_type = "jwt"
    tried = await bench.attempt(expiry=None)
    assert (tried.expiry_at, tried.lifetime) == ("the token's own `exp`", 300)


async def test_a_token_that_ends_before_its_reply_says_so_is_named(bench: Bench) -> None:
    ends = int(bench.clock.now()) + 60
    token = jwt.encode({"exp": ends, "sub": "s3cret"}, "k" * 32, algorithm="HS256")
    bench.server.knobs.body = json.dumps({"access_token": token, "expires_in": 3600})
    tried = await bench.attempt()
    assert tried.expiry_at == "the token's own `exp`, which comes before json $.expires_in (seconds)"
    assert tried.lifetime == 60


async def test_a_token_that_ends_when_its_reply_says_so_needs_no_word(bench: Bench) -> None:
    token = jwt.encode({"exp": int(bench.clock.now()) + 299}, "k" * 32, algorithm="HS256")
    bench.server.knobs.body = json.dumps({"access_token": token, "expires_in": 300})
    assert (await bench.attempt()).expiry_at == "json $.expires_in (seconds)"


@pytest.mark.parametrize(
    ("lifetime", "window", "renewal"),
    [
        (1000, None, (720, 880, 60)),
        (300, None, (216, 240, 60)),
        (100, None, (72, 75, 25)),
        (1000, "300s", (700, 700, 300)),
        (100, "300s", (50, 50, 50)),
    ],
)
async def test_it_is_told_when_the_token_would_be_renewed(
    bench: Bench, lifetime: float, window: str | None, renewal: tuple[float, float, float]
) -> None:
    bench.server.knobs.lifetime = lifetime
    tried = await bench.attempt(safety_window=window)
    assert tried.renewal is not None
    told = (tried.renewal.earliest, tried.renewal.latest, tried.renewal.safety_window)
    assert told == pytest.approx(renewal)
    assert (
        f"renews: {renewal[0]} to {renewal[1]} s after it came, behind the requests; safety window {renewal[2]} s"
        in (tuple(tried.lines()))
    )


async def test_every_saved_variable_is_named_with_its_place_and_never_its_value(bench: Bench) -> None:
    bench.server.knobs.headers = {"X-CSRF-Token": "s3cret-csrf"}
    save = {"CSRF": {"from": "header", "name": "X-CSRF-Token"}, "SID": {"from": "json", "path": "sid"}}
    tried = await bench.attempt(save=save)
    lines = tuple(tried.lines())
    assert "saved:  CSRF found at header X-CSRF-Token" in lines
    assert "saved:  SID not found at json $.sid" in lines
    assert tried.steps[0].answered["X-CSRF-Token"] == "***"


async def test_every_step_is_shown_and_a_skipped_one_with_its_reason(bench: Bench) -> None:
    request = {"url": bench.server.url, "form": {"client_secret": "s3cret"}}
    settings = WorkflowSettings.model_validate(
        {
            "kind": "workflow",
            "allow_plain_http": True,
            "steps": [
                {
                    "name": "login",
                    "request": request,
                    "extract": {"ACCESS_TOKEN": {"from": "json", "path": "access_token"}},
                },
                {"name": "second factor", "when": [{"variable": "OTP", "present": True}], "request": request},
                {"name": "session", "request": {"url": bench.server.url, "headers": {"X": "{{ ACCESS_TOKEN }}"}}},
            ],
        }
    )
    tried = await trial(Workflow("main", settings, bench.endpoint, bench.clock))
    lines = tuple(tried.lines())
    assert (tried.succeeded, bench.server.count) == (True, 2)
    assert lines[0] == f"step login: POST {bench.server.url}"
    assert [line for line in lines if line.startswith("step second factor: skipped: `when` asks whether")] != []
    assert f"step session: POST {bench.server.url}" in lines
    assert [step.note is None for step in tried.steps] == [True, False, True]
    assert "saved:  ACCESS_TOKEN found at json $.access_token of step login" in lines
    assert not any(token in "\n".join(lines) for token in bench.server.issued)


@pytest.mark.parametrize(("ahead", "side"), [(600.0, "ahead of"), (-600.0, "behind")])
async def test_an_issuer_s_clock_that_goes_wrong_is_told_of(bench: Bench, ahead: float, side: str) -> None:
    bench.server.knobs.date_offset = ahead
    bench.server.knobs.expiry_type = "epoch"
    tried = await bench.attempt(expiry={"from": "json", "path": "expires_in", "type": "epoch"})
    assert (tried.succeeded, tried.lifetime, tried.clock_offset) == (True, 300, ahead)
    assert f"clock:  the issuer's clock is 10 min {side} this machine's" in tried.lines()


async def test_an_issuer_s_clock_that_goes_wrong_is_told_of_with_a_failure_too(bench: Bench) -> None:
    bench.server.knobs.date_offset = 600.0
    bench.server.knobs.status = 401
    tried = await bench.attempt()
    assert (tried.succeeded, tried.clock_offset) == (False, 600)
    assert "clock:" in "\n".join(tried.lines())


async def test_an_issuer_s_clock_that_goes_right_is_not_worth_a_line(bench: Bench) -> None:
    tried = await bench.attempt()
    assert tried.clock_offset == 0
    assert "clock:" not in "\n".join(tried.lines())


async def test_silence_is_a_timeout(bench: Bench) -> None:
    bench.server.hold()
    tried = await bench.attempt(patience="200ms")
    assert (tried.diagnosis.code, tried.steps[0].status) == ("timeout", None)


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://no-such-host.invalid/token", "dns"),
        ("http://127.0.0.1:1/token", "connect"),
    ],
)
async def test_a_provider_that_is_not_there_is_named(bench: Bench, url: str, code: str) -> None:
    assert (await bench.attempt(url=url)).diagnosis.code == code


async def test_a_tls_failure_is_named(bench: Bench) -> None:
    tried = await bench.attempt(url=bench.server.url.replace("http:", "https:"))
    assert tried.diagnosis.code == "tls"


async def test_a_token_that_cannot_stand_where_it_goes_is_named(bench: Bench) -> None:
    bench.server.knobs.body = json.dumps({"access_token": "s3cret value"})
    tried = await bench.attempt(inject=[{"kind": "cookie", "name": "sid"}])
    assert (tried.diagnosis.code, tried.succeeded) == ("token-unusable", False)


async def test_what_may_work_only_once_is_not_spent_in_a_test(bench: Bench) -> None:
    form = {"code": "{{ CODE }}"}
    saved: dict[str, Any] = {
        "request": {"url": bench.server.url, "form": form},
        "variables": {"CODE": "s3cret"},
        "save": {"CODE": {"from": "json", "path": "code"}},
    }
    tried = await bench.attempt(**saved)
    assert (tried.succeeded, tried.steps, tried.diagnosis.code, bench.server.count) == (False, (), "not-tried", 0)
    assert "POST /api/v1/credentials/main/refresh" in "\n".join(tried.lines())


async def test_a_refresh_token_is_not_spent_in_a_test() -> None:
    clock = FakeClock()
    async with AuthorizationServer(clock) as server:
        settings = RefreshTokenSettings.model_validate(
            {
                "kind": "refresh_token",
                "token_url": server.url,
                "client_id": CLIENT,
                "client_secret": SECRET,
                "refresh_token": server.grant(),
                "allow_plain_http": True,
            }
        )
        tried = await trial(RefreshToken("main", settings, Endpoint(clock), clock))
        assert (tried.succeeded, tried.diagnosis.code, server.count) == (False, "not-tried", 0)


async def test_a_token_that_is_written_down_asks_nobody() -> None:
    clock = FakeClock()
    settings = BasicSettings.model_validate({"kind": "basic", "username": "me", "password": "s3cret"})
    tried = await trial(Basic("main", settings, Endpoint(clock), clock))
    assert (tried.succeeded, tried.steps, tried.lifetime, tried.diagnosis.code) == (True, (), None, "ok")
    assert "s3cret" not in repr(tried)


async def test_where_a_person_has_to_sign_in_the_way_there_is_told() -> None:
    clock = FakeClock()
    given = {"issuer": "https://login.example", "client_id": CLIENT, "client_secret": SECRET, "per_user": False}
    settings = AuthorizationCodeSettings.model_validate({"kind": "authorization_code", **given})
    tried = await trial(AuthorizationCode("drive", settings, Endpoint(clock), clock))
    assert (tried.steps, tried.diagnosis.code) == ((), "login-required")
    assert "POST /api/v1/credentials/drive/login" in tried.diagnosis.sentence
