"""What is asked of every server: what it keeps, whether it can be written to, and how it is run."""

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, Final

from proxy.stores.redis_keys import Keys
from proxy.stores.redis_link import Link
from proxy.stores.redis_scripts import MARK_LIFE
from proxy.stores.redis_server import Server
from proxy.stores.redis_url import Place

SECTIONS: Final = ("memory", "persistence", "replication")
"""What is read of a server's INFO."""
PAGE: Final = 500
"""How many names a server looks at for one answer."""


async def keys(link: Link, names: Keys) -> AsyncIterator[str]:
    """Yield every key that has a record, once."""
    seen = set[str]()
    for server in await link.masters():
        async for name in _matching(link, server, names.records):
            key = names.key(name)
            if key is not None and key not in seen:
                seen.add(key)
                yield key


async def ping(link: Link) -> None:
    """Write something that is gone in a moment to every server that keeps records."""
    for server, name in (await link.masters()).items():
        await link.ask_server(server, ("SET", name, "", "PX", MARK_LIFE))


async def risks(link: Link, place: Place, *, has_password: bool) -> tuple[str, ...]:
    """Return a sentence for each risk; a server that would not say how it is run has none."""
    found = list(risks_of_place(place, has_password=has_password))
    for server in await link.masters():
        _, *answers = await link.ask_server(server, ("PING",), *(("INFO", section) for section in SECTIONS))
        known = facts(b"\r\n".join(answer for answer in answers if isinstance(answer, bytes)))
        found.extend(risks_of_server(str(server.address), known))
    return tuple(found)


def facts(info: bytes) -> Mapping[str, str]:
    """Return what INFO says, by name."""
    lines = (line.partition(":") for line in info.decode(errors="replace").splitlines())
    return {name: value for name, colon, value in lines if colon and not name.startswith("#")}


def has_replicas(replication: Any) -> bool:
    """Return whether that part of INFO tells of replicas; True when the server would not say."""
    return not isinstance(replication, bytes) or facts(replication).get("connected_slaves") != "0"


def risks_of_server(server: str, known: Mapping[str, str]) -> Iterator[str]:
    """Yield a sentence for each risk of a server, given what INFO says."""
    policy = known.get("maxmemory_policy", "noeviction")
    if policy != "noeviction" and known.get("maxmemory", "0") != "0":
        yield (
            f"Redis at {server} may throw records away when its memory is full (maxmemory-policy {policy}): "
            "set maxmemory-policy to noeviction."
        )
    if known.get("aof_enabled", "1") == "0" and known.get("connected_slaves", "1") == "0":
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


async def _matching(link: Link, server: Server, pattern: str) -> AsyncIterator[bytes]:
    cursor = 0
    while True:
        answer = (await link.ask_server(server, ("SCAN", cursor, "MATCH", pattern, "COUNT", PAGE)))[0]
        for name in answer[1]:
            yield name
        cursor = int(answer[0])
        if cursor == 0:
            return
