"""Tokens that several requests bring, one after the other."""

import json
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, ClassVar

import pytest
from pydantic import ValidationError

from proxy.core.errors import FetchError, Reason
from proxy.core.secret import Secret, scrub
from proxy.core.symptom import Symptom, TokenRequestError
from proxy.core.token import Token
from proxy.credentials.workflow import Workflow, WorkflowSettings
from proxy.injectors import inject_all
from proxy.net.endpoint import Endpoint
from tests.compliance.credentials import CredentialCompliance
from tests.fakes.clock import FakeClock
from tests.fakes.login_server import PASSWORD, USER, LoginServer
from tests.fakes.token_server import TokenServer

TOKEN = {"from": "json", "path": "access_token"}


class TestWorkflow(CredentialCompliance):
    word: ClassVar[str] = "workflow"
    secret: ClassVar[str] = "s3cret-of-the-login"

    def settings(self, server: TokenServer) -> dict[str, Any]:
        return {
            "variables": {"PASSWORD": self.secret},
            "steps": [
                {
                    "name": "log in",
                    "request": {"url": server.url, "form": {"password": "{{ PASSWORD }}", "again": self.secret}},
                    "extract": {"ACCESS_TOKEN": TOKEN, "EXPIRES_IN": {"from": "json", "path": "expires_in"}},
                }
            ],
            "allow_plain_http": True,
        }


class TestWorkflowThatRefreshes(CredentialCompliance):
    """Its refresh token is had by a login, which can be made again."""

    word: ClassVar[str] = "workflow"
    secret: ClassVar[str] = "s3cret-of-the-login"
    other_beginning: ClassVar[Mapping[str, Any]] = {"variables": {"PASSWORD": "another-password"}}
    same_lineage: ClassVar[Sequence[Mapping[str, Any]]] = (
        {"variables": {"PASSWORD": "s3cret-of-the-login", "UNUSED": "x"}},
        {"expiry": {"from": "json", "path": "expires_in", "type": "seconds"}},
    )

    def settings(self, server: TokenServer) -> dict[str, Any]:
        bring = {"ACCESS_TOKEN": TOKEN, "REFRESH_TOKEN": TOKEN}
        return {
            "variables": {"PASSWORD": self.secret},
            "steps": [
                {"name": "log in", "request": {"url": server.url, "body": "{{ PASSWORD }}"}, "extract": bring},
            ],
            "refresh": [
                {"name": "renew", "request": {"url": server.url, "body": "{{ REFRESH_TOKEN }}"}, "extract": bring},
            ],
            "allow_plain_http": True,
        }

    def test_two_logins_have_two_lineages_though_no_variable_tells_them_apart(self) -> None:
        def step(user: str) -> dict[str, Any]:
            return {
                "name": "log in",
                "request": {"url": "https://auth.example/", "form": {"user": user}},
                "extract": {"ACCESS_TOKEN": TOKEN, "REFRESH_TOKEN": TOKEN},
            }

        assert self.lineage(steps=[step("a")]) == self.lineage(steps=[step("a")]) != self.lineage(steps=[step("b")])


class TestWorkflowThatBeginsWithARefreshToken(CredentialCompliance):
    word: ClassVar[str] = "workflow"
    secret: ClassVar[str] = "s3cret-of-the-first-one"
    other_beginning: ClassVar[Mapping[str, Any]] = {"variables": {"CLIENT": "me", "REFRESH_TOKEN": "another"}}
    same_lineage: ClassVar[Sequence[Mapping[str, Any]]] = (
        {"variables": {"CLIENT": "another", "REFRESH_TOKEN": "s3cret-of-the-first-one"}},
    )

    def settings(self, server: TokenServer) -> dict[str, Any]:
        request = {"url": server.url, "form": {"client": "{{ CLIENT }}", "token": "{{ REFRESH_TOKEN }}"}}
        bring = {"ACCESS_TOKEN": TOKEN, "REFRESH_TOKEN": TOKEN}
        return {
            "variables": {"CLIENT": "me", "REFRESH_TOKEN": self.secret},
            "steps": [{"name": "first", "request": request, "extract": bring}],
            "refresh": [{"name": "further", "request": request, "extract": bring}],
            "allow_plain_http": True,
        }


