"""Providers that are not ours, each in a process of its own, with an API beside it that its tokens open.

In a test: `async with OidcProvider(identities) as provider: ... provider.at.token`. Both speak to us in the same way:
they read their setup from stdin, answer with their addresses, and end when stdin does, so none outlives the tests.
"""

import asyncio
import json
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Final, Self

import pytest

from tests.providers.clients import AWKWARD_SECRET, METHODS, RESOURCE, SECRET, USERS, Identities

ROOT: Final = Path(__file__).parents[2]
INSTALLED: Final = "tests/providers/oidc/node_modules/.package-lock.json"
MISSING: Final = "needs node and npm (Debian: apt-get install nodejs npm, macOS: brew install node)"
START: Final = 30.0
"""Seconds until a provider must have said its addresses."""


@dataclass(frozen=True)
class Addresses:
    """Where a provider is asked what."""

    issuer: str
    token: str
    authorize: str
    api: str
    """Answers 200 to a valid token and tells whose it is, else 401."""
    forget: str
    """Takes the token in the form field `token` back, and with a field `consent` its refresh token, too."""
    tokenWithCertificate: str = ""  # noqa: N815 - as the provider says it
    """The token endpoint that asks for the client's certificate; empty: there is none."""
    apiWithCertificate: str = ""  # noqa: N815 - as the provider says it


class Provider:
    """Runs while its block runs."""

    name: ClassVar[str]
    """What tests and credentials are named after."""
    command: ClassVar[tuple[str, ...]]
    clients: ClassVar[frozenset[str]]
    """Those whose proof it understands."""
    basic_secret: ClassVar[str]
    """That of the client `basic`."""
    at: Addresses

    def __init__(self, identities: Identities) -> None:
        self.identities = identities
        self._process: asyncio.subprocess.Process | None = None

    def secret(self, client: str) -> str:
        """Return the client's secret; empty: it has none."""
        secrets = {"basic": self.basic_secret, "post": AWKWARD_SECRET, "hs256": AWKWARD_SECRET}
        return secrets.get(client, "")

    @classmethod
    def is_here(cls) -> bool:
        """Return True where it can run."""
        return True

    @classmethod
    def needed(cls) -> None:
        """Skip the test where it cannot run; in CI it must."""

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            *self.command,
            cwd=ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(self._setup()).encode() + b"\n")
        async with asyncio.timeout(START):
            said = await self._process.stdout.readline()
        assert said, f"{self.name} did not begin; run {' '.join(self.command)} by hand and look at what it says"
        self.at = Addresses(**json.loads(said))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            assert self._process.stdin is not None
            self._process.stdin.close()
            await self._process.wait()

    def _setup(self) -> dict[str, Any]:
        identities = self.identities
        pair = identities.authority.issue_cert("localhost")
        return {
            "clients": [one for one in identities.clients(self.basic_secret) if one["client_id"] in self.clients],
            "users": USERS,
            "assertionKeys": {"keys": [identities.public_key(client) for client in ("rs256", "es256", "eddsa")]},
            "resource": RESOURCE,
            "tls": {
                "key": pair.private_key_pem.bytes().decode(),
                "cert": pair.cert_chain_pems[0].bytes().decode(),
                "ca": identities.authority.cert_pem.bytes().decode(),
            },
        }


class OidcProvider(Provider):
    """The package `oidc-provider` of npm."""

    name = "oidc-provider"
    command = ("node", "tests/providers/oidc/server.mjs")
    clients = frozenset(METHODS)
    basic_secret = AWKWARD_SECRET

    @classmethod
    def is_here(cls) -> bool:
        return bool(shutil.which("node") and shutil.which("npm"))

    @classmethod
    def needed(cls) -> None:
        if not cls.is_here():
            if "CI" in os.environ:
                pytest.fail(MISSING)
            pytest.skip(MISSING)

    async def __aenter__(self) -> Self:
        self.needed()
        install = await asyncio.create_subprocess_exec("make", "--silent", INSTALLED, cwd=ROOT)
        assert await install.wait() == 0
        return await super().__aenter__()


class AuthlibProvider(Provider):
    """The authorization server of Authlib; it does not decode what the header Authorization holds."""

    name = "authlib"
    command = (sys.executable, "-m", "tests.providers.authlib_server")
    clients = frozenset(METHODS) - {"ps256", "eddsa", "vouched", "registered"}
    basic_secret = SECRET
