"""Tokens that one HTTP request brings."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from urllib.parse import parse_qs

import pytest
from pydantic import ValidationError

from proxy.core.errors import Reason
from proxy.core.message import NOTHING
from proxy.core.secret import Secret
from proxy.core.symptom import Symptom, TokenRequestError
from proxy.core.token import Token
from proxy.credentials.base import Credential
from proxy.credentials.http_request import HttpRequest, HttpRequestSettings
from proxy.net.endpoint import Endpoint
from tests.compliance.credentials import CredentialCompliance
from tests.fakes.clock import FakeClock
from tests.fakes.token_server import TokenServer

TOKEN = {"from": "json", "path": "access_token"}


class TestHttpRequest(CredentialCompliance):
    word: ClassVar[str] = "http_request"
    secret: ClassVar[str] = "s3cret-of-the-client"

    def settings(self, server: TokenServer) -> dict[str, Any]:
        return {
            "request": {"url": server.url, "form": {"client_id": "{{ ID }}", "client_secret": self.secret}},
            "token": TOKEN,
            "expiry": {"from": "json", "path": "expires_in", "type": "seconds"},
            "variables": {"ID": "me"},
            "allow_plain_http": True,
        }

    def twin(self, credential: Credential, server: TokenServer, **more: Any) -> HttpRequest:
        settings = self.parsed(server, **more)
        assert isinstance(settings, HttpRequestSettings)
        return HttpRequest("twin", settings, credential.endpoint, credential.clock)

    async def test_it_sends_what_is_configured(self) -> None:
        async with self.made() as (credential, server):
            token = await credential.fetch(None)
            assert parse_qs(server.requests[0].body.decode()) == {"client_id": ["me"], "client_secret": [self.secret]}
            assert token.value.reveal() == server.issued[0]
            assert token.expires_at == server.clock.now() + 300

    @pytest.mark.parametrize("kind", ["seconds", "milliseconds", "datetime", "epoch", "epoch_ms"])
    async def test_it_knows_every_expiry_that_a_server_sends(self, kind: str) -> None:
        async with self.made() as (credential, server):
            server.knobs.expiry_type, server.knobs.lifetime = kind, 900
            expiry = {"from": "json", "path": "$.expires_in", "type": kind}
            twin = self.twin(credential, server, expiry=expiry)
            assert (await twin.fetch(None)).expires_at == server.clock.now() + 900

    async def test_times_are_read_from_its_own_clock_and_a_random_number_is_the_same_in_one_request(self) -> None:
        async with self.made() as (credential, server):
            fields = {"at": "{{ timestamp }}", "one": "{{ uuid }}", "two": "%%uuid%%"}
            twin = self.twin(credential, server, request={"url": server.url, "form": fields})
            await twin.fetch(None)
            await twin.fetch(None)
            first, second = (parse_qs(request.body.decode()) for request in server.requests[-2:])
            assert first["at"] == [str(int(server.clock.now()))]
            assert first["one"] == first["two"] != second["one"]

    async def test_another_try_tells_its_own_time_and_draws_its_own_number(self) -> None:
        async with self.made() as (credential, server):
            fields = {"at": "{{ now(epoch_ms) }}", "one": "{{ uuid }}"}
            twin = self.twin(credential, server, request={"url": server.url, "form": fields})
            clock = credential.clock
            assert isinstance(clock, FakeClock)
            server.knobs.status = 503
            fetching = asyncio.create_task(twin.fetch(None))
            while not fetching.done():
                await clock.advance(seconds=0.25)
            with pytest.raises(TokenRequestError):
                await fetching
            tries = [parse_qs(request.body.decode()) for request in server.requests]
            assert int(tries[0]["at"][0]) < int(tries[1]["at"][0]) < int(tries[2]["at"][0])
            assert len({one["one"][0] for one in tries}) == 3

    async def test_a_saved_value_stands_in_the_next_request(self) -> None:
        async with self.made() as (credential, server):
            twin = self.twin(credential, server, save={"ID": {"from": "json", "path": "next"}})
            server.knobs.body = json.dumps({"access_token": "a", "next": "saved"})
            first = await twin.fetch(None)
            server.knobs.body = json.dumps({"access_token": "b"})
            second = await twin.fetch(first)
            await twin.fetch(second)
            await twin.fetch(None)
            sent = [parse_qs(request.body.decode())["client_id"] for request in server.requests]
            assert sent == [["me"], ["saved"], ["saved"], ["me"]]

    async def test_a_provider_that_is_down_is_a_passing_failure(self) -> None:
        async with self.made() as (credential, server):
            server.knobs.status, server.knobs.headers = 503, {"Retry-After": "60"}
            with pytest.raises(TokenRequestError) as caught:
                await credential.fetch(None)
            error = caught.value
            assert (error.reason, error.permanent, error.retry_after) == (Reason.PROVIDER_5XX, False, 60.0)

    async def test_a_client_that_is_not_accepted_is_a_lasting_failure(self) -> None:
        async with self.made() as (credential, server):
            server.knobs.status, server.knobs.body = 401, '{"error": "invalid_client"}'
            with pytest.raises(TokenRequestError) as caught:
                await credential.fetch(None)
            assert (caught.value.reason, caught.value.permanent) == (Reason.INVALID_CLIENT, True)

    async def test_a_page_instead_of_json_is_named(self) -> None:
        async with self.made() as (credential, server):
            server.knobs.body, server.knobs.content_type = "<html>", "text/html"
            with pytest.raises(TokenRequestError, match=r"an HTML page \(text/html\)") as caught:
                await credential.fetch(None)
            assert caught.value.symptom is Symptom.PAGE


class TestHttpRequestThatSaves(CredentialCompliance):
    word: ClassVar[str] = "http_request"
    secret: ClassVar[str] = "s3cret-of-the-first-request"
    other_beginning: ClassVar[Mapping[str, Any]] = {"variables": {"ID": "me", "CODE": "another-first-code"}}
    same_lineage: ClassVar[Sequence[Mapping[str, Any]]] = (
        {"variables": {"ID": "another", "CODE": "s3cret-of-the-first-request"}},
        {"expiry": {"from": "json", "path": "expires_in", "type": "seconds"}},
    )

    def settings(self, server: TokenServer) -> dict[str, Any]:
        return {
            "request": {"url": f"{server.url}?key={self.secret}", "form": {"id": "{{ ID }}", "code": "{{ CODE }}"}},
            "token": TOKEN,
            "variables": {"ID": "me", "CODE": self.secret},
            "save": {"CODE": {"from": "json", "path": "access_token"}},
            "allow_plain_http": True,
        }

    async def test_a_request_that_may_have_used_up_what_it_carried_is_not_sent_again(self) -> None:
        async with self.made() as (credential, server):
            server.knobs.drop = True
            with pytest.raises(TokenRequestError, match="closed the connection"):
                async with asyncio.timeout(5):  # a second try would wait for a clock that stands still
                    await credential.fetch(None)
            assert server.count == 1

    async def test_what_a_reply_without_a_usable_token_brings_is_not_lost(self) -> None:
        async with self.made() as (credential, server):
            server.knobs.body = json.dumps({"access_token": "two\nlines"})
            with pytest.raises(TokenRequestError) as caught:
                await credential.fetch(None)
            assert caught.value.symptom is Symptom.TOKEN_CONTROL
            assert caught.value.variables == {"CODE": Secret("two\nlines")}

    def test_it_knows_its_address_apart_from_others(self) -> None:
        address = {"request": {"url": "https://auth.example/{{ ID }}?k=1", "form": {"code": "{{ CODE }}"}}}
        assert self.lineage(**address) == ("https://auth.example/{{ ID }}", Secret(self.secret))

    def test_what_is_saved_and_never_sent_makes_no_lineage(self) -> None:
        assert self.lineage(save={"OTHER": {"from": "json", "path": "x"}}) is None


def settings(**given: Any) -> HttpRequestSettings:
    return HttpRequestSettings.model_validate(
        {"kind": "http_request", "request": {"url": "https://auth.example/"}, "token": TOKEN, **given}
    )


def test_plain_http_is_refused_unless_it_is_allowed() -> None:
    request = {"url": "http://127.0.0.1/token"}
    with pytest.raises(ValidationError, match="allow_plain_http: true"):
        settings(request=request)
    assert settings(request=request, allow_plain_http=True).request.is_plain_http


def test_a_variable_that_is_nowhere_defined_is_refused_when_it_is_loaded() -> None:
    request = {"url": "https://auth.example/", "form": {"id": "{{ ID }}"}}
    with pytest.raises(ValidationError, match="the variable ID is not defined; give it a value under `variables`"):
        settings(request=request)
    with pytest.raises(ValidationError, match="a saved value needs a first one"):
        settings(request=request, save={"ID": TOKEN})
    assert settings(request=request, variables={"ID": "x"}).request.names == {"ID"}


async def test_a_timeout_may_be_configured() -> None:
    clock = FakeClock()
    endpoint = Endpoint(clock)
    async with TokenServer(clock) as server:
        server.hold()
        request = {"url": server.url, "timeout": "200ms"}
        configured = settings(request=request, allow_plain_http=True).request
        with pytest.raises(TokenRequestError) as caught:
            await endpoint.once(configured.build({}))
        assert caught.value.symptom is Symptom.TIMEOUT
        await endpoint.close()


def test_injectors_may_use_what_it_is_given_and_what_replies_bring_and_nothing_else() -> None:
    given: dict[str, Any] = {"variables": {"A": "a"}, "save": {"B": {"from": "json", "path": "b"}}}

    def injecting(value: str) -> HttpRequestSettings:
        return settings(**given, inject=[{"kind": "header", "name": "X", "value": value}])

    (injector,) = injecting("{{ A }}{{ B }}{{ TOKEN }}").injectors()
    token = Token(Secret("t"), 0.0, variables={"B": Secret("b")})
    assert injector.inject(NOTHING, token).lines == b"X: abt\r\n"
    with pytest.raises(ValidationError, match=r"inject uses the variable C, .* it has TOKEN, A, B"):
        injecting("{{ C }}")
