"""A person takes the last step in their browser, and what they come back with goes on as variables."""

from collections.abc import AsyncIterator
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import pytest
from pydantic import ValidationError

from proxy.core.errors import FetchError, LoginRequiredError, Reason
from proxy.core.secret import Secret
from proxy.core.token import Token
from proxy.credentials.sign_in import Arrival, Errand, SignInError
from proxy.credentials.workflow import Workflow, WorkflowSettings
from proxy.injectors import inject_all, make_injector
from proxy.net.endpoint import Endpoint
from tests.compliance.credentials import CredentialCompliance
from tests.fakes.authorization_server import CLIENT, SECRET
from tests.fakes.clock import FakeClock
from tests.fakes.consent_server import KEY, ConsentServer
from tests.fakes.sign_in_server import SignInServer
from tests.fakes.token_server import TokenServer

ERRAND = Errand("the-state", "https://proxy.example/.countersign/callback")
TOKEN = {"from": "json", "path": "access_token"}


class TestWorkflowWithABrowser(CredentialCompliance):
    word: ClassVar[str] = "workflow"
    secret: ClassVar[str] = "s3cret-of-the-client"

    def settings(self, server: TokenServer) -> dict[str, Any]:
        request = {"url": server.url, "form": {"secret": "{{ SECRET }}", "token": "{{ RENEWAL }}"}}
        bring = {"ACCESS_TOKEN": TOKEN, "EXPIRES_IN": {"from": "json", "path": "expires_in"}}
        told = {"name": "begin", "request": {"url": server.url, "body": "{{ STATE }}"}, "extract": {"LINK": TOKEN}}
        return {
            "variables": {"SECRET": self.secret},
            "steps": [told, {"name": "door", "browser": {"open": "LINK", "hosts": ["login.example"]}}],
            "refresh": [{"name": "renew", "request": request, "extract": bring}],
            "allow_plain_http": True,
        }

    @staticmethod
    def before() -> Token:
        return Token(Secret("used-up"), 0.0, variables={"RENEWAL": Secret("renewal-1")})

    async def test_a_token_is_new_and_dated(self) -> None:
        async with self.made() as (credential, server):
            token = await credential.fetch(self.before())
            assert (token.generation, token.issued_at) == (0, server.clock.now())
            assert token.expires_at is not None
            assert token.expires_at > server.clock.now()

    async def test_fetching_again_renews_what_is_renewable(self) -> None:
        async with self.made() as (credential, _):
            first = await credential.fetch(self.before())
            assert (await credential.fetch(first)).value != first.value

    async def test_a_token_can_stand_where_it_goes_by_default(self) -> None:
        async with self.made() as (credential, _):
            token = await credential.fetch(self.before())
            lines = inject_all(map(make_injector, credential.settings.inject), token).lines
            assert token.value.reveal().encode() in lines

    async def test_nothing_secret_is_printed(self) -> None:
        async with self.made() as (credential, _):
            token = await credential.fetch(self.before())
            printed = f"{token!r} {credential.settings!r} {credential.settings.model_dump_json()} {credential!r}"
            for secret in (self.secret, token.value.reveal(), "renewal-1"):
                assert secret not in printed

    def test_its_settings_know_whether_it_has_a_lineage(self) -> None:
        assert self.parsed(TokenServer()).spends
        assert not self.parsed(TokenServer()).starts_over


