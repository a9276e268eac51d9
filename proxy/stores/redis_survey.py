"""What is asked of every server: what it keeps, whether it can be written to, how it is run, and since when."""

from collections.abc import AsyncIterator, Iterator, Mapping
from math import inf
from typing import TYPE_CHECKING, Any, Final

from proxy.stores.base import StoreError
from proxy.stores.redis_scripts import MARK_LIFE, Keys
from proxy.stores.redis_url import Place

if TYPE_CHECKING:
    from proxy.stores.redis_link import Link

SECTIONS: Final = ("memory", "persistence", "replication")
"""What is read of a server's INFO."""
PAGE: Final = 500
"""How many names a server looks at for one answer."""


async def keys(link: "Link", names: Keys) -> AsyncIterator[str]:
    """Yield every key that has a record, once.

    Raises:
        StoreError: see `Link`; also when another server took over meanwhile, to which a cursor means something else.
    """
    seen = set[str]()
    for server in await link.names():
        async for name in _matching(link, server, names.records):
            key = names.key(name)
            if key is not None and key not in seen:
                seen.add(key)
                yield key


async def ping(link: "Link") -> None:
    """Write something that is gone in a moment to every server that keeps records."""
    for name in await link.names():
        await link.ask(name, ("SET", name, "", "PX", MARK_LIFE))


async def risks(link: "Link", place: Place, *, has_password: bool) -> tuple[str, ...]:
    """Return a sentence for each risk; a server that would not say how it is run has none."""
    found = list(risks_of_place(place, has_password=has_password))
    for name in await link.names():
        _, *answers = await link.ask(name, ("PING",), *(("INFO", section) for section in SECTIONS))
        known = {fact: value for answer in answers if isinstance(answer, dict) for fact, value in answer.items()}
        found.extend(risks_of_server(link.address(name), known))
    return tuple(found)


class Uptimes:
    """Knows the servers by their runs, for one that takes over was started long before."""

    def __init__(self) -> None:
        self._since: dict[str, float] = {}

    async def least(self, link: "Link", now: float) -> float:
        """Return for how many seconds every server has served what it keeps; inf when they would not say.

        Raises:
            StoreError: see `Link`.
        """
        least, since = inf, dict[str, float]()
        for name in await link.names():
            try:
                (facts,) = await link.ask(name, ("INFO", "server"))
            except StoreError as error:
                if getattr(error.__cause__, "code", None) in {"NOPERM", "ERR"}:
                    continue
                raise
            run = str(facts.get("run_id"))
            since[run] = self._since.get(run, now if self._since else -inf)
            least = min(least, float(facts.get("uptime_in_seconds", inf)), now - since[run])
        self._since = since or self._since
        return least


def has_replicas(replication: Any) -> bool:
    """Return whether that part of INFO tells of replicas; True when the server would not say."""
    return not isinstance(replication, dict) or replication.get("connected_slaves") != 0


def risks_of_server(server: str, known: Mapping[str, Any]) -> Iterator[str]:
    """Yield a sentence for each risk of a server, given what INFO says."""
    policy = known.get("maxmemory_policy", "noeviction")
    if policy != "noeviction" and known.get("maxmemory", 0) != 0:
        yield (
            f"Redis at {server} may throw records away when its memory is full (maxmemory-policy {policy}): "
            "set maxmemory-policy to noeviction."
        )
    if known.get("aof_enabled", 1) == 0 and known.get("connected_slaves", 1) == 0:
        yield (
            f"Redis at {server} has no append-only file and no replica: a restart may lose refresh tokens that cannot "
            "be had again; set appendonly to yes, or give it a replica."
        )


def risks_of_place(place: Place, *, has_password: bool) -> Iterator[str]:
    """Yield a sentence for each risk of the way there."""
    far = next((address for address in place.addresses if not address.is_near), None)
    if far is None:
        return
    if not place.tls:
        yield f"What is said to Redis at {far} can be read and changed on its way: use TLS, {_secured(place)}."
    if not has_password:
        yield f"Redis at {far} is used without a password: give it a user of its own, and set store.password."


def _secured(place: Place) -> str:
    return "rediss://" if place.topology == "server" else f"rediss+{place.topology}://"


async def _matching(link: "Link", server: str, pattern: str) -> AsyncIterator[bytes]:
    cursor, run = 0, None
    while True:
        (cursor, names), facts = await link.ask(
            server, ("SCAN", cursor, "MATCH", pattern, "COUNT", PAGE), ("INFO", "server")
        )
        now = facts.get("run_id") if isinstance(facts, dict) else None
        if run not in {None, now}:
            raise StoreError(f"another Redis took over at {link.address(server)} while its records were listed; repeat")
        run = now
        for name in names:
            yield name
        if cursor == 0:
            return
