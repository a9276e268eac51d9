"""A user as credentials see them: an id that was proved, and what templates may use of what is known of them."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from proxy.core.secret import Secret

USER_ID: Final = "USER_ID"
GIVEN: Final = frozenset({USER_ID, "USER_EMAIL", "USER_NAME"})
"""Variables that every user has, under names that are taken."""


@dataclass(frozen=True, slots=True)
class Person:
    """One user, on whose behalf a request is made."""

    id: str
    pseudonym: str
    """Stands for the id in the store's keys and in logs."""
    look_up: Callable[[], Awaitable[Mapping[str, Secret]]] = field(repr=False)
    """Returns everything that is known of the user, by the names of variables. May raise StoreError."""

    async def values(self, wanted: frozenset[str]) -> Mapping[str, Secret]:
        """Return those of the wanted variables that there are. Asks the store only if the id alone will not do."""
        if wanted <= {USER_ID}:
            return {USER_ID: Secret(self.id)} if wanted else {}
        known = await self.look_up()
        return {name: known[name] for name in wanted if name in known}
