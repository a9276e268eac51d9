"""One source with everything around it that it needs, real but for the clock and the credential."""

from collections.abc import Callable
from typing import Any

from proxy.core.errors import FetchError, Reason
from proxy.core.rejection import Rejection
from proxy.core.seal import Seal
from proxy.core.secret import Secret
from proxy.core.token import Token
from proxy.injectors.header import Header, HeaderSettings
from proxy.net.runtime import Runtime
from proxy.stores.base import Store
from proxy.stores.memory import Memory, MemorySettings
from proxy.telemetry.events import EventLog
from proxy.telemetry.metrics import Metrics
from proxy.tokens.held import Held
from proxy.tokens.record import TokenRecord
from proxy.tokens.source import Source
from proxy.tokens.vault import Vault
from tests.fakes.clock import FakeClock
from tests.fakes.credential import ScriptedCredential

KEY = "token/billing/0123456789abcdef"
SEAL = Seal.of_this_process()
NO_CHANCE = 0.5
"""The random number that leaves a planned refresh where it is."""


def transient(retry_after: float | None = None) -> FetchError:
    """Return a failure that may be over soon."""
    return FetchError(Reason.PROVIDER_5XX, "the provider is failing", retry_after=retry_after)


def permanent() -> FetchError:
    """Return a failure that only a person can mend."""
    return FetchError(Reason.INVALID_CLIENT, "the provider does not accept the client", permanent=True)


class TokenRoom:
    """`room.source` is ready to be asked; `room.replica()` is a second process on the same store."""

    _replicas = 0

    def __init__(
        self,
        *,
        credential: Callable[[FakeClock], ScriptedCredential] = ScriptedCredential,
        lifetime: float | None = 300.0,
        store: Store | None = None,
        lineage: tuple[str, ...] | None = None,
        clock: FakeClock | None = None,
        safety_window: float | None = None,
        random: Callable[[], float] = lambda: NO_CHANCE,
        identity: str = "0123456789abcdef",
        longest_try: float = 10.0,
        seal: Seal = SEAL,
    ) -> None:
        self.clock = clock or FakeClock()
        self.reported: list[BaseException] = []
        self.runtime = Runtime(self.clock, lambda name, error: self.reported.append(error))
        self.credential = credential(self.clock)
        self.credential.lifetime = lifetime
        self.credential.lineage = lineage
        self.credential.longest_try = longest_try
        self.store = store or Memory(MemorySettings(), self.runtime)
        self.metrics = Metrics()
        self.counts = self.metrics.credential("billing")
        self.events = EventLog(self.clock)
        self.vault = Vault(self.store, seal, self.runtime, self.events)
        self.source = Source(
            "billing",
            self.credential,
            injectors=(Header(HeaderSettings(kind="header", name="Authorization", prefix="Bearer ")),),
            vault=self.vault,
            key=KEY,
            identity=identity,
            runtime=self.runtime,
            metrics=self.counts,
            events=self.events,
            rejection=Rejection(()),
            safety_window=safety_window,
            random=random,
        )

    @property
    def key(self) -> str:
        """The store's key of the source's record."""
        return KEY

    async def stored(self) -> TokenRecord | None:
        """Return what stands in the store, as somebody else who has the key reads it."""
        return await self.vault.load(KEY)

    async def plant(self, value: str, generation: int, lifetime: float = 300.0, **more: Any) -> TokenRecord:
        """Put a record into the store, as another replica would."""
        now = self.clock.now()
        token = Token(Secret(value), now, now + lifetime, generation)
        record = TokenRecord(**{"identity": self.source.identity, "generation": generation, "token": token, **more})
        return await self.vault.save(KEY, record)

    def replica(self, **more: Any) -> "TokenRoom":
        """Return another process on the same store and clock."""
        made: dict[str, Any] = {
            "lifetime": self.credential.lifetime,
            "store": self.store,
            "clock": self.clock,
            "lineage": self.credential.lineage,
            **more,
        }
        room = TokenRoom(**made)
        TokenRoom._replicas += 1
        room.credential.count = 100 * TokenRoom._replicas  # its values are told apart
        return room

    def event_names(self) -> list[str]:
        """Return what happened, oldest first."""
        return [event.event.value for event in reversed(self.events.query().events)]

    def fetches(self) -> dict[tuple[str, str], int]:
        """Return the fetches that were counted, by reason and outcome."""
        return {labels: count for labels, count in self.counts.fetches.items() if count}


def value(held: Held | None) -> str:
    """Return the value in hand."""
    assert held is not None
    return held.token.value.reveal()
