"""The whole configuration: its sections, each a record that stands beside the class that reads it."""

from collections.abc import Mapping
from typing import Annotated, Final

from pydantic import Field

from proxy import callers, credentials, stores
from proxy.callers.base import CallerSettings
from proxy.config.address import Address
from proxy.core.kinds import OneOf
from proxy.core.seal import SealSettings
from proxy.core.settings import Settings
from proxy.credentials.base import CredentialSettings
from proxy.gateway.settings import DrainSettings, RouteSettings
from proxy.stores.base import StoreSettings
from proxy.stores.memory import MemorySettings
from proxy.tokens.delivery import WebhookSettings
from proxy.users.settings import UsersSettings

NAME: Final = r"^[a-z0-9][a-z0-9_-]*$"
KEY_HASH: Final = r"^sha256:[0-9a-f]{64}$"

Name = Annotated[str, Field(pattern=NAME, max_length=64)]
"""What operators call a thing: it stands in metrics, logs and addresses."""

KeyHash = Annotated[str, Field(pattern=KEY_HASH)]
"""The hash of a key, as `countersign hash-key` prints it."""


AnyStore = Annotated[StoreSettings, OneOf(stores.KINDS)]
AnyCaller = Annotated[CallerSettings, OneOf(callers.KINDS)]
AnyCredential = Annotated[CredentialSettings, OneOf(credentials.KINDS)]


class ListenSettings(Settings):
    """Where Countersign listens."""

    proxy: Address = Address("127.0.0.1", 8080)
    """For callers."""
    admin: Address = Address("127.0.0.1", 8081)
    """For operators: the admin API. It opens when `admin` has keys."""
    metrics: Address = Address("127.0.0.1", 8082)
    """For monitoring: /metrics, /livez and /readyz."""
    max_connections: Annotated[int, Field(gt=0)] = 16384
    """How many callers' connections may stand at once; one more is answered `overloaded` and closed."""


class AdminSettings(Settings):
    """Who may use the admin API."""

    keys: Mapping[Name, KeyHash] = {}
    """Hashes of admin keys by the name of who holds them; `countersign hash-key` makes a key and its hash."""


class EventsSettings(Settings):
    """Who is told of events, beside the log and the admin API."""

    webhook: WebhookSettings | None = None
    """Whom to tell that a credential fails, recovers, or needs a person. None: nobody."""


class Config(Settings):
    """The configuration of one Countersign."""

    listen: ListenSettings = ListenSettings()
    """Where Countersign listens."""
    store: AnyStore = MemorySettings()
    """Where tokens are kept."""
    seal: SealSettings = SealSettings()
    """What seals everything secret that is stored."""
    admin: AdminSettings = AdminSettings()
    """Who may use the admin API."""
    drain: DrainSettings = DrainSettings()
    """How the process takes its leave after SIGTERM."""
    events: EventsSettings = EventsSettings()
    """Who is told of events."""
    users: UsersSettings | None = None
    """Who users are, and how they prove it. None: nothing is done on behalf of users."""
    callers: Mapping[Name, AnyCaller] = {}
    """Who may send requests, by name."""
    credentials: Mapping[Name, AnyCredential] = {}
    """How to get tokens and where to put them, by name."""
    routes: Mapping[Name, RouteSettings] = {}
    """Which requests go to which upstream, with which credentials, by name."""
