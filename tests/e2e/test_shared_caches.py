"""A cache that stands in front of the proxy and is shared by all gives nobody what is another user's."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest
import pytest_asyncio

from proxy.core.secret import Secret
from proxy.users.identity import user_hash
from tests.fakes import nginx
from tests.fakes.caching_nginx import CachingNginx
from tests.fakes.mail_server import MailServer
from tests.fakes.process import Proxy, Swift
from tests.fakes.raw_server import Link, RawServer
from tests.fakes.token_server import TokenServer

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(nginx.BINARY is None, reason=nginx.MISSING),
]

SECRET: Final = "0123456789abcdef0123456789abcdef"
CONFIG: Final = """
users:
  identity_secret: '{secret}'
  public_url: http://127.0.0.1:1
  mail: {{host: 127.0.0.1, port: {mail}, tls: none, from: a@mail.example}}
callers:
  anyone: {{kind: anonymous}}
credentials:
  shared: {{kind: text, value: a-shared-key}}
  own:
    kind: http_request
    per_user: true
    allow_plain_http: true
    request: {{url: '{issuer}', form: {{user: '{{{{ USER_ID }}}}'}}}}
    token: {{from: json, path: access_token}}
routes:
  free: {{match: {{path: /free/}}, upstream: '{api}', callers: [anyone], credential: shared}}
  own: {{match: {{path: /own/}}, upstream: '{api}', callers: [anyone], credential: own}}
  verified:
    match: {{path: /verified/}}
    upstream: '{api}'
    callers: [anyone]
    credential: shared
    require: [{{kind: email_otp}}]
"""
SAID: Final = {
    "nothing": "",
    "public": "Cache-Control: public, max-age=600\r\n",
    "expires": "Expires: Thu, 01 Jan 2099 00:00:00 GMT\r\n",
    "accel": "X-Accel-Expires: 600\r\n",
    "accel-and-private": "Cache-Control: private\r\nx-accel-expires: 600\r\n",
    "accel-and-no-store": "X-Accel-Expires: @4070908800\r\nCache-Control: no-store\r\n",
}
"""What the API says of caches, by the name of the path."""


async def numbered(link: Link) -> None:
    """Answer each request with its number, and with what its path says of caches."""
    number = 0
    while True:
        number += 1
        await link.until(lambda: len(link.requests) >= number)  # noqa: B023 - it is awaited before the number grows
        said = SAID[link.requests[-1].target.decode().rsplit("/", 1)[-1]]
        body = json.dumps({"link": id(link), "number": number})
        await link.send(f"HTTP/1.1 200 OK\r\n{said}Content-Length: {len(body)}\r\n\r\n{body}".encode())


class World:
    """What callers see from in front of the cache."""

    def __init__(self, cache: CachingNginx, proxy: Proxy, mail: MailServer, http: aiohttp.ClientSession) -> None:
        self.cache, self.proxy, self.mail, self.http = cache, proxy, mail, http

    async def get(self, path: str, user: str = "") -> tuple[int, Any, str]:
        """Return the status, the document, and whether the cache had it."""
        proof = {"X-Countersign-User": user, "X-Countersign-User-Hash": user_hash(user, Secret(SECRET))}
        async with self.http.get(f"{self.cache.url}{path}", headers=proof if user else {}) as answer:
            return answer.status, await answer.json(content_type=None), answer.headers["X-Cache"]

    async def verify(self, user: str) -> None:
        """Put the user on file, and have them type their code."""
        await self.proxy.admin("PUT", f"/api/v1/users/{user}", json={"email": f"{user}@mail.example"})
        status, refusal, _ = await self.get(f"/verified/{user}", user)
        assert (status, refusal["type"].rpartition("/")[2]) == (403, "verification-required")
        said = {"handle": refusal["handle"]}
        there = f"{self.proxy.url}/.countersign/verify"
        async with self.http.post(f"{there}/start", json=said) as answer:
            assert answer.status == 202
        code = await self.mail.code_for(f"{user}@mail.example")
        async with self.http.post(f"{there}/check", json={**said, "code": code}) as answer:
            assert answer.status == 200


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    prefix: Path = tmp_path_factory.mktemp("cache")
    async with (
        TokenServer() as issuer,
        RawServer(scripts=((numbered,),)) as api,
        MailServer() as mail,
        Swift(CONFIG.format(secret=SECRET, issuer=issuer.url, api=api.url, mail=mail.port)) as proxy,
        CachingNginx(prefix, proxy.url) as cache,
        aiohttp.ClientSession() as http,
    ):
        yield World(cache, proxy, mail, http)


@pytest.mark.parametrize("said", ["nothing", "public", "expires", "accel"])
async def test_the_cache_keeps_what_is_everybodys(world: World, said: str) -> None:
    first, second = await world.get(f"/free/{said}"), await world.get(f"/free/{said}")
    assert (first[2], second) == ("MISS", (200, first[1], "HIT"))


@pytest.mark.parametrize("said", SAID)
async def test_no_answer_to_one_user_is_given_to_another(world: World, said: str) -> None:
    answers = [await world.get(f"/own/{said}", user) for user in ("ann", "ben", "ann")]
    assert [(status, cached) for status, _, cached in answers] == [(200, "MISS")] * 3
    assert len({str(document) for _, document, _ in answers}) == 3
    assert (await world.get(f"/own/{said}"))[0] == 400


@pytest.mark.parametrize("said", SAID)
async def test_what_only_verified_users_get_is_given_to_nobody_else(world: World, said: str) -> None:
    user = f"user-{said}"
    await world.verify(user)
    assert [(await world.get(f"/verified/{said}", user))[::2] for _ in range(2)] == [(200, "MISS")] * 2
    for other, status in (("eve", 403), ("", 400)):
        assert (await world.get(f"/verified/{said}", other))[::2] == (status, "MISS")
