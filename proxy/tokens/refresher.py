"""Replaces one token: asks the store whether somebody has done it already, else the credential, and saves before use.

Theory. The refresher holds no token itself. The store's lock makes it one replacement per fleet; a store that does not
answer costs that, and nothing else: what it does not give is a miss, what it does not take is used all the same. A
generation is one more than every one that is known here or stored, and of two tokens the newer generation wins.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from enum import Enum

from proxy.core.clock import Clock
from proxy.core.errors import FetchError, Reason
from proxy.core.symptom import Symptom, TokenRequestError
from proxy.core.token import Token
from proxy.credentials.base import Credential
from proxy.stores.base import Lease, Store, StoreError
from proxy.telemetry.counts import FETCH_SUCCEEDED, CredentialMetrics
from proxy.tokens.held import Held


class Trigger(Enum):
    """Why a token is replaced."""

    FIRST = "first"
    STALE = "stale"
    EXPIRED = "expired"
    REJECTED = "rejected"
    FORCED = "forced"


@dataclass(frozen=True, slots=True)
class Known:
    """What the source knows when it asks for a replacement."""

    token: Token | None
    """The last token, whatever its age: the next fetch may need what it carries."""
    generation: int
    """The newest generation it ever held; what it takes must be newer."""


@dataclass(frozen=True, slots=True)
class Replacement:
    """A token that is saved and ready for use."""

    held: Held
    fetched: bool
    """False: somebody else had fetched it, the store had it."""


class Refresher:
    """One credential's way to its next token. `render` makes a token ready for use, or raises FetchError."""

    def __init__(
        self,
        credential: Credential,
        store: Store,
        key: str,
        *,
        render: Callable[[Token], Held],
        clock: Clock,
        metrics: CredentialMetrics,
    ) -> None:
        self._credential = credential
        self._store = store
        self._key = key
        self._render = render
        self._clock = clock
        self._metrics = metrics
        self._retired = False

    def __repr__(self) -> str:
        return f"<Refresher {self._key}>"

    async def replace(self, known: Known, trigger: Trigger) -> Replacement:
        """Return the next token.

        Raises:
            FetchError: there is none, and why.
        """
        if not self._credential.renewable:  # the token is part of the configuration: nobody else has a newer one
            return Replacement(await self._fetch(None, known.generation + 1, trigger), fetched=True)
        async with self._alone() as lease:
            stored = await self._load()
            taken = self._take(stored, known.generation) if trigger is not Trigger.FORCED else None
            if taken is not None:
                return Replacement(taken, fetched=False)
            if stored is not None and trigger is Trigger.REJECTED:
                await self._expire(stored)
            previous = _newest(stored, known.token)
            generation = 1 + max(known.generation, previous.generation if previous is not None else 0)
            held = await self._fetch(previous, generation, trigger)
            return Replacement(await self._keep(held, lease), fetched=True)

    async def revoke(self, generation: int) -> None:
        """Forget what is stored up to that generation.

        Raises:
            StoreError: it may still be there.
        """
        async with self._store.lock(self._key):
            await self._store.drop(self._key, generation)

    def retire(self) -> None:
        """Leave nothing behind in a store that is this process's own, now and after each replacement to come."""
        self._retired = True
        self._store.abandon(self._key)

    async def _fetch(self, previous: Token | None, generation: int, trigger: Trigger) -> Held:
        began = self._clock.monotonic()
        outcome = Reason.INTERNAL.value
        try:
            token = await self._credential.fetch(previous)
            self._must_be_alive(token)
            held = self._render(replace(token, generation=generation))
            outcome = FETCH_SUCCEEDED
        except FetchError as error:
            outcome = error.reason.value
            raise
        finally:
            self._metrics.fetched(trigger.value, outcome, self._clock.monotonic() - began)
        return held

    def _must_be_alive(self, token: Token) -> None:
        if token.expires_at is not None and token.expires_at <= self._clock.now():
            raise TokenRequestError(Symptom.EXPIRY_WRONG, "the token had expired when it arrived")

    def _take(self, stored: Token | None, than: int) -> Held | None:
        """Return the stored token if it is newer and good, so that no fetch is needed."""
        if stored is None or stored.generation <= than:
            return None
        with suppress(FetchError):
            held = self._render(stored)
            if self._clock.now() < held.expires_at:
                return held
        return None

    async def _keep(self, held: Held, lease: Lease | None) -> Held:
        """Save the token, and return the one to use: it, or a newer one that somebody else saved meanwhile."""
        generation = held.token.generation
        if lease is not None and not lease.is_held:
            # We were paused, and another may have gone ahead: of one generation, the one that is stored first stands.
            taken = self._take(await self._load(), generation - 1)
            if taken is not None:
                return taken
        standing = await self._save(held.token)
        return self._take(standing, generation) or held

    async def _expire(self, rejected: Token) -> None:
        """Let nobody else begin with a token that was rejected, but keep what the next fetch may need of it."""
        now = self._clock.now()
        if rejected.expires_at is None or now < rejected.expires_at:
            await self._save(replace(rejected, expires_at=now))

    async def _load(self) -> Token | None:
        with suppress(StoreError):
            return await self._store.load(self._key)
        return None

    async def _save(self, token: Token) -> Token:
        with suppress(StoreError):
            return await self._store.save(self._key, token)
        return token

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[Lease | None]:
        """Hold the fleet's lock; None when the store cannot give it."""
        began = self._clock.monotonic()
        stack = AsyncExitStack()
        lease = None
        with suppress(StoreError):
            lease = await stack.enter_async_context(self._store.lock(self._key))
        self._metrics.lock_wait(self._clock.monotonic() - began)
        try:
            yield lease
        finally:
            if self._retired:
                self._store.abandon(self._key)
            with suppress(StoreError):
                await stack.aclose()


def _newest(*tokens: Token | None) -> Token | None:
    return max((token for token in tokens if token is not None), key=lambda token: token.generation, default=None)