def challenge(url: str) -> dict[str, Any]:
    """Return a login by challenge and response, with a refresh of its own."""
    bring = {
        "ACCESS_TOKEN": {"from": "json", "path": "token"},
        "REFRESH_TOKEN": {"from": "json", "path": "refresh"},
        "TENANT": {"from": "json", "path": "tenant"},
        "EXPIRES_IN": {"from": "json", "path": "ttl"},
    }
    answer = {
        "nonce": "{{ NONCE }}",
        "answer": "{{ NONCE | hmac_sha256(PASSWORD) }}",
        "proof": "{{ PROOF }}",
    }
    return {
        "kind": "workflow",
        "variables": {"PASSWORD": PASSWORD, "PROOF": ""},
        "steps": [
            {
                "name": "challenge",
                "request": {"url": f"{url}/challenge", "json": {"user": USER}},
                "extract": {"NONCE": {"from": "json", "path": "nonce"}, "MFA": {"from": "json", "path": "mfa"}},
            },
            {
                "name": "second factor",
                "when": [{"variable": "MFA", "equals": "totp"}],
                "request": {"url": f"{url}/mfa"},
                "extract": {"PROOF": {"from": "json", "path": "proof"}},
            },
            {"name": "session", "request": {"url": f"{url}/session", "json": answer}, "extract": bring},
        ],
        "refresh": [
            {
                "name": "renew",
                "request": {"url": f"{url}/renew", "json": {"refresh_token": "{{ REFRESH_TOKEN }}"}},
                "extract": dict(bring),
            }
        ],
        "allow_plain_http": True,
    }


def form(url: str) -> dict[str, Any]:
    """Return a login by a form, with a CSRF token and cookies."""
    return {
        "kind": "workflow",
        "variables": {"PASSWORD": PASSWORD},
        "cookies": "keep",
        "steps": [
            {
                "name": "page",
                "request": {"method": "GET", "url": f"{url}/app/login"},
                "extract": {"CSRF": {"from": "text", "pattern": 'name="csrf" value="([^"]+)"'}},
            },
            {
                "name": "log in",
                "request": {
                    "url": f"{url}/app/login",
                    "form": {"user": USER, "password": "{{ PASSWORD }}", "csrf": "{{ CSRF }}"},
                },
                "succeeds_when": {"status": 302},
            },
            {
                "name": "token",
                "request": {"method": "GET", "url": f"{url}/app/token", "headers": {"X-CSRF-Token": "Fetch"}},
                "extract": {"ACCESS_TOKEN": {"from": "header", "name": "x-csrf-token"}},
            },
        ],
        "allow_plain_http": True,
    }


class Impatient(FakeClock):
    """Does not wait, and no time passes."""

    async def sleep(self, seconds: float) -> None:
        """Go on at once."""


class Bench:
    """A strict server, and workflows that ask it."""

    def __init__(self, server: LoginServer, clock: Impatient) -> None:
        self.server = server
        self.clock = clock
        self.endpoint = Endpoint(clock, jitter=lambda: 0.0)

    def made(self, settings: Mapping[str, Any], **more: Any) -> Workflow:
        """Return the credential."""
        return Workflow("main", WorkflowSettings.model_validate({**settings, **more}), self.endpoint, self.clock)

    async def failure(self, credential: Workflow, previous: Token | None = None) -> TokenRequestError:
        """Fetch in vain; nothing secret of it is shown."""
        with pytest.raises(TokenRequestError) as caught:
            await credential.fetch(previous)
        assert PASSWORD not in str(caught.value)
        return caught.value


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    clock = Impatient()
    async with LoginServer(clock) as server:
        bench = Bench(server, clock)
        yield bench
        await bench.endpoint.close()


def revealed(token: Token) -> dict[str, str]:
    return {name: secret.reveal() for name, secret in token.variables.items()}


# A run


async def test_a_challenge_is_answered_and_everything_that_was_brought_comes_with_the_token(bench: Bench) -> None:
    token = await bench.made(challenge(bench.server.url)).fetch(None)
    assert bench.server.visits == ["POST /challenge", "POST /session"]
    assert token.value.reveal() == bench.server.tokens[0]
    assert token.expires_at == bench.clock.now() + bench.server.knobs.lifetime
    variables = revealed(token)
    assert variables.keys() == {"NONCE", "ACCESS_TOKEN", "REFRESH_TOKEN", "TENANT", "EXPIRES_IN"}
    assert variables["TENANT"] == "acme"


async def test_a_wrong_password_is_a_lasting_failure_that_names_the_step(bench: Bench) -> None:
    settings = challenge(bench.server.url)
    error = await bench.failure(bench.made(settings, variables={"PASSWORD": "wrong", "PROOF": ""}))
    assert str(error).startswith("step session: POST 127.0.0.1:")
    assert (error.reason, error.permanent, error.variables) == (Reason.PROVIDER_4XX, True, {})
    assert bench.server.refusals == ["wrong answer"]


