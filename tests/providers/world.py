"""A provider, its API, and the real Countersign before that API, with a credential and a route for each case."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import aiohttp

from tests.fakes.process import Proxy
from tests.providers.cases import CASES, FALSIFIED, PROVIDERS, Credentials, Settings, configuration
from tests.providers.clients import AWKWARD_SECRET, PASSWORD, SECRET, Identities
from tests.providers.person import consent
from tests.providers.provider import Provider

WRONG_CLIENT: Final = "-wrong-client"
WRONG_GRANT: Final = "-wrong-grant"
EXPECTED: Final = ("-wrong-", "-amiss", "-unknown", "-consent")
"""What the credentials are called of which the log may tell an error."""
SECRETS: Final = (SECRET, AWKWARD_SECRET, PASSWORD)
"""What no line of the log may hold, nor any token that a person's consent brought."""
HAS_WRONG_GRANT: Final = frozenset({"password", "refresh_token", "jwt_bearer", "token_exchange"})


class LargeProxy(Proxy):
    """One that reads a long configuration."""

    start_limit = 60.0


@dataclass(frozen=True)
class Answer:
    """What came through Countersign."""

    status: int
    document: dict[str, Any]


class World:
    """Asks through Countersign, and at the providers."""

    def __init__(self, providers: Mapping[str, Provider], proxy: Proxy, session: aiohttp.ClientSession) -> None:
        self.providers = providers
        self.proxy = proxy
        self._session = session

    async def ask(self, credential: str) -> Answer:
        """Send a plain request through Countersign to the API that the credential is for."""
        async with self._session.get(f"{self.proxy.url}/{credential}/things") as answer:
            return Answer(answer.status, await answer.json(content_type=None))

    async def forget(self, provider: str, token: str, **more: str) -> None:
        """Let the provider take a token back."""
        async with self._session.post(self.providers[provider].at.forget, data={"token": token, **more}) as answer:
            assert answer.status == 200, "the provider does not know that token"


@asynccontextmanager
async def running(identities: Identities, *names: str) -> AsyncIterator[World]:
    """Start the providers of these names, let a person consent to each client, and start Countersign."""
    async with AsyncExitStack() as stack:
        credentials: dict[str, Settings] = {}
        routes: dict[str, Settings] = {}
        given: list[Mapping[str, Any]] = []
        providers = {name: await stack.enter_async_context(PROVIDERS[name](identities)) for name in names}
        for name, provider in providers.items():
            tokens = {client: await asyncio.to_thread(consent, provider, client) for client in sorted(provider.clients)}
            given += tokens.values()
            writer = Credentials(provider, tokens, await asyncio.to_thread(consent, provider, "public"))
            written = _credentials(name, writer)
            credentials |= written
            routes |= {credential: writer.route(settings) for credential, settings in written.items()}
        session = await stack.enter_async_context(aiohttp.ClientSession())
        proxy = await stack.enter_async_context(
            LargeProxy(configuration(credentials, routes), expected_errors=EXPECTED)
        )
        yield World(providers, proxy, session)
        secrets = {*SECRETS, *(one[name] for one in given for name in ("access_token", "refresh_token"))}
        assert not [line for line in proxy.log_lines if any(secret in json.dumps(line) for secret in secrets)]


def _credentials(name: str, writer: Credentials) -> dict[str, Settings]:
    found = {f"{name}-{extra}": settings for extra, settings in writer.extras().items()}
    for case in (case for case in CASES if case.provider == name):
        found[str(case)] = writer.right(case)
        if case not in FALSIFIED:
            continue
        found[f"{case}{WRONG_CLIENT}"] = writer.wrong_client(case)
        if case.grant in HAS_WRONG_GRANT:
            found[f"{case}{WRONG_GRANT}"] = writer.wrong_grant(case)
    return found
