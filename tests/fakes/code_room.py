"""Everything that codes need, real but for the clock, in one process: a store, users, and a counter before a server."""

from types import TracebackType
from typing import Any, Self

from proxy.core.person import Person
from proxy.core.seal import Seal
from proxy.net.runtime import Runtime
from proxy.stores.base import Record, Store, StoreError
from proxy.stores.documents import Documents
from proxy.stores.memory import Memory, MemorySettings
from proxy.telemetry.events import EventLog
from proxy.telemetry.metrics import Metrics
from proxy.users.counter import Counter
from proxy.users.mail import MailSettings
from proxy.users.registry import Registry, User
from proxy.users.settings import UsersSettings
from proxy.users.verification import Verifications
from proxy.users.verify import Verify
from tests.fakes.clock import FakeClock
from tests.fakes.known import keep
from tests.fakes.mail_server import MailServer

SEAL = Seal.of_this_process()
APP = "https://app.example"
OWN = "https://proxy.example"


class CountedMemory(Memory):
    """Counts how often it is asked, and can be away."""

    def __init__(self, settings: MemorySettings, runtime: Runtime) -> None:
        super().__init__(settings, runtime)
        self.loads = 0
        self.is_away = False

    async def load(self, key: str) -> Record | None:
        self.loads += 1
        if self.is_away:
            raise StoreError("away")
        return await super().load(key)


class CodeRoom:
    """`room.counter` sends letters to `room.mail`; `room.verify` is the desk before it."""

    def __init__(self, *, store: Store | None = None, per_peer: int | None = 100) -> None:
        self.clock = FakeClock()
        self.reported: list[BaseException] = []
        self.runtime = Runtime(self.clock, lambda name, error: self.reported.append(error))
        self.memory = CountedMemory(MemorySettings(), self.runtime)
        self.store: Store = store or self.memory
        self.documents = Documents(self.store, SEAL)
        self.registry = Registry(self.documents, b"key")
        self.verifications = self.replica()
        self.events = EventLog(self.clock)
        self.metrics = Metrics()
        self.mail = MailServer()
        self.per_peer = per_peer

    async def __aenter__(self) -> Self:
        await self.mail.start()
        self.settings = UsersSettings.model_validate(
            {
                "origins": [APP],
                "public_url": OWN,
                "mail": {"host": "127.0.0.1", "port": self.mail.port, "tls": "none", "from": "a@mail.example"},
            }
        )
        assert isinstance(self.settings.mail, MailSettings)
        self.counter = Counter(
            self.settings.mail,
            self.per_peer,
            verifications=self.verifications,
            runtime=self.runtime,
            events=self.events,
            metrics=self.metrics,
        )
        self.verify = Verify(self.settings, self.verifications, self.counter, self.prove)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.runtime.close()
        await self.mail.stop()
        assert self.reported == []

    def replica(self) -> Verifications:
        """Return another process's view of the same store."""
        return Verifications(self.documents, self.registry, SEAL, self.clock, self.store.listen)

    async def prove(self, head: Any) -> str | None:
        """Take the header `X-Proven` for a proof."""
        proven: str | None = head.fields.get("X-Proven")
        return proven

    async def user(self, name: str, email: str | None = "") -> Person:
        """Put a user on file; without an address given, it is made of the name."""
        await keep(self.registry, User(name, f"{name}@mail.example" if email == "" else email))
        return self.registry.person(name)

    def told(self) -> list[tuple[str, str | None]]:
        """Return what happened, oldest first, with the reasons."""
        return [(event.event.value, event.reason) for event in reversed(self.events.query().events)]

    def counted(self) -> dict[str, int]:
        """Return what was counted."""
        return {outcome: count for outcome, count in self.metrics._verifications.items() if count}