async def test_a_condition_decides_whether_a_step_is_taken(bench: Bench) -> None:
    bench.server.knobs.with_mfa = True
    assert (await bench.made(challenge(bench.server.url)).fetch(None)).value.reveal() in bench.server.tokens
    assert bench.server.visits == ["POST /challenge", "POST /mfa", "POST /session"]


async def test_who_watches_learns_which_steps_were_skipped_and_why(bench: Bench) -> None:
    notes = []
    credential = bench.made(challenge(bench.server.url))
    credential.watch_step = lambda name, note: notes.append((name, note))  # type: ignore[method-assign]
    await credential.fetch(None)
    assert notes == [("second factor", "`when` asks whether MFA equals what is configured")]


async def test_a_form_with_cookies_and_a_csrf_token_is_passed_as_by_a_browser(bench: Bench) -> None:
    inject = [
        {"kind": "header", "name": "X-CSRF-Token"},
        {"kind": "header", "name": "X-Cookies", "value": "{{ COOKIES }}"},
    ]
    credential = bench.made(form(bench.server.url), inject=inject)
    token = await credential.fetch(None)
    assert bench.server.refusals == []
    lines = inject_all(credential.settings.injectors(), token).lines.decode()
    assert f"X-CSRF-Token: {token.value.reveal()}\r\n" in lines
    assert f"X-Cookies: {revealed(token)['COOKIES']}\r\n" in lines
    assert [pair.partition("=")[0] for pair in revealed(token)["COOKIES"].split("; ")] == ["session", "node"]


async def test_without_its_cookies_the_form_is_refused(bench: Bench) -> None:
    error = await bench.failure(bench.made(form(bench.server.url), cookies="ignore"))
    assert str(error).startswith("step log in:")
    assert bench.server.refusals == ["no such page, or another's csrf token"]


async def test_cookies_can_be_carried_by_hand(bench: Bench) -> None:
    settings = form(bench.server.url)
    page, login, last = settings["steps"]
    page["extract"]["PAGE"] = {"from": "cookie", "name": "page"}
    login["request"]["headers"] = {"Cookie": "page={{ PAGE }}"}
    login["extract"] = {name.upper(): {"from": "cookie", "name": name} for name in ("session", "node")}
    last["request"]["headers"]["Cookie"] = "session={{ SESSION }}; node={{ NODE }}"
    token = await bench.made(settings, cookies="ignore").fetch(None)
    assert bench.server.refusals == []
    assert token.value.reveal() == revealed(token)["ACCESS_TOKEN"]


async def test_a_login_page_in_place_of_a_success_is_a_refusal_of_that_step(bench: Bench) -> None:
    error = await bench.failure(bench.made(form(bench.server.url), variables={"PASSWORD": "wrong"}))
    assert (error.symptom, error.permanent) == (Symptom.STEP_REFUSED, True)
    assert "step log in: POST 127.0.0.1" in str(error)
    assert "answered 200 (text/html), which is no success here" in str(error)


async def test_a_success_can_be_told_by_a_variable(bench: Bench) -> None:
    settings = challenge(bench.server.url)
    settings["steps"][0]["extract"]["ERROR"] = {"from": "json", "path": "error"}
    settings["steps"][0]["succeeds_when"] = {"all": [{"variable": "ERROR", "present": False}]}
    assert (await bench.made(settings).fetch(None)).value.reveal() == bench.server.tokens[0]
    bench.server.knobs.body["/challenge"] = {"error": "locked"}
    error = await bench.failure(bench.made(settings))
    assert error.symptom is Symptom.STEP_REFUSED
    assert "step challenge" in str(error)
    assert "it is not so that ERROR is not there" in str(error)


async def test_a_status_that_is_configured_is_a_success(bench: Bench) -> None:
    bench.server.knobs.status["/challenge"] = 401
    settings = challenge(bench.server.url)
    settings["steps"][0] |= {"succeeds_when": {"status": [200, 401]}, "extract": {"NONCE": TOKEN | {"path": "error"}}}
    settings["steps"].pop(1)
    error = await bench.failure(bench.made(settings))
    assert str(error).startswith("step session:")


