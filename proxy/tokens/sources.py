"""The sources of one configuration: those whose credential did not change go on, with their token and their memory."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from proxy import credentials
from proxy.core.rejection import Rejection
from proxy.credentials.base import CredentialSettings
from proxy.net.endpoint import Endpoint
from proxy.net.runtime import Runtime
from proxy.telemetry.events import EventLog
from proxy.telemetry.metrics import Metrics
from proxy.tokens.identity import identity_of, lineage_of
from proxy.tokens.source import Source
from proxy.tokens.vault import Vault


@dataclass(frozen=True, slots=True)
class Workshop:
    """What sources are made with: all of it outlives a reload."""

    endpoint: Endpoint
    vault: Vault
    identity_key: bytes
    """The same in every process that shares the store, and nobody else's."""
    runtime: Runtime
    metrics: Metrics
    events: EventLog


@dataclass(frozen=True, slots=True)
class Sources:
    """The sources by credential name, and what each was made from."""

    settings: Mapping[str, CredentialSettings]
    by_name: Mapping[str, Source]

    def same(self, name: str, identity: str) -> Source | None:
        """Return the source of that name if it was made from equal settings."""
        source = self.by_name.get(name)
        return source if source is not None and source.identity == identity else None


NO_SOURCES: Final = Sources({}, {})


async def build_sources(
    settings: Mapping[str, CredentialSettings], workshop: Workshop, previous: Sources = NO_SOURCES
) -> Sources:
    """Return a source for every credential; a token that is part of the configuration is ready for use."""
    by_name = {}
    for name, record in settings.items():
        identity = identity_of(record, workshop.identity_key)
        source = previous.same(name, identity)
        if source is None:
            source = await _source(name, record, identity, workshop)
            if name in previous.by_name:
                source.follow_on(previous.by_name[name])
        by_name[name] = source
    for source in by_name.values():
        await source.prime()
    return Sources(settings, by_name)


async def _source(name: str, settings: CredentialSettings, identity: str, workshop: Workshop) -> Source:
    kind = credentials.KINDS[settings.kind]
    credential = kind(name, settings, workshop.endpoint, workshop.runtime.clock)
    key = f"token/{name}/{identity}"
    if credential.lineage is not None:  # slow on purpose; requests do not wait for it
        key = f"chain/{await asyncio.to_thread(lineage_of, credential.lineage)}"
    return Source(
        name,
        credential,
        injectors=settings.injectors(),
        vault=workshop.vault,
        key=key,
        runtime=workshop.runtime,
        metrics=workshop.metrics.credential(name),
        events=workshop.events,
        identity=identity,
        rejection=Rejection(settings.rejected_when),
        safety_window=settings.safety_window,
    )