class Bench:
    def __init__(self, server: SignInServer) -> None:
        self.server = server
        self.clock: Any = server.clock
        self.endpoint = Endpoint(self.clock, jitter=lambda: 0.0)
        self.workflow = self.made()

    def settings(self, **more: Any) -> dict[str, Any]:
        url = (
            f"{self.server.base}/authorize?response_type=code&client_id={CLIENT}&scope=read&hint={{{{ HINT }}}}"
            "&redirect_uri={{ REDIRECT_URI }}&state={{ STATE }}"
            "&code_challenge={{ VERIFIER | sha256 | base64url }}&code_challenge_method=S256"
        )
        bring = {"ACCESS_TOKEN": TOKEN, "REFRESH_TOKEN": {"from": "json", "path": "refresh_token"}}
        redeem = {"grant_type": "authorization_code", "code": "{{ CODE }}", "redirect_uri": "{{ REDIRECT_URI }}"}
        client = {"client_id": CLIENT, "client_secret": "{{ CLIENT_SECRET }}"}
        return {
            "kind": "workflow",
            "variables": {"CLIENT_SECRET": SECRET},
            "steps": [
                {
                    "name": "hint",
                    "request": {"method": "GET", "url": f"{self.server.base}/_count"},
                    "extract": {"HINT": {"from": "text", "pattern": r"(\d+)"}},
                },
                {"name": "consent", "browser": {"url": url}},
            ],
            "on_callback": [
                {
                    "name": "redeem",
                    "extract": bring,
                    "request": {
                        "url": self.server.url,
                        "form": {**redeem, **client, "code_verifier": "{{ VERIFIER }}"},
                    },
                },
            ],
            "refresh": [
                {
                    "name": "renew",
                    "extract": bring,
                    "request": {
                        "url": self.server.url,
                        "form": {"grant_type": "refresh_token", "refresh_token": "{{ REFRESH_TOKEN }}", **client},
                    },
                }
            ],
            "allow_plain_http": True,
            **more,
        }

    def made(self, **more: Any) -> Workflow:
        return Workflow("old", WorkflowSettings.model_validate(self.settings(**more)), self.endpoint, self.clock)

    async def arrive(self, workflow: Workflow | None = None, **changed: str | None) -> Arrival:
        way = (workflow or self.workflow).sign_in
        assert way is not None
        departure = await way.begin(ERRAND)
        back = parse_qs(urlsplit(self.server.consent(departure.address, **changed)).query)
        return await way.arrive(ERRAND, departure.kept, {name: values[0] for name, values in back.items()})


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with SignInServer(FakeClock()) as server:
        bench = Bench(server)
        yield bench
        await bench.endpoint.close()


async def test_earlier_steps_compute_the_address_and_later_ones_make_the_token(bench: Bench) -> None:
    arrival = await bench.arrive()
    assert bench.server.is_valid(arrival.token.value.reveal())
    asked = bench.server.asked[0]
    assert (asked["state"], asked["redirect_uri"], asked["hint"]) == ("the-state", ERRAND.redirect_uri, "0")
    assert arrival.token.variables["REFRESH_TOKEN"].reveal() == bench.server.chains[0].newest
    assert not {"VERIFIER", "STATE", "REDIRECT_URI"} & arrival.token.variables.keys()


async def test_each_sign_in_has_a_verifier_of_its_own_that_stays_here(bench: Bench) -> None:
    assert bench.workflow.sign_in is not None
    first, second = [await bench.workflow.sign_in.begin(ERRAND) for _ in range(2)]
    assert first.kept["VERIFIER"] != second.kept["VERIFIER"]
    assert first.kept["VERIFIER"].reveal() not in first.address


async def test_further_tokens_come_by_the_refresh_steps(bench: Bench) -> None:
    token = (await bench.arrive()).token
    assert bench.workflow.lacks(token) is None
    following = await bench.workflow.fetch(token)
    assert bench.server.is_valid(following.value.reveal())
    bench.server.revoke_chain(bench.server.chains[0].newest)
    with pytest.raises(FetchError) as caught:
        await bench.workflow.fetch(following)
    assert (caught.value.reason, caught.value.permanent) == (Reason.INVALID_GRANT, True)


async def test_without_a_sign_in_somebody_has_to_sign_in(bench: Bench) -> None:
    for previous in (None, Token(Secret("t"), 0.0)):
        assert isinstance(bench.workflow.lacks(previous), LoginRequiredError)
        with pytest.raises(FetchError) as caught:
            await bench.workflow.fetch(previous)
        assert caught.value.reason is Reason.NO_REFRESH_TOKEN
    once = bench.made(refresh=[])
    assert isinstance(once.lacks((await bench.arrive(once)).token), LoginRequiredError)
    assert bench.server.count == 1


async def test_a_token_may_come_back_with_the_person(bench: Bench) -> None:
    workflow = bench.made(on_callback=[], refresh=[])
    arrival = await bench.arrive(
        workflow, access_token="t0ken", expires_in="120", client_secret="planted-theirs", x="y"
    )
    assert arrival.token.value.reveal() == "t0ken"
    assert arrival.token.expires_at == bench.clock.now() + 120
    assert set(arrival.token.variables) == {"ACCESS_TOKEN", "EXPIRES_IN", "HINT"}