async def test_a_variable_that_a_reply_does_not_bring_is_named(bench: Bench) -> None:
    bench.server.knobs.body["/challenge"] = {"no": "nonce"}
    error = await bench.failure(bench.made(challenge(bench.server.url)))
    assert error.symptom is Symptom.VARIABLE_NOT_FOUND
    assert "step challenge: the reply to POST" in str(error)
    assert "has no NONCE at json $.nonce" in str(error)


async def test_a_variable_that_only_a_skipped_step_brings_is_named_at_run_time(bench: Bench) -> None:
    settings = challenge(bench.server.url)
    settings["variables"] = {"PASSWORD": PASSWORD}
    error = await bench.failure(bench.made(settings))
    assert (error.symptom, error.permanent) == (Symptom.REQUEST, True)
    assert "step session: it needs the variable PROOF, and no step that was taken has brought that" in str(error)


async def test_a_step_that_fails_for_a_moment_fails_the_run_for_a_moment(bench: Bench) -> None:
    bench.server.knobs.status["/session"] = 503
    error = await bench.failure(bench.made(challenge(bench.server.url)))
    assert (error.reason, error.permanent) == (Reason.PROVIDER_5XX, False)


async def test_what_answers_a_challenge_is_sent_once(bench: Bench) -> None:
    bench.server.knobs.drop.add("/session")
    await bench.failure(bench.made(challenge(bench.server.url)))
    assert bench.server.visits == ["POST /challenge", "POST /session"]
    assert bench.server.refusals == []


async def test_no_step_is_tried_again_in_a_run_that_spends_what_cannot_be_had_again(bench: Bench) -> None:
    settings = challenge(bench.server.url)
    settings["refresh"] = [{"name": "before", "request": {"url": f"{bench.server.url}/mfa"}}, *settings["refresh"]]
    credential = bench.made(settings)
    first = await credential.fetch(None)
    bench.server.knobs.status["/mfa"] = 503
    bench.server.visits.clear()
    assert not (await bench.failure(credential, first)).permanent
    assert bench.server.visits == ["POST /mfa"]


async def test_nor_is_one_before_a_first_refresh_token(bench: Bench) -> None:
    settings = challenge(bench.server.url)
    [renew] = settings["refresh"]
    before = {"name": "before", "request": {"url": f"{bench.server.url}/mfa"}}
    settings |= {"steps": [before, {**renew, "name": "first"}], "variables": {"REFRESH_TOKEN": "the-first-one"}}
    bench.server.knobs.status["/mfa"] = 503
    await bench.failure(bench.made(settings))
    assert bench.server.visits == ["POST /mfa"]


async def test_a_first_request_is_tried_again_as_any_token_request(bench: Bench) -> None:
    bench.server.knobs.status["/challenge"] = 503
    await bench.failure(bench.made(challenge(bench.server.url)))
    assert bench.server.visits == ["POST /challenge"] * 3


async def test_a_workflow_may_take_as_long_as_all_of_its_steps(bench: Bench) -> None:
    settings = challenge(bench.server.url)
    settings["steps"][0]["request"]["timeout"] = "3s"
    assert bench.made(settings).longest_try == 33.0


# The token


async def test_the_token_is_made_of_variables(bench: Bench) -> None:
    token = await bench.made(challenge(bench.server.url), token="{{ TENANT }}:%%ACCESS_TOKEN%%").fetch(None)
    assert token.value.reveal() == f"acme:{bench.server.tokens[0]}"


async def test_the_token_may_be_an_encoding_of_variables_and_that_is_as_secret_as_they_are(bench: Bench) -> None:
    credential = bench.made(challenge(bench.server.url), token="{{ TENANT + ':' + ACCESS_TOKEN | base64 }}")
    token = await credential.fetch(None)
    written = b64encode(f"acme:{bench.server.tokens[0]}".encode()).decode()
    assert token.value.reveal() == written
    assert scrub(f"<{written}>") == "<***>"


async def test_a_variable_may_stand_in_several_places_and_have_a_default(bench: Bench) -> None:
    settings = challenge(bench.server.url)
    places = [{"from": "xml", "path": "/login/token"}, {"from": "json", "path": "token"}]
    region = [{"from": "header", "name": "X-Region"}, {"from": "json", "path": "region", "default": "eu"}]
    settings["steps"][2]["extract"] |= {"ACCESS_TOKEN": places, "REGION": region}
    token = await bench.made(settings, token="{{ REGION }}/{{ ACCESS_TOKEN }}").fetch(None)
    assert token.value.reveal() == f"eu/{bench.server.tokens[0]}"


