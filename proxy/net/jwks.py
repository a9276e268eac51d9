"""An issuer's public keys, fetched from its `jwks_uri` when they are first needed and kept up with its rotations.

Theory. Nothing is fetched before a token asks for a key. A set is FRESH for as long as its reply allows; after that it
still counts, and is fetched again behind whoever uses it. A token whose key is not in the set asks for it anew, at most
every `COOLDOWN`, so that invented key ids cost the issuer nothing. A fetch that fails changes nothing: keys that were
good stay good until `LONGEST_USE`, for an issuer whose address is down has not revoked anything. All who wait share
one fetch, which belongs to none of them.
"""

import asyncio
from typing import Any, Final

from proxy.core.errors import FetchError
from proxy.core.jwt_claims import Header, KeySet
from proxy.core.message import Reply
from proxy.net.endpoint import Endpoint, EndpointRequest
from proxy.net.runtime import Runtime
from proxy.net.tls import TlsSettings

COOLDOWN: Final = 30.0
"""Seconds between two fetches that tokens with unknown keys cause."""
SHORTEST_LIFE: Final = 300.0
LONGEST_LIFE: Final = 86_400.0
DEFAULT_LIFE: Final = 3600.0
"""Seconds for which a set is fresh when its reply says nothing; what it says is kept within the two bounds."""
LONGEST_USE: Final = 7 * 86_400.0
"""Seconds after which keys that could not be fetched again no longer count."""
PATIENCE: Final = 5.0
"""Seconds that one try may take: somebody may be waiting."""


class JwksError(Exception):
    """The issuer's keys cannot be had; says why, and holds no secret."""


class Jwks:
    """The keys behind one address."""

    def __init__(self, url: str, endpoint: Endpoint, runtime: Runtime, *, tls: TlsSettings | None = None) -> None:
        self._request = EndpointRequest("GET", url, timeout=PATIENCE, tls=tls)
        self._endpoint = endpoint
        self._runtime = runtime
        self._now = runtime.clock.monotonic
        self._keys: KeySet | None = None
        self._fetched_at = 0.0
        self._fresh_until = 0.0
        self._tried_at: float | None = None
        self._fetching: asyncio.Task[str | None] | None = None

    def __repr__(self) -> str:
        return f"<Jwks {self._request.subject}: {0 if self._keys is None else len(self._keys)} keys>"

    def known(self, header: Header) -> tuple[Any, ...]:
        """Return the keys that may have signed a token with that header, as far as they are here; never waits."""
        now = self._now()
        if self._keys is None or now - self._fetched_at > LONGEST_USE:
            return ()
        if now >= self._fresh_until and self._may_try(now):
            self._fetch()
        return self._keys.find(header)

    async def find(self, header: Header) -> tuple[Any, ...]:
        """Return these keys, fetched if need be; none: the issuer has no such key.

        Raises:
            JwksError: there are no keys, and none can be had now.
        """
        if found := self.known(header):
            return found
        if self._fetching is None and not self._may_try(self._now()):
            if self._keys is None:
                raise JwksError(f"{self._request.subject} gave no keys a moment ago")
            return ()
        why = await asyncio.shield(self._fetch())
        if why is not None and not self.known(header):
            raise JwksError(why)
        return self.known(header)

    def _may_try(self, now: float) -> bool:
        return self._tried_at is None or now - self._tried_at >= COOLDOWN

    def _fetch(self) -> "asyncio.Task[str | None]":
        if self._fetching is None:
            self._tried_at = self._now()
            self._fetching = self._runtime.spawn(self._replace(), name="fetch an issuer's keys")
            self._fetching.add_done_callback(self._landed)
        return self._fetching

    def _landed(self, task: "asyncio.Task[str | None]") -> None:
        self._fetching = None

    async def _replace(self) -> str | None:
        """Fetch the set; return why that failed, or None."""
        try:
            reply = await self._endpoint.call(self._request)
        except FetchError as error:
            return str(error)
        try:
            self._keys = KeySet.parse(reply.text())
        except ValueError as error:
            return f"{self._request.subject} answered with what is no key set: {error}"
        self._fetched_at = self._now()
        self._fresh_until = self._fetched_at + _life(reply)
        return None


def _life(reply: Reply) -> float:
    return DEFAULT_LIFE if reply.max_age is None else min(max(reply.max_age, SHORTEST_LIFE), LONGEST_LIFE)
