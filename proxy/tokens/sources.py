"""The sources of one configuration: those whose credential did not change go on, with their token and their memory."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from proxy import credentials, injectors
from proxy.core.rejection import Rejection
from proxy.credentials.base import CredentialSettings
from proxy.net.endpoint import Endpoint
from proxy.net.runtime import Runtime
from proxy.stores.base import Store
from proxy.telemetry.events import EventLog
from proxy.telemetry.metrics import Metrics
from proxy.tokens.source import Source


@dataclass(frozen=True, slots=True)
class Workshop:
    """What sources are made with: all of it outlives a reload."""

    endpoint: Endpoint
    store: Store
    runtime: Runtime
    metrics: Metrics
    events: EventLog


@dataclass(frozen=True, slots=True)
class Sources:
    """The sources by credential name, and what each was made from."""

    settings: Mapping[str, CredentialSettings]
    by_name: Mapping[str, Source]

    def for_settings(self, name: str, settings: CredentialSettings) -> Source | None:
        """Return the source of that name if it was made from the same settings."""
        return self.by_name[name] if self.settings.get(name) == settings else None


NONE = Sources({}, {})


async def build_sources(
    settings: Mapping[str, CredentialSettings], workshop: Workshop, previous: Sources = NONE
) -> Sources:
    """Return a source for every credential; a token that is part of the configuration is ready for use."""
    by_name = {
        name: previous.for_settings(name, record) or _source(name, record, workshop)
        for name, record in settings.items()
    }
    for source in by_name.values():
        await source.prime()
    return Sources(settings, by_name)


def _source(name: str, settings: CredentialSettings, workshop: Workshop) -> Source:
    kind = credentials.KINDS[settings.kind]
    return Source(
        name,
        kind(name, settings, workshop.endpoint, workshop.runtime.clock),
        injectors=tuple(injectors.KINDS[record.kind](record) for record in settings.inject),
        store=workshop.store,
        runtime=workshop.runtime,
        metrics=workshop.metrics.credential(name),
        events=workshop.events,
        identity=secrets.token_hex(8),
        rejection=Rejection(settings.rejected_when),
        safety_window=settings.safety_window,
    )