async def test_of_several_expiries_the_first_that_is_there_counts(bench: Bench) -> None:
    settings = challenge(bench.server.url)
    settings["steps"][2]["extract"].pop("EXPIRES_IN")
    expiry = [
        {"from": "json", "path": "until", "type": "epoch"},
        {"from": "json", "path": "ttl", "type": "milliseconds"},
    ]
    token = await bench.made(settings, expiry=expiry).fetch(None)
    assert token.expires_at == pytest.approx(bench.clock.now() + 0.3)


async def test_every_variable_can_be_injected(bench: Bench) -> None:
    inject = [
        {"kind": "header", "name": "Authorization", "prefix": "Bearer "},
        {"kind": "header", "name": "X-Tenant", "value": "{{ TENANT }}"},
    ]
    credential = bench.made(challenge(bench.server.url), inject=inject)
    lines = inject_all(credential.settings.injectors(), await credential.fetch(None)).lines
    assert b"X-Tenant: acme\r\n" in lines
    with pytest.raises(ValidationError, match="TENAND"):
        bench.made(challenge(bench.server.url), inject=[{**inject[1], "value": "{{ TENAND }}"}])


@pytest.mark.parametrize("moment", ["2027-01-15T08:01:00Z", "1800000060", 1800000060, 1800000060.0])
async def test_a_moment_that_is_saved_sets_the_expiry(bench: Bench, moment: str | float) -> None:
    settings = challenge(bench.server.url)
    bench.server.knobs.body["/challenge"] = {"token": "a-token", "until": moment}
    first = settings["steps"][0]
    first["extract"] = {
        "ACCESS_TOKEN": {"from": "json", "path": "token"},
        "EXPIRES_AT": {"from": "json", "path": "until"},
    }
    token = await bench.made(settings, steps=[first], refresh=[]).fetch(None)
    assert token.expires_at == bench.clock.now() + 60


async def test_of_two_ends_the_earlier_one_counts(bench: Bench) -> None:
    settings = challenge(bench.server.url)
    settings["variables"]["EXPIRES_AT"] = str(bench.clock.now() + 30)
    assert (await bench.made(settings).fetch(None)).expires_at == bench.clock.now() + 30


async def test_an_expiry_may_stand_in_the_last_reply(bench: Bench) -> None:
    settings = challenge(bench.server.url)
    settings["steps"][2]["extract"].pop("EXPIRES_IN")
    expiry = {"from": "json", "path": "ttl", "type": "milliseconds"}
    token = await bench.made(settings, expiry=expiry).fetch(None)
    assert token.expires_at == pytest.approx(bench.clock.now() + 0.3)
    assert (await bench.made(settings).fetch(None)).expires_at == bench.clock.now() + 300


async def test_a_lifetime_may_be_written_down(bench: Bench) -> None:
    settings = challenge(bench.server.url)
    settings["variables"]["EXPIRES_IN"] = "1800"
    settings["steps"][2]["extract"].pop("EXPIRES_IN")
    settings["refresh"][0]["extract"].pop("EXPIRES_IN", None)
    assert (await bench.made(settings).fetch(None)).expires_at == bench.clock.now() + 1800


async def test_an_odd_lifetime_is_named(bench: Bench) -> None:
    bench.server.knobs.lifetime = -1
    error = await bench.failure(bench.made(challenge(bench.server.url)))
    assert error.symptom is Symptom.EXPIRY_WRONG
    assert "EXPIRES_IN says a token that had expired before it arrived" in str(error)


# Refresh


async def test_a_refresh_goes_on_with_what_was_brought_and_what_it_does_not_bring_is_kept(bench: Bench) -> None:
    settings = challenge(bench.server.url)
    settings["refresh"][0]["extract"].pop("TENANT")
    credential = bench.made(settings)
    first = await credential.fetch(None)
    second = await credential.fetch(first)
    third = await credential.fetch(second)
    assert bench.server.visits[2:] == ["POST /renew", "POST /renew"]
    assert bench.server.refusals == []
    assert third.value.reveal() == bench.server.tokens[2]
    assert revealed(third)["TENANT"] == "acme"
    assert revealed(third)["REFRESH_TOKEN"] == bench.server.sessions[0].refresh_token


