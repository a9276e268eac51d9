"""A credential with knobs: it fails by script, holds fetches open, and remembers what it was asked."""

import asyncio
from collections import deque
from typing import ClassVar

from proxy.core.clock import Clock
from proxy.core.errors import ProxyError
from proxy.core.secret import Secret
from proxy.core.token import Token
from proxy.credentials.base import Credential, CredentialSettings

MARKER = "planted"
"""Stands in every value that it hands out, so that a test can hunt for it."""


class ScriptedCredential(Credential):
    """Every fetch yields `planted-1`, `planted-2` and so on, unless the script says otherwise."""

    Settings = CredentialSettings
    renewable: ClassVar[bool] = True

    def __init__(self, clock: Clock, *, lifetime: float | None = 300.0) -> None:
        self._clock = clock
        self.settings = CredentialSettings(kind="scripted")
        self.lifetime = lifetime
        """Seconds that the next tokens live; None: for ever."""
        self.always: Exception | None = None
        """What every fetch raises once the script has ended."""
        self.suffix = ""
        """Stands at the end of every value."""
        self.count = 0
        """How many fetches began."""
        self.in_flight = 0
        self.most_in_flight = 0
        self.previous: list[Token | None] = []
        """What each fetch was given."""
        self.lack: ProxyError | None = None
        """What a person has to do before it can fetch."""
        self.asked_for_lack: list[Token | None] = []
        """What it was given when it was asked for that."""
        self._script: deque[Exception] = deque()
        self._open = asyncio.Event()
        self._open.set()

    def fail(self, *errors: Exception) -> None:
        """Let the next fetches raise these, one each."""
        self._script.extend(errors)

    def hold(self) -> None:
        """Let fetches begin and wait, until `release`."""
        self._open.clear()

    def release(self) -> None:
        """Let the fetches that wait end, and all later ones run through."""
        self._open.set()

    def lacks(self, previous: Token | None) -> ProxyError | None:
        """Return what was set."""
        self.asked_for_lack.append(previous)
        return self.lack

    async def fetch(self, previous: Token | None) -> Token:
        """Return a new token, or raise what the script says."""
        self.count += 1
        number = self.count
        self.previous.append(previous)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await self._open.wait()
        finally:
            self.in_flight -= 1
        error = self._script.popleft() if self._script else self.always
        if error is not None:
            raise error
        now = self._clock.now()
        expires_at = None if self.lifetime is None else now + self.lifetime
        return Token(
            Secret(f"{MARKER}-{number}{self.suffix}"),
            now,
            expires_at,
            variables={"refresh_token": Secret(f"{MARKER}-refresh-{number}")},
        )


class StaticCredential(ScriptedCredential):
    """The same, for a token that is part of the configuration."""

    renewable: ClassVar[bool] = False
