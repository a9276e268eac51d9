"""What templates may use of a user is looked up only where the id alone will not do."""

from collections.abc import Mapping

from proxy.core.person import Person
from proxy.core.secret import Secret


class Registry:
    """Counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    async def look_up(self) -> Mapping[str, Secret]:
        self.asked += 1
        return {"USER_ID": Secret("ann"), "TENANT": Secret("acme")}


async def test_the_id_needs_no_look() -> None:
    registry = Registry()
    ann = Person("ann", "0" * 32, registry.look_up)
    assert await ann.values(frozenset({"USER_ID"})) == {"USER_ID": Secret("ann")}
    assert await ann.values(frozenset()) == {}
    assert registry.asked == 0


async def test_of_what_is_known_the_wanted_is_returned() -> None:
    ann = Person("ann", "0" * 32, Registry().look_up)
    assert await ann.values(frozenset({"TENANT", "OTHER"})) == {"TENANT": Secret("acme")}
    assert "acme" not in repr(ann)
