"""A workflow with a browser, through the real process: a link that a reply brought, and steps of another workflow."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp

from tests.fakes.consent_server import KEY, ConsentServer
from tests.fakes.process import Proxy, Swift
from tests.providers.sign_in_world import SEALING_KEY, SECRET, in_browser, proven
from tests.providers.visitor import Page, Visitor

CONFIG: Final = """
seal: {{keys: ['{seal}']}}
users: {{identity_secret: '{secret}', public_url: '{public}'}}
callers: {{anyone: {{kind: anonymous}}}}
credentials:
  archive:
    kind: workflow
    per_user: true
    allow_plain_http: true
    variables: {{KEY: {key}}}
    steps:
      - name: begin
        request:
          url: '{url}/link'
          json: {{key: '{{{{ KEY }}}}', user: '{{{{ USER_ID }}}}', state: '%%STATE%%', back: '%%REDIRECT_URI%%'}}
        extract: {{LINK: {{from: json, path: $.url}}}}
      - name: consent
        browser: {{open: LINK, hosts: ['{host}'], service: The Archive}}
    on_callback: redeem
    refresh:
      - name: renew
        request: {{url: '{url}/renew', json: {{renewal: '{{{{ RENEWAL }}}}'}}}}
        extract: &bring
          ACCESS_TOKEN: {{from: json, path: $.token}}
          RENEWAL: {{from: json, path: $.renewal}}
  redeem:
    kind: workflow
    variables: {{KEY: another key, SCOPE: {scope}}}
    allow_plain_http: true
    steps:
      - name: redeem
        request:
          url: '{url}/redeem'
          json: {{key: '%%KEY%%', code: '%%CODE%%', scope: '%%SCOPE%%', user: '%%USER_ID%%'}}
        extract: *bring
routes:
  archive: {{match: {{path: /archive/}}, upstream: '{url}/api', callers: [anyone], credential: archive}}
"""


@dataclass(frozen=True)
class Scene:
    """A service, the real process before it, and somebody with a browser."""

    server: ConsentServer
    proxy: Proxy
    session: aiohttp.ClientSession
    visitor: Visitor

    async def ask(self, user: str) -> tuple[int, Any]:
        """Ask on that user's behalf."""
        async with self.session.get("/archive/x", headers=proven(user)) as answer:
            return answer.status, await answer.json()

    async def sign_in(self, user: str) -> Page:
        """Go all the way."""
        _, problem = await self.ask(user)
        return await in_browser(lambda: self.visitor.follow(self.visitor.get(problem["login_url"])))


def config(server: ConsentServer, proxy: Proxy, scope: str) -> str:
    known = {"url": server.url, "host": urlsplit(server.url).netloc, "key": KEY, "scope": scope}
    return CONFIG.format(seal=SEALING_KEY, secret=SECRET, public=proxy.url, **known)


@asynccontextmanager
async def scene() -> AsyncIterator[Scene]:
    async with ConsentServer() as server:
        proxy = Swift("")
        proxy.config = config(server, proxy, "read")
        async with proxy, aiohttp.ClientSession(proxy.url) as session:
            visitor = Visitor()
            yield Scene(server, proxy, session, visitor)
            visitor.close()


async def test_a_link_from_a_reply_is_opened_and_another_workflow_makes_the_token() -> None:
    async with scene() as s:
        assert (await s.sign_in("ann")).title == "You are signed in"
        assert [path.partition("?")[2] for path in s.server.opened] == ["lang=en&x=%2Fy"]
        [redeemed] = s.server.redeemed
        assert (redeemed["key"], redeemed["scope"], redeemed["user"]) == (KEY, "read", "ann")
        status, first = await s.ask("ann")
        assert (status, first["path"]) == (200, "/api/x")
        assert (await s.ask("ben"))[0] == 403
        s.server.end_tokens()
        status, second = await s.ask("ann")
        assert (status, second["token"] != first["token"]) == (200, True)
        assert s.server.refusals == ["/api: the token is not good"]


async def test_other_steps_there_are_taken_here_from_the_next_sign_in_on_and_nobody_signs_in_anew() -> None:
    async with scene() as s:
        await s.sign_in("ann")
        s.proxy.write_config(config(s.server, s.proxy, "write"))
        await s.proxy.line_with("config_reloaded")
        assert (await s.ask("ann"))[0] == 200
        await s.sign_in("ben")
        assert [said["scope"] for said in s.server.redeemed] == ["read", "write"]


async def test_a_link_to_elsewhere_is_not_opened_and_operators_learn_where_it_leads() -> None:
    async with scene() as s:
        s.server.link = "https://evil.example/s3cret?token=s3cret"
        page = await s.sign_in("ann")
        assert (page.status, s.server.opened) == (400, [])
        assert "sends people to an address that is not known here" in page.text
        assert not any(urlsplit(url).hostname == "evil.example" for url in s.visitor.seen)
        events = (await s.proxy.admin("GET", "/api/v1/events?credential=archive"))["events"]
        assert (events[0]["event"], events[0]["reason"]) == ("sign_in_refused", "misconfigured")
        assert events[0]["detail"].endswith("evil.example is none of its `hosts`")
        assert "s3cret" not in f"{page.text} {events} {s.proxy.log_lines}"


async def test_a_trial_of_either_sends_nothing_and_says_why() -> None:
    async with scene() as s:
        tried = await s.proxy.admin("POST", "/api/v1/credentials/archive/test", json={"user": "ann"})
        assert tried["diagnosis"]["code"] == "login-required"
        lent = await s.proxy.admin("POST", "/api/v1/credentials/redeem/test")
        assert "needs the variable CODE" in lent["diagnosis"]["sentence"]
        assert (s.server.refusals, s.server.redeemed) == ([], [])
