"""Stores keep tokens. The family's table; a kind is made as `Kind(settings, runtime)`."""

from proxy.core.kinds import Table
from proxy.stores.base import Store
from proxy.stores.memory import Memory
from proxy.stores.redis import Redis
from proxy.stores.sqlite import Sqlite

KINDS: Table[type[Store]] = Table("proxy.stores", {"memory": Memory, "sqlite": Sqlite, "redis": Redis})