async def test_no_parameter_takes_the_place_of_what_is_known(bench: Bench) -> None:
    theirs = {
        "client_secret": "planted-theirs",
        "verifier": "planted-theirs",
        "redirect_uri": "https://evil.example",
        "hint": "planted-theirs",
    }
    workflow = bench.made(inject=[{"kind": "header", "name": "X-Hint", "value": "{{ HINT }}"}])
    arrival = await bench.arrive(workflow, **theirs)
    assert bench.server.is_valid(arrival.token.value.reveal())
    assert "planted-theirs" not in {value.reveal() for value in arrival.token.variables.values()}
    assert "planted-theirs" not in bench.server.visits[0].form.values()


async def test_a_parameter_that_is_too_long_is_none(bench: Bench) -> None:
    with pytest.raises(FetchError, match="CODE"):
        await bench.arrive(code="c" * 70_000)


async def test_a_person_who_says_no_ends_it_unless_a_step_asks_for_that(bench: Bench) -> None:
    with pytest.raises(SignInError) as caught:
        await bench.arrive(error="access_denied")
    assert caught.value.reason == "access_denied"
    asking = bench.settings()["on_callback"][0] | {"when": [{"variable": "ERROR", "present": False}]}
    with pytest.raises(FetchError):
        await bench.arrive(bench.made(on_callback=[asking]), error="access_denied")
    assert bench.server.count == 0


async def test_where_nobody_is_needed_the_way_leads_straight_back(bench: Bench) -> None:
    steps = bench.settings()["steps"]
    steps[1]["when"] = [{"variable": "HINT", "equals": "7"}]
    way = bench.made(steps=steps).sign_in
    assert way is not None
    departure = await way.begin(ERRAND)
    assert departure.address == f"{ERRAND.redirect_uri}?state=the-state"


def by_link(server: ConsentServer, **more: Any) -> dict[str, Any]:
    """Return a workflow that opens the address that a step's reply brings."""
    link = {"key": KEY, "state": "{{ STATE }}", "back": "{{ REDIRECT_URI }}"}
    bring = {"ACCESS_TOKEN": {"from": "json", "path": "token"}, "RENEWAL": {"from": "json", "path": "renewal"}}
    return {
        "kind": "workflow",
        "steps": [
            {
                "name": "begin",
                "request": {"url": f"{server.url}/link", "json": link},
                "extract": {"LINK": {"from": "json", "path": "url"}},
            },
            {"name": "consent", "browser": {"open": "LINK", "hosts": [urlsplit(server.url).netloc]}},
        ],
        "on_callback": [
            {
                "name": "redeem",
                "request": {"url": f"{server.url}/redeem", "json": {"key": KEY, "code": "{{ CODE }}"}},
                "extract": bring,
            }
        ],
        "allow_plain_http": True,
        **more,
    }


async def test_the_whole_address_may_be_what_a_step_brought(bench: Bench) -> None:
    async with ConsentServer() as server:
        workflow = Workflow("old", WorkflowSettings.model_validate(by_link(server)), bench.endpoint, bench.clock)
        assert workflow.sign_in is not None
        departure = await workflow.sign_in.begin(ERRAND)
        assert departure.address.startswith(f"{server.url}/consent/")
        assert departure.address.endswith("?lang=en&x=%2Fy#top")
        assert workflow.sign_in.service == "127.0.0.1"
        assert workflow.brought == ("workflow", f"https://{urlsplit(server.url).netloc}")


async def test_an_address_of_another_host_ends_the_sign_in_and_is_not_opened(bench: Bench) -> None:
    async with ConsentServer() as server:
        workflow = Workflow("old", WorkflowSettings.model_validate(by_link(server)), bench.endpoint, bench.clock)
        assert workflow.sign_in is not None
        for link, why in {
            "http://evil.example/?s3cret": "evil.example is none of its `hosts`",
            "http://127.0.0.1/?s3cret": "127.0.0.1 is none of its `hosts`",
            f"{server.url}/\r\nX-S3cret: y": "not a whole address",
        }.items():
            server.link = link
            with pytest.raises(SignInError, match="not known here, so it was not opened") as caught:
                await workflow.sign_in.begin(ERRAND)
            assert caught.value.reason == "misconfigured"
            assert caught.value.detail.startswith("step consent: the address in LINK may not be opened: ")
            assert why in caught.value.detail
            assert "s3cret" not in caught.value.detail.lower()


