"""Logins of several steps, through the real process: a challenge that is answered, and a form with cookies."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import aiohttp

from tests.fakes.forks import said
from tests.fakes.login_server import PASSWORD, LoginServer
from tests.fakes.process import Proxy, Swift

CONFIG: Final = """
callers: {{anyone: {{kind: anonymous}}}}
credentials:
  challenge:
    kind: workflow
    save_to: upload
    allow_plain_http: true
    variables: {{PASSWORD: {password}}}
    steps:
      - name: challenge
        request: {{url: '{url}/challenge', json: {{user: integration}}}}
        extract:
          NONCE: {{from: json, path: $.nonce}}
      - name: session
        request:
          url: '{url}/session'
          json: {{nonce: '{{{{ NONCE }}}}', answer: '{{{{ NONCE | hmac_sha256(PASSWORD) }}}}'}}
        extract: &bring
          ACCESS_TOKEN: {{from: json, path: $.token}}
          REFRESH_TOKEN: {{from: json, path: $.refresh}}
          TENANT: {{from: json, path: $.tenant}}
          EXPIRES_IN: {{from: json, path: $.ttl}}
    refresh:
      - name: renew
        request: {{url: '{url}/renew', json: {{refresh_token: '%%REFRESH_TOKEN%%'}}}}
        extract: *bring
      - name: profile
        request: {{url: '{url}/mfa', headers: {{Authorization: 'Bearer {{{{ ACCESS_TOKEN }}}}'}}}}
    inject:
      - {{kind: header, name: Authorization, prefix: 'Bearer '}}
      - {{kind: header, name: X-Tenant, value: '{{{{ TENANT }}}}'}}
  upload:
    kind: workflow
    steps: []
  form:
    kind: workflow
    allow_plain_http: true
    cookies: keep
    variables: {{PASSWORD: {password}}}
    steps:
      - name: page
        request: {{method: GET, url: '{url}/app/login'}}
        extract:
          CSRF: {{from: text, pattern: 'name="csrf" value="([^"]+)"'}}
      - name: log in
        request:
          url: '{url}/app/login'
          form: {{user: integration, password: '{{{{ PASSWORD }}}}', csrf: '{{{{ CSRF }}}}'}}
        succeeds_when: {{status: 302}}
      - &token
        name: token
        request: {{method: GET, url: '{url}/app/token', headers: {{X-CSRF-Token: Fetch}}}}
        extract:
          ACCESS_TOKEN: {{from: header, name: X-CSRF-Token}}
    rejected_when: [{{status: 401}}, {{status: 403, header: 'X-CSRF-Token: Required'}}]
    inject:
      - {{kind: header, name: X-CSRF-Token}}
      - {{kind: cookies}}
routes:
  challenge: {{match: {{path: /api/}}, upstream: '{url}/api', callers: [anyone], credential: challenge}}
  upload: {{match: {{path: /up/}}, upstream: '{url}/api', callers: [anyone], credential: upload}}
  form: {{match: {{path: /odata/}}, upstream: '{url}/odata', callers: [anyone], credential: form}}
"""


@dataclass(frozen=True)
class Scene:
    """A strict server, and the real process before it."""

    server: LoginServer
    proxy: Proxy
    session: aiohttp.ClientSession

    async def get(self, path: str) -> tuple[int, Any]:
        """Ask through the proxy."""
        async with self.session.get(path) as answer:
            return answer.status, await answer.json(content_type=None)


@asynccontextmanager
async def scene() -> AsyncIterator[Scene]:
    async with LoginServer() as server:
        config = CONFIG.format(url=server.url, password=PASSWORD)
        async with (
            Swift(config) as proxy,
            aiohttp.ClientSession(proxy.url) as session,
        ):
            yield Scene(server, proxy, session)


async def test_a_challenge_is_answered_once_for_many_callers_and_refreshed_by_other_steps() -> None:
    async with scene() as s:
        assert [status for status, _ in await asyncio.gather(*(s.get("/api/x") for _ in range(20)))] == [200] * 20
        assert s.server.visits.count("POST /session") == 1
        assert {visit["X-Tenant"] for visit in s.server.api_visits} == {"acme"}
        s.server.expire()
        assert (await s.get("/api/x"))[0] == 200
        assert [visit for visit in s.server.visits if visit.startswith("POST")] == [
            *("POST /challenge", "POST /session", "POST /renew", "POST /mfa")
        ]
        assert set(s.server.refusals) == {"token not valid"}


async def test_a_session_that_is_over_is_begun_anew_within_one_request() -> None:
    async with scene() as s:
        await s.get("/api/x")
        s.server.end_sessions()
        assert (await s.get("/api/x"))[0] == 200
        assert s.server.visits[-4:] == ["POST /renew", "POST /challenge", "POST /session", "GET /api/x"]


async def test_a_failing_later_step_leaves_the_former_token_and_its_variables_and_loses_no_successor() -> None:
    async with scene() as s:
        await s.get("/api/x")
        s.server.knobs.status["/mfa"] = 503
        before = s.server.tokens[-1]
        order = "/api/v1/credentials/challenge/refresh"
        headers = {"Authorization": "Bearer an-admin-key-of-the-tests"}
        async with s.session.post(f"http://127.0.0.1:{s.proxy.admin_port}{order}", headers=headers) as answer:
            assert answer.status == 502
        assert (await s.get("/api/x"))[0] == 200
        assert s.server.api_visits[-1]["Authorization"] == f"Bearer {before}"
        s.server.knobs.status.clear()
        await s.proxy.admin("POST", order)
        assert s.server.visits.count("POST /renew") == 2
        assert s.server.visits.count("POST /session") == 1
        assert s.server.refusals == []


async def test_a_form_with_cookies_and_a_csrf_token_is_passed_and_all_of_it_goes_with_each_request() -> None:
    async with scene() as s:
        assert await s.get("/odata/x") == (200, {"path": "/odata/x"})
        assert s.server.refusals == []
        s.server.end_sessions()
        assert (await s.get("/odata/y"))[0] == 200
        assert s.server.visits.count("POST /app/login") == 2


async def test_a_credential_that_another_saves_to_has_its_token_when_a_request_needs_it_and_follows_it() -> None:
    async with scene() as s:
        assert (await s.get("/up/x"))[0] == 200
        assert s.server.visits == ["POST /challenge", "POST /session", "GET /api/x"]
        s.server.expire()
        assert (await s.get("/api/y"))[0] == 200
        assert (await s.get("/up/z"))[0] == 200
        assert s.server.visits.count("POST /session") == 1
        assert {visit["Authorization"] for visit in s.server.api_visits[1:]} == {f"Bearer {s.server.tokens[1]}"}


async def test_the_command_shows_each_step_and_no_secret() -> None:
    async with scene() as s:
        code, told, _ = await said("test", "challenge", "--config", str(s.proxy.config_file))
        assert code == 0, told
        assert s.server.visits == ["POST /challenge", "POST /session"]
        for wanted in ("challenge", "session", "/challenge", "/session", "NONCE", "TENANT"):
            assert wanted in told
        for secret in (PASSWORD, s.server.tokens[0], s.server.sessions[0].refresh_token):
            assert secret not in told
