"""A process that takes pushes of users' tokens, real but for the clock and the network; `replica()` is a second one."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, Self

import jwt

from proxy.core.person import Person
from proxy.core.secret import Secret
from proxy.credentials import KINDS
from proxy.net.endpoint import Endpoint
from proxy.net.runtime import Runtime
from proxy.stores.memory import MemorySettings
from proxy.telemetry.events import EventLog
from proxy.telemetry.metrics import Metrics
from proxy.tokens.sources import Sources, build_sources
from proxy.tokens.vault import Vault
from proxy.tokens.workshop import Workshop
from proxy.users.push import Pushes
from tests.fakes.clock import FakeClock
from tests.fakes.flaky_store import FlakyStore
from tests.fakes.token_room import SEAL, value

KEY: Final = "0123456789abcdef0123456789abcdef"
WRITTEN: Final[Mapping[str, Mapping[str, Any]]] = {
    "crm": {"kind": "user_token"},
    "erp": {"kind": "user_token", "verify": {"shape": "opaque"}},
    "shared": {"kind": "text", "value": "planted"},
}


async def unknown() -> Mapping[str, Secret]:
    return {}


ANN: Final = Person("ann", "pseudonym-of-ann", unknown)
BEN: Final = Person("ben", "pseudonym-of-ben", unknown)


class PushRoom:
    """One process."""

    def __init__(self, clock: FakeClock, store: FlakyStore, runtime: Runtime) -> None:
        self.clock, self.store, self.runtime = clock, store, runtime
        self.events = EventLog(clock)
        vault = Vault(store, SEAL, runtime, self.events)
        self.endpoint = Endpoint(clock)
        self.workshop = Workshop(self.endpoint, vault, b"0" * 32, runtime, Metrics(), self.events)
        self.sources = Sources({}, {})
        self.pushes = Pushes(lambda: self.sources, self.endpoint, runtime, self.events)

    async def load(self, written: Mapping[str, Mapping[str, Any]] = WRITTEN) -> Self:
        """Read a configuration of credentials."""
        settings = {name: KINDS[one["kind"]].Settings.model_validate(one) for name, one in written.items()}
        self.sources = await build_sources(settings, self.workshop, self.sources)
        return self

    def replica(self) -> Self:
        """Return another process on the same store and clock; it has read nothing yet."""
        return type(self)(self.clock, self.store, self.runtime)

    def token(self, user: str = "ann", **claims: Any) -> str:
        """Return a JWT of that user."""
        return jwt.encode({"sub": user, "exp": self.clock.now() + 600, **claims}, KEY, "HS256")

    async def used(self, name: str = "crm", person: Person = ANN) -> str:
        """Return the token that a request of that user gets."""
        return value(await (await self.sources.pools[name].obtain(person)).obtain())

    def told(self) -> list[tuple[str, str | None, str | None]]:
        """Return what happened, oldest first: the event, the credential and the user."""
        events = reversed(self.events.query().events)
        return [(event.event.value, event.credential, event.user) for event in events]


@asynccontextmanager
async def push_room() -> AsyncIterator[PushRoom]:
    """Yield the first process."""
    clock = FakeClock()
    runtime = Runtime(clock, lambda name, error: None)
    yield await PushRoom(clock, FlakyStore(MemorySettings(), runtime), runtime).load()
    await runtime.close()