async def test_an_address_that_no_step_has_brought_is_missed(bench: Bench) -> None:
    async with ConsentServer() as server:
        given = by_link(server)
        given["steps"][0] |= {"when": [{"variable": "LANG", "present": True}]}
        workflow = Workflow("old", WorkflowSettings.model_validate(given), bench.endpoint, bench.clock)
        assert workflow.sign_in is not None
        with pytest.raises(FetchError, match="step consent: it needs the variable LINK"):
            await workflow.sign_in.begin(ERRAND)


async def test_a_step_that_fails_before_the_browser_sends_nobody_anywhere(bench: Bench) -> None:
    steps = bench.settings()["steps"]
    steps[0]["request"]["url"] = f"{bench.server.base}/nothing"
    way = bench.made(steps=steps).sign_in
    assert way is not None
    with pytest.raises(FetchError, match="hint"):
        await way.begin(ERRAND)


@pytest.mark.parametrize(
    ("known", "asked"),
    [
        ({"USER_ID": "ann", "USER_EMAIL": "ann@mail.example", "TENANT": "acme"}, ["ann", "ann@mail.example", "acme"]),
        ({"USER_ID": "ann", "USER_EMAIL": "ann@mail.example"}, ["ann", "ann@mail.example", "planted-theirs"]),
        ({"USER_ID": "ann", "TENANT": "acme"}, None),
    ],
)
async def test_what_is_known_of_the_user_comes_from_us_and_who_they_are_from_nobody_else(
    bench: Bench, known: dict[str, str], asked: list[str] | None
) -> None:
    form = {"who": "{{ USER_ID }}", "mail": "{{ USER_EMAIL }}", "tenant": "{{ TENANT }}"}
    redeem = bench.settings()["on_callback"][0]
    redeem["request"]["form"] |= form
    settings = WorkflowSettings.model_validate(bench.settings(per_user=True, on_callback=[redeem], refresh=[]))
    assert {"USER_ID", "USER_EMAIL", "TENANT", "CODE"} <= settings.user_variables
    assert not {"ACCESS_TOKEN", "VERIFIER", "REDIRECT_URI", "HINT"} & settings.user_variables
    own = settings.for_user({name: Secret(value) for name, value in known.items()})
    workflow = Workflow("old", own, bench.endpoint, bench.clock)
    brought = {"user_id": "bob", "user_email": "bob@mail.example", "tenant": "planted-theirs"}
    if asked is None:
        with pytest.raises(FetchError, match="USER_EMAIL"):
            await bench.arrive(workflow, **brought)
        assert bench.server.count == 0
        return
    await bench.arrive(workflow, **brought)
    assert [bench.server.visits[0].form[name] for name in form] == asked


async def test_who_has_brought_nothing_to_refresh_with_has_to_sign_in_again(bench: Bench) -> None:
    workflow = bench.made(on_callback=[])
    token = (await bench.arrive(workflow, access_token="t0ken")).token
    assert isinstance(workflow.lacks(token), LoginRequiredError)
    token = (await bench.arrive(workflow, access_token="t0ken", refresh_token="r")).token
    assert workflow.lacks(token) is None


async def test_a_refresh_that_can_do_without_is_tried(bench: Bench) -> None:
    refresh = bench.settings()["refresh"][0]
    refresh["when"] = [{"variable": "REFRESH_TOKEN", "present": True}]
    other = {**refresh, "name": "other", "when": [], "request": {"url": bench.server.url, "form": {"key": "k"}}}
    workflow = bench.made(on_callback=[], refresh=[refresh, other])
    assert workflow.lacks((await bench.arrive(workflow, access_token="t0ken")).token) is None


async def test_a_refresh_that_is_answered_with_a_login_page_is_over(bench: Bench) -> None:
    token = (await bench.arrive()).token
    bench.server.knobs.status, bench.server.knobs.headers = 302, {"Location": f"{bench.server.base}/login"}
    with pytest.raises(FetchError) as caught:
        await bench.workflow.fetch(token)
    assert (caught.value.reason, caught.value.permanent) == (Reason.INVALID_GRANT, True)


