"""The sources of one configuration: those whose credential did not change go on, with their token and their memory."""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from proxy.credentials.base import CredentialSettings
from proxy.credentials.workflow import Workflow, WorkflowSettings
from proxy.tokens.identity import identity_of, lineage_of, place_of_brought
from proxy.tokens.personal import build_pool
from proxy.tokens.pool import Pool
from proxy.tokens.saving import Savings
from proxy.tokens.source import Source
from proxy.tokens.workshop import Workshop


@dataclass(frozen=True, slots=True)
class Sources:
    """The sources by credential name, and what each was made from."""

    settings: Mapping[str, CredentialSettings]
    by_name: Mapping[str, Source]
    pools: Mapping[str, Pool] = field(default_factory=dict)
    """Those of the credentials of which each user has a token of their own."""
    remembered: int = 0
    """How many users' sources each of them holds."""

    @property
    def parts(self) -> Mapping[str, Source | Pool]:
        """Return both kinds by name."""
        return {**self.by_name, **self.pools}

    def everyones(self) -> Iterator[Source]:
        """Yield every source that is here, those of users too."""
        yield from self.by_name.values()
        for pool in self.pools.values():
            yield from pool.sources()

    def same(self, name: str, identity: str) -> Source | None:
        """Return the source of that name if it was made from equal settings."""
        source = self.by_name.get(name)
        return source if source is not None and source.identity == identity else None

    def connect(self, workshop: Workshop) -> None:
        """Let what the credentials save to each other get there, now that these are the sources that count."""
        for pool in self.pools.values():
            pool.most = self.remembered
            if pool.circuit is not None:
                pool.circuit.watch()
        for name, source in self.by_name.items():
            settings = self.settings[name]
            names = settings.save_to if isinstance(settings, WorkflowSettings) else ()
            receivers = tuple(self.by_name[receiver] for receiver in names if receiver in self.by_name)
            savings = Savings(source, receivers, workshop.runtime, workshop.events)
            source.give_to(savings if receivers else None)
            for receiver in receivers:
                if isinstance(receiver.credential, Workflow):
                    receiver.credential.ask = savings.ask


NO_SOURCES: Final = Sources({}, {})


async def build_sources(
    settings: Mapping[str, CredentialSettings],
    workshop: Workshop,
    previous: Sources = NO_SOURCES,
    *,
    remembered: int = 10_000,
) -> Sources:
    """Return a source for every credential; a token that is part of the configuration is ready for use.

    Those of `previous` that go on are left as they are, for these may never come to count: see `connect`.
    """
    by_name, pools = {}, {}
    for name, record in settings.items():
        identity = identity_of(record, workshop.identity_key)
        if record.per_user:
            standing = previous.pools.get(name)
            if standing is None or standing.identity != identity:
                standing = build_pool(name, record, identity, workshop, remembered)
            pools[name] = standing
            continue
        source = previous.same(name, identity)
        if source is None:
            source = await _source(name, record, identity, workshop)
            if name in previous.by_name:
                source.follow_on(previous.by_name[name])
        by_name[name] = source
    for source in by_name.values():
        await source.prime()
    return Sources(settings, by_name, pools, remembered)


async def _source(name: str, settings: CredentialSettings, identity: str, workshop: Workshop) -> Source:
    credential = workshop.credential(name, settings)
    key = f"token/{name}/{identity}"
    if credential.brought is not None:
        key = place_of_brought(name, credential.brought, workshop.identity_key)
    elif credential.lineage is not None:  # slow on purpose; requests do not wait for it
        key = f"chain/{await asyncio.to_thread(lineage_of, credential.lineage)}"
    source = workshop.source(credential, key, identity)
    source.watch()
    return source
