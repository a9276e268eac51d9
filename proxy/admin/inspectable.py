"""What the admin API needs of the running process."""

from collections.abc import Mapping
from typing import Protocol

from proxy.admin.health import Health
from proxy.core.clock import Clock
from proxy.gateway.graph import Graph
from proxy.net.endpoint import Endpoint
from proxy.telemetry.events import EventLog
from proxy.telemetry.metrics import Metrics
from proxy.tokens.sources import Sources


class Inspectable(Protocol):
    """The running process as operators see it. Everything is read anew at each request: reloads change it."""

    started_at: float
    clock: Clock
    health: Health
    endpoint: Endpoint
    metrics: Metrics
    events: EventLog
    sources: Sources
    graph: Graph

    @property
    def store_kind(self) -> str:
        """The kind of the token store."""

    @property
    def admin_keys(self) -> Mapping[str, str]:
        """Hashes of the admin keys, by the name of who holds them."""

    @property
    def admin_host(self) -> str:
        """The name or address that the admin listener is configured with."""