async def test_a_reply_without_a_new_refresh_token_keeps_the_old_one_but_the_token_must_be_new(bench: Bench) -> None:
    credential = bench.made(challenge(bench.server.url))
    first = await credential.fetch(None)
    bench.server.knobs.body["/renew"] = {"token": "a-new-one", "ttl": 60}
    second = await credential.fetch(first)
    assert revealed(second)["REFRESH_TOKEN"] == revealed(first)["REFRESH_TOKEN"]
    assert second.value == Secret("a-new-one")
    bench.server.knobs.body["/renew"] = {"ttl": 60}
    error = await bench.failure(credential, second)
    assert "has no ACCESS_TOKEN at json $.token" in str(error)


async def test_an_expiry_that_was_said_of_the_former_token_does_not_count_for_the_next(bench: Bench) -> None:
    credential = bench.made(challenge(bench.server.url))
    bench.server.knobs.lifetime = 60
    first = await credential.fetch(None)
    bench.server.knobs.body["/renew"] = {"token": "a-new-one"}
    assert (await credential.fetch(first)).expires_at == bench.clock.now() + 300


async def test_when_the_refresh_is_refused_the_same_fetch_begins_anew(bench: Bench) -> None:
    credential = bench.made(challenge(bench.server.url))
    first = await credential.fetch(None)
    bench.server.end_sessions()
    bench.server.visits.clear()
    second = await credential.fetch(first)
    assert bench.server.visits == ["POST /renew", "POST /challenge", "POST /session"]
    assert second.value.reveal() == bench.server.sessions[1].tokens[0]
    assert revealed(second)["REFRESH_TOKEN"] == bench.server.sessions[1].refresh_token


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_when_the_refresh_fails_for_a_moment_nothing_begins_anew(bench: Bench, status: int) -> None:
    credential = bench.made(challenge(bench.server.url))
    first = await credential.fetch(None)
    bench.server.knobs.status["/renew"] = status
    bench.server.visits.clear()
    error = await bench.failure(credential, first)
    assert (error.permanent, error.variables) == (False, {})
    assert bench.server.visits == ["POST /renew"]


async def test_a_former_token_without_variables_begins_anew(bench: Bench) -> None:
    credential = bench.made(challenge(bench.server.url))
    await credential.fetch(Token(Secret("x"), 0.0))
    assert bench.server.visits[0] == "POST /challenge"


async def test_the_cookies_of_the_login_go_along_with_the_refresh(bench: Bench) -> None:
    settings = form(bench.server.url)
    settings["refresh"] = [{**settings["steps"][2], "name": "again"}]
    credential = bench.made(settings)
    first = await credential.fetch(None)
    bench.server.visits.clear()
    second = await credential.fetch(first)
    assert bench.server.visits == ["GET /app/token"]
    assert revealed(second)["COOKIES"] == revealed(first)["COOKIES"]


async def test_a_refresh_that_is_led_to_a_login_page_begins_anew(bench: Bench) -> None:
    settings = form(bench.server.url)
    settings["refresh"] = [{**settings["steps"][2], "name": "again"}]
    credential = bench.made(settings)
    first = await credential.fetch(None)
    bench.server.end_sessions()
    second = await credential.fetch(first)
    assert revealed(second)["COOKIES"] != revealed(first)["COOKIES"]
    assert bench.server.visits[-4:] == ["GET /app/token", "GET /app/login", "POST /app/login", "GET /app/token"]


async def test_a_page_for_people_in_place_of_a_refresh_begins_anew(bench: Bench) -> None:
    settings = form(bench.server.url)
    request = {"method": "GET", "url": f"{bench.server.url}/app/login"}
    settings["refresh"] = [{"name": "again", "request": request, "extract": {"ACCESS_TOKEN": TOKEN}}]
    credential = bench.made(settings)
    first = await credential.fetch(None)
    bench.server.visits.clear()
    bench.server.page = "<html><body><form><input type=password></form></body></html>"
    with pytest.raises(TokenRequestError):  # now every page is one without a token
        await credential.fetch(first)
    assert bench.server.visits == ["GET /app/login", "GET /app/login"]


# What may work only once


def with_profile(settings: dict[str, Any], url: str) -> dict[str, Any]:
    """Add a step behind the one that spends a refresh token."""
    settings["refresh"].append({"name": "profile", "request": {"url": f"{url}/mfa", "body": "{{ ACCESS_TOKEN }}"}})
    return settings


