"""Looks up what a store knows of a user, for whoever is not the running proxy: a command on the same machine, say."""

from collections.abc import Mapping, Sequence
from typing import Final

from proxy import stores
from proxy.core.clock import SystemClock
from proxy.core.seal import Seal
from proxy.core.secret import Secret
from proxy.net.runtime import Runtime
from proxy.stores.base import StoreSettings
from proxy.stores.documents import Documents
from proxy.users.registry import Registry

KEY: Final = "users"
"""What the key of pseudonyms is derived for."""


async def values_of(
    user: str, wanted: frozenset[str], store: StoreSettings, keys: Sequence[Secret]
) -> Mapping[str, Secret]:
    """Return those of the wanted variables that the user has.

    Raises:
        StoreError: the store does not say.
    """
    runtime = Runtime(SystemClock(), lambda name, error: None)
    opened = stores.KINDS[store.kind](store, runtime)
    try:
        seal = Seal(tuple(keys)) if keys else Seal.of_this_process()
        return await Registry(Documents(opened, seal), seal.derive(KEY)).person(user).values(wanted)
    finally:
        await opened.close()
        await runtime.close()
