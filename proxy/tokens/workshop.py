"""What sources are made with: all of it outlives a reload."""

from dataclasses import dataclass

from proxy import credentials
from proxy.credentials.base import Credential, CredentialSettings
from proxy.net.endpoint import Endpoint
from proxy.net.runtime import Runtime
from proxy.telemetry.events import EventLog
from proxy.telemetry.metrics import Metrics
from proxy.tokens.circuit import Circuit
from proxy.tokens.source import Source
from proxy.tokens.vault import Vault


@dataclass(frozen=True, slots=True)
class Workshop:
    """One per process."""

    endpoint: Endpoint
    vault: Vault
    identity_key: bytes
    """The same in every process that shares the store, and nobody else's."""
    runtime: Runtime
    metrics: Metrics
    events: EventLog

    def credential(self, name: str, settings: CredentialSettings) -> Credential:
        """Return the credential that these settings describe."""
        return credentials.KINDS[settings.kind](name, settings, self.endpoint, self.runtime.clock)

    def circuit(self, name: str) -> Circuit:
        """Return a circuit for all users of that credential to share."""
        return Circuit(
            name, self.metrics.credential(name), clock=self.runtime.clock, events=self.events, is_shared=True
        )

    def source(self, credential: Credential, key: str, identity: str, circuit: Circuit | None = None) -> Source:
        """Return that credential at work; `key` is that of its record in the store, `circuit` one that others share."""
        return Source(
            credential.name,
            credential,
            injectors=credential.injectors,
            vault=self.vault,
            key=key,
            runtime=self.runtime,
            metrics=self.metrics.credential(credential.name),
            events=self.events,
            identity=identity,
            rejection=credential.rejection,
            safety_window=credential.settings.safety_window,
            circuit=circuit,
        )