async def test_when_a_step_behind_the_spending_one_fails_the_successor_goes_with_the_error_and_nothing_else(
    bench: Bench,
) -> None:
    credential = bench.made(with_profile(challenge(bench.server.url), bench.server.url))
    first = await credential.fetch(None)
    bench.server.knobs.status["/mfa"] = 503
    error = await bench.failure(credential, first)
    assert not error.unheeded
    expected = {**revealed(first), "REFRESH_TOKEN": bench.server.sessions[0].refresh_token}
    assert {name: secret.reveal() for name, secret in error.variables.items()} == expected
    bench.server.knobs.status.clear()
    carried = Token(Secret(""), 0.0, variables=error.variables)
    assert (await credential.fetch(carried)).value.reveal() == bench.server.tokens[-1]
    assert bench.server.refusals == []


async def test_a_successor_that_comes_without_a_token_is_not_lost(bench: Bench) -> None:
    credential = bench.made(challenge(bench.server.url))
    first = await credential.fetch(None)
    bench.server.knobs.body["/renew"] = {"refresh": "the-successor"}
    error = await bench.failure(credential, first)
    assert error.variables["REFRESH_TOKEN"] == Secret("the-successor")


async def test_a_failure_before_anything_was_spent_says_so(bench: Bench) -> None:
    settings = challenge(bench.server.url)
    settings["refresh"].insert(0, {"name": "ping", "request": {"method": "GET", "url": f"{bench.server.url}/mfa"}})
    credential = bench.made(settings)
    bench.server.knobs.status["/mfa"] = 500
    first = await credential.fetch(None)
    error = await bench.failure(credential, first)
    assert (error.unheeded, error.variables) == (True, {})


async def test_what_is_spent_is_sent_once_whatever_comes_of_it(bench: Bench) -> None:
    credential = bench.made(challenge(bench.server.url))
    first = await credential.fetch(None)
    bench.server.knobs.drop.add("/renew")
    bench.server.visits.clear()
    error = await bench.failure(credential, first)
    assert (error.symptom, error.unheeded) == (Symptom.BROKEN_OFF, False)
    assert bench.server.visits == ["POST /renew"]


async def test_a_login_that_fails_behind_a_refused_refresh_keeps_what_the_refresh_brought(bench: Bench) -> None:
    settings = with_profile(challenge(bench.server.url), bench.server.url)
    credential = bench.made(settings)
    first = await credential.fetch(None)
    bench.server.knobs.status |= {"/mfa": 403, "/challenge": 503}
    error = await bench.failure(credential, first)
    assert error.reason is Reason.PROVIDER_5XX
    assert error.variables["REFRESH_TOKEN"] == Secret(bench.server.sessions[0].refresh_token)


async def test_steps_that_begin_with_what_works_once_do_not_follow_a_refused_refresh(bench: Bench) -> None:
    settings = challenge(bench.server.url)
    [renew] = settings["refresh"]
    settings |= {"steps": [{**renew, "name": "first"}], "variables": {"REFRESH_TOKEN": "used-up-long-ago"}}
    former = Token(Secret("old"), 0.0, variables={"REFRESH_TOKEN": Secret("unknown")})
    error = await bench.failure(bench.made(settings), former)
    assert error.permanent
    assert bench.server.visits == ["POST /renew"]


# Another credential saves to it


async def test_without_steps_it_waits_for_what_is_saved_to_it() -> None:
    clock = FakeClock()
    settings = WorkflowSettings.model_validate({"kind": "workflow", "steps": [], "token": "{{ UPLOAD }}"})
    credential = Workflow("upload", settings, Endpoint(clock), clock)
    with pytest.raises(FetchError) as caught:
        await credential.fetch(None)
    assert (caught.value.reason, caught.value.permanent, caught.value.asked) == (Reason.NO_REFRESH_TOKEN, False, False)


def test_variables_make_a_token_if_they_suffice() -> None:
    clock = FakeClock()
    settings = WorkflowSettings.model_validate({"kind": "workflow", "steps": [], "token": "{{ UPLOAD }}"})
    credential = Workflow("upload", settings, Endpoint(clock), clock)
    variables = {"UPLOAD": Secret("abc")}
    token = credential.token_of(Token(Secret("x"), clock.now(), variables=variables), {})
    assert (token.value, token.expires_at, token.variables) == (Secret("abc"), clock.now() + 300, variables)
    with pytest.raises(FetchError, match="the variable UPLOAD is not defined"):
        credential.token_of(Token(Secret("x"), clock.now(), variables={"OTHER": Secret("abc")}), {})