async def test_what_somebody_came_back_with_is_sent_once(bench: Bench) -> None:
    bench.server.knobs.lost = 1
    with pytest.raises(FetchError):
        await bench.arrive()
    assert bench.server.count == 1


async def test_nobody_has_told_us_how_to_give_it_back(bench: Bench) -> None:
    assert bench.workflow.sign_in is not None
    assert not await bench.workflow.sign_in.give_back(Token(Secret("t"), 0.0))
    assert bench.workflow.sign_in.service == "127.0.0.1"
    assert not bench.workflow.sign_in.own_callback


def test_what_a_sign_in_brought_stays_good_under_other_settings() -> None:
    bench = Bench(SignInServer(FakeClock()))
    assert bench.workflow.brought == bench.made(inject=[{"kind": "query", "name": "k"}]).brought
    assert bench.workflow.lineage is None
    assert bench.workflow.settings.signs_in
    assert bench.workflow.settings.spends
    assert not bench.workflow.settings.starts_over


BACK = {"url": "https://a.example/{{ REDIRECT_URI }}"}
STEP = {"name": "one", "request": {"url": "https://a.example/"}}
DOOR = {"name": "door", "browser": {"url": "https://a.example/?state={{ STATE }}"}}
OPENED = {"name": "door", "browser": {"open": "LINK", "hosts": ["a.example"]}}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"steps": [DOOR, STEP]}, "only be the last"),
        ({"steps": [STEP], "refresh": [DOOR]}, "only be the last"),
        ({"steps": [DOOR], "on_callback": [{**DOOR, "name": "two"}]}, "only be the last"),
        ({"steps": [STEP], "on_callback": [{**STEP, "name": "two"}]}, "follows a step with a browser"),
        ({"steps": [], "on_callback": [STEP]}, "follows a step with a browser"),
        ({"steps": [{"name": "door", "browser": {"url": "https://a.example/"}}]}, "as the parameter `state`"),
        ({"steps": [{**DOOR, "request": STEP["request"]}]}, "not both"),
        ({"steps": [{"name": "nothing"}]}, "either a request or a browser"),
        ({"steps": [{**DOOR, "extract": {"A": TOKEN}}]}, "has no reply"),
        ({"steps": [{"name": "door", "browser": {"url": "http://a.example/?s={{ STATE }}"}}]}, "not https"),
        ({"steps": [DOOR], "refresh": [{"name": "two", "request": BACK}]}, "REDIRECT_URI is known while somebody"),
        ({"steps": [STEP, OPENED]}, "STATE }} into what an earlier step sends"),
        ({"steps": [STEP, {"name": "door", "browser": {"open": "STATE", "hosts": ["a.example"]}}]}, "an earlier step"),
    ],
)
def test_what_cannot_be_meant_is_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        WorkflowSettings.model_validate({"kind": "workflow", **given})


def test_a_variable_without_a_value_is_found_up_to_the_browser_and_not_beyond() -> None:
    steps = [{**STEP, "request": {"url": "https://a.example/{{ WHAT }}"}}, DOOR]
    then = [{**STEP, "name": "two", "request": {"url": "https://a.example/{{ CODE }}"}}]
    settings = WorkflowSettings.model_validate({"kind": "workflow", "steps": steps, "on_callback": then})
    assert [loc for loc, _ in settings.flaws()] == [("steps", 0, "request", "url")]
    door = {"name": "door", "browser": {"url": "https://a.example/{{ WHAT }}?state={{ STATE }}"}}
    settings = WorkflowSettings.model_validate({"kind": "workflow", "steps": [door]})
    assert [loc for loc, _ in settings.flaws()] == [("steps", 0, "browser", "url")]
    told = {**STEP, "request": {"url": "https://a.example/", "body": '{{ REDIRECT_URI + "?state=" + STATE }}'}}
    settings = WorkflowSettings.model_validate({"kind": "workflow", "steps": [told, OPENED]})
    assert [loc for loc, _ in settings.flaws()] == [("steps", 1, "browser", "open")]
    told["extract"] = {"LINK": TOKEN}
    assert not [*WorkflowSettings.model_validate({"kind": "workflow", "steps": [told, OPENED]}).flaws()]
    own = WorkflowSettings.model_validate({"kind": "workflow", "steps": [door], "per_user": True})
    assert own.user_variables == {"WHAT", "ACCESS_TOKEN"}
