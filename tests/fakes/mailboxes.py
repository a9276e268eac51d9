"""Several real proxies that share one Redis, a mail server, and users whose addresses are on file."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp

from proxy.core.clock import SystemClock
from proxy.core.seal import Seal, new_key
from proxy.core.secret import Secret
from proxy.net.runtime import Runtime
from proxy.stores.documents import Documents
from proxy.stores.redis import Redis, RedisSettings
from proxy.users.identity import user_hash
from proxy.users.registry import Registry, User
from tests.fakes.certificates import Authority
from tests.fakes.known import keep
from tests.fakes.mail_server import PASSWORD, USER, MailServer
from tests.fakes.process import Proxy
from tests.fakes.raw_server import RawServer, answer_each
from tests.fakes.redis import RedisServer

IDENTITY: Final = "0123456789abcdef0123456789abcdef"
APP: Final = "https://app.example"
CONFIG: Final = """
seal: {{keys: ['{key}']}}
users:
  identity_secret: '{secret}'
  public_url: http://127.0.0.1:{public}
  origins: [{app}, '{here}']
  verification: {{per_peer: null}}
  mail:
    host: 127.0.0.1
    port: {mail}
    ca: {ca}
    username: {user}
    password: {password}
    from: Example <no-reply@mail.example>
callers:
  anyone: {{kind: anonymous}}
credentials:
  shared: {{kind: text, value: a-shared-key}}
routes:
  billing:
    match: {{path: /billing/}}
    upstream: '{api}'
    callers: [anyone]
    credential: shared
    require: [{{kind: email_otp, valid_for: 1h}}]
  other:
    match: {{path: /other/}}
    upstream: '{api}'
    callers: [anyone]
    credential: shared
    require: [{{kind: email_otp}}]
  brief:
    match: {{path: /brief/}}
    upstream: '{api}'
    callers: [anyone]
    credential: shared
    require: [{{kind: email_otp, valid_for: 1s}}]
  one:
    match: {{path: /one/}}
    upstream: '{api}'
    callers: [anyone]
    credential: shared
    require: [{{kind: email_otp, scope: pair}}]
  two:
    match: {{path: /two/}}
    upstream: '{api}'
    callers: [anyone]
    credential: shared
    require: [{{kind: email_otp, scope: pair}}]
  free: {{match: {{path: /free/}}, upstream: '{api}', callers: [anyone], credential: shared}}
"""


def proven(user: str) -> dict[str, str]:
    """Return the headers that prove a user."""
    return {"X-Countersign-User": user, "X-Countersign-User-Hash": user_hash(user, Secret(IDENTITY))}


@dataclass
class Told:
    """What was answered."""

    status: int
    document: Any
    headers: dict[str, str] = field(repr=False)

    @property
    def code(self) -> str:
        """The code of the refusal; empty: there is none."""
        return str(self.document.get("type", "")).rpartition("/")[2] if isinstance(self.document, dict) else ""


class World:
    """Everything that there is."""

    def __init__(
        self, proxies: list[Proxy], mail: MailServer, registry: Registry, http: aiohttp.ClientSession, app: str
    ) -> None:
        self.proxies, self.mail, self.registry, self.http = proxies, mail, registry, http
        self.app = app
        """Where pages of another origin really are."""

    async def user(self, name: str, email: str | None = "") -> str:
        """Put a user on file; without an address given, it is made of the name."""
        await keep(self.registry, User(name, f"{name}@mail.example" if email == "" else email, name.title()))
        return name

    async def ask(self, user: str, route: str = "billing", *, replica: int = 0) -> Told:
        """Send a request on behalf of the user."""
        return await self._told("GET", f"/{route}/x", replica, headers=proven(user))

    async def start(self, handle: str, *, replica: int = 0, as_user: str = "") -> Told:
        """Ask for a code."""
        return await self._call("start", {"handle": handle}, replica, as_user)

    async def check(self, handle: str, code: str, *, replica: int = 0, as_user: str = "") -> Told:
        """Come with a code."""
        return await self._call("check", {"handle": handle, "code": code}, replica, as_user)

    async def handle(self, user: str, route: str = "billing") -> str:
        """Be refused, and return the handle from the refusal."""
        told = await self.ask(user, route)
        assert told.code == "verification-required", told
        return str(told.document["handle"])

    async def _call(self, verb: str, document: dict[str, str], replica: int, as_user: str) -> Told:
        headers = proven(as_user) if as_user else {}
        return await self._told("POST", f"/.countersign/verify/{verb}", replica, json=document, headers=headers)

    async def _told(self, method: str, path: str, replica: int, **options: Any) -> Told:
        async with self.http.request(method, f"{self.proxies[replica].url}{path}", **options) as answer:
            text = await answer.text()
            return Told(
                answer.status, json.loads(text) if "json" in answer.content_type else text, dict(answer.headers)
            )


@contextlib.asynccontextmanager
async def mailboxes(folder: Path, *, replicas: int = 1, **mail: Any) -> AsyncIterator[World]:
    """Run all of it."""
    authority = Authority(folder)
    key = new_key()
    clock = SystemClock()
    runtime = Runtime(clock, lambda name, error: None)
    async with contextlib.AsyncExitStack() as stack:
        redis = stack.enter_context(RedisServer())
        mailer = MailServer(context=authority.server("127.0.0.1"), login=True, **mail)
        await stack.enter_async_context(mailer)
        api = await stack.enter_async_context(RawServer(scripts=((answer_each,),)))
        app = await stack.enter_async_context(RawServer(scripts=((answer_each,),)))
        settings = {
            "here": app.url, "key": key, "secret": IDENTITY, "app": APP, "mail": mailer.port, "ca": authority.file,
            "user": USER, "password": PASSWORD, "api": api.url,
        }  # fmt: skip
        proxies: list[Proxy] = []
        for _ in range(replicas):
            errors = ("mail server", "verification_failed")
            proxy = Proxy("", store=f"{{kind: redis, url: '{redis.url}'}}", expected_errors=errors)
            proxy.config = CONFIG.format(public=(proxies or [proxy])[0].port, **settings)
            proxies.append(proxy)
        await asyncio.gather(*(stack.enter_async_context(proxy) for proxy in proxies))
        store = Redis(RedisSettings(kind="redis", url=Secret(redis.url)), runtime)
        seal = Seal([Secret(key)])
        http = await stack.enter_async_context(aiohttp.ClientSession())
        yield World(proxies, mailer, Registry(Documents(store, seal), seal.derive("users")), http, app.url)
        await store.close()
        await runtime.close()