@pytest.mark.parametrize("said", [{"EXPIRES_AT": "1000"}, {"EXPIRES_AT": "4102444800"}, {"EXPIRES_IN": "9"}])
def test_what_the_giver_was_told_of_the_expiry_counts_by_its_reading_of_the_clocks(said: dict[str, str]) -> None:
    clock = FakeClock()
    settings = WorkflowSettings.model_validate({"kind": "workflow", "steps": [], "token": "{{ UPLOAD }}"})
    credential = Workflow("upload", settings, Endpoint(clock), clock)
    variables = {"UPLOAD": Secret("abc"), **{name: Secret(value) for name, value in said.items()}}
    given = Token(Secret("x"), clock.now(), clock.now() + 1800, variables=variables)
    assert credential.token_of(given, {}).expires_at == clock.now() + 1800


def test_the_same_token_ends_when_it_does_for_the_giver() -> None:
    clock = FakeClock()
    settings = WorkflowSettings.model_validate({"kind": "workflow", "steps": [], "token": "{{ UPLOAD }}"})
    credential = Workflow("upload", settings, Endpoint(clock), clock)
    given = Token(Secret("abc"), clock.now(), clock.now() + 1800, variables={"UPLOAD": Secret("abc")})
    assert credential.token_of(given, {}).expires_at == clock.now() + 1800


@pytest.mark.parametrize(("own", "counts"), [(600, 600), (3600, 1800), (-600, 1800)])
def test_a_token_that_names_an_earlier_end_of_its_own_ends_then(own: int, counts: int) -> None:
    clock = FakeClock()
    settings = WorkflowSettings.model_validate({"kind": "workflow", "steps": [], "token": "{{ UPLOAD }}"})
    credential = Workflow("upload", settings, Endpoint(clock), clock)
    claims = b64encode(json.dumps({"exp": int(clock.now()) + own}).encode()).decode().rstrip("=")
    variables = {"UPLOAD": Secret(f"e30.{claims}.c2ln"), "EXPIRES_IN": Secret("1800")}
    given = Token(Secret("x"), clock.now(), clock.now() + 1800, variables=variables)
    assert credential.token_of(given, {}).expires_at == clock.now() + counts


# Settings


def parsed(**given: Any) -> WorkflowSettings:
    return WorkflowSettings.model_validate({**challenge("https://auth.example"), **given})


def test_two_steps_need_two_names() -> None:
    steps = challenge("https://auth.example")["steps"]
    with pytest.raises(ValidationError, match="two steps are called challenge"):
        parsed(steps=[steps[0], steps[0]])


def test_plain_http_is_refused_unless_it_is_allowed() -> None:
    with pytest.raises(ValidationError, match="the url of step challenge is not https"):
        WorkflowSettings.model_validate({**challenge("http://127.0.0.1"), "allow_plain_http": False})


def test_what_a_refresh_may_use_up_is_told_from_the_settings() -> None:
    assert parsed().spent == {"REFRESH_TOKEN"}
    assert parsed().starts_over
    assert parsed(refresh=[]).spent == frozenset()
    first = {"PASSWORD": PASSWORD, "PROOF": "", "REFRESH_TOKEN": "a-first-one"}
    assert not parsed(variables=first).starts_over


def test_what_a_refresh_brings_itself_is_not_used_up() -> None:
    steps = challenge("https://auth.example")["steps"]
    again = [{**step, "name": f"{step['name']} again"} for step in steps]
    assert parsed(refresh=again).spent == frozenset({"PROOF"})  # the step that brings it may be skipped
    assert parsed(refresh=[again[0], again[2]], steps=[steps[0], steps[2]]).spent == frozenset()


def test_the_example_has_no_flaws() -> None:
    assert list(parsed().flaws()) == []


def test_if_each_user_has_a_token_the_variables_that_are_missing_are_theirs() -> None:
    settings = parsed(per_user=True, variables={}, token="{{ ACCESS_TOKEN }}{{ SUFFIX }}")
    assert settings.user_variables == {"PASSWORD", "SUFFIX"}
    assert list(settings.flaws()) == []
    own = settings.for_user({name: Secret(name) for name in settings.user_variables})
    assert own.variables == {name: Secret(name) for name in ("PASSWORD", "SUFFIX")}
    assert own.user_variables == frozenset()
    assert parsed().user_variables == frozenset()


def test_a_user_may_bring_the_first_of_what_works_once() -> None:
    steps = [{**challenge("https://auth.example")["refresh"][0], "name": "first"}]
    settings = parsed(per_user=True, variables={}, steps=steps)
    assert settings.user_variables == {"REFRESH_TOKEN"}
    assert not settings.starts_over


def test_json_that_is_printed_shows_no_secret() -> None:
    assert PASSWORD not in json.dumps(parsed().model_dump(mode="json"))
