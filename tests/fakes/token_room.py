"""One source with everything around it that it needs, real but for the clock and the credential."""

from collections.abc import Callable

from proxy.core.errors import FetchError, Reason
from proxy.core.rejection import Rejection
from proxy.injectors.header import Header, HeaderSettings
from proxy.net.runtime import Runtime
from proxy.stores.base import Store
from proxy.stores.memory import Memory, MemorySettings
from proxy.telemetry.events import EventLog
from proxy.telemetry.metrics import Metrics
from proxy.tokens.held import Held
from proxy.tokens.source import Source
from tests.fakes.clock import FakeClock
from tests.fakes.credential import ScriptedCredential

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

    def __init__(
        self,
        *,
        credential: Callable[[FakeClock], ScriptedCredential] = ScriptedCredential,
        lifetime: float | None = 300.0,
        store: Store | None = None,
        clock: FakeClock | None = None,
        safety_window: float | None = None,
        random: Callable[[], float] = lambda: NO_CHANCE,
    ) -> None:
        self.clock = clock or FakeClock()
        self.reported: list[BaseException] = []
        self.runtime = Runtime(self.clock, lambda name, error: self.reported.append(error))
        self.credential = credential(self.clock)
        self.credential.lifetime = lifetime
        self.store = store or Memory(MemorySettings(), self.runtime)
        self.metrics = Metrics()
        self.counts = self.metrics.credential("billing")
        self.events = EventLog(self.clock)
        self.source = Source(
            "billing",
            self.credential,
            injectors=(Header(HeaderSettings(kind="header", name="Authorization", prefix="Bearer ")),),
            store=self.store,
            runtime=self.runtime,
            metrics=self.counts,
            events=self.events,
            identity="0123456789abcdef",
            rejection=Rejection(()),
            safety_window=safety_window,
            random=random,
        )

    @property
    def key(self) -> str:
        """The store's key of the source's token."""
        return f"token/{self.source.name}/{self.source.identity}"

    def replica(self) -> "TokenRoom":
        """Return another process on the same store and clock."""
        room = TokenRoom(lifetime=self.credential.lifetime, store=self.store, clock=self.clock)
        room.credential.count = 100  # its values are told apart
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
