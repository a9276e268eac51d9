"""Which member of a cluster has a key: the map of its slots, learned from the members and corrected by them."""

from binascii import crc_hqx
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final

from proxy.stores.redis_faults import GoneError, RefusedError
from proxy.stores.redis_places import Places, first_answer
from proxy.stores.redis_server import Server
from proxy.stores.redis_url import Address, Place
from proxy.stores.redis_wire import Dialing

SLOTS: Final = 16384


class Cluster(Places):
    """The member that has the key's slot, as the cluster's members know it."""

    def __init__(self, place: Place, timeout: float, dialing: Dialing, probe: Callable[[int], str]) -> None:
        super().__init__(place, timeout, dialing, probe)
        self._map: dict[int, Address] = {}

    async def of(self, name: str) -> Server:
        """Return the member that has the slot of that name."""
        slot = slot_of(name)
        async with self._learning:
            if slot not in self._map:
                await self._learn()
        if slot not in self._map:
            raise RefusedError("CLUSTERDOWN", "nobody has that slot")
        return self.at(self._map[slot])

    async def masters(self) -> Mapping[Server, str]:
        """Return every member that has slots, each with a name that falls to it."""
        await self.of(self._probe(0))
        wanted = set(self._map.values())
        found: dict[Server, str] = {}
        for number in range(SLOTS):
            name = self._probe(number)
            if (address := self._map.get(slot_of(name))) in wanted:
                found[self.at(address)] = name
                wanted.discard(address)
        return found

    def moved(self, refused: RefusedError, asked: Server) -> None:
        """Learn where a slot is now."""
        slot, address = slot_and_address(refused, asked)
        self._map[slot] = address

    async def forget(self, server: Server | None) -> None:
        """Look at the map again before the next call."""
        await super().forget(server)
        if server is None or server.address in self._map.values():
            self._map = {}
            self._first.rotate(-1)

    async def _learn(self) -> None:
        known = deque([*self._first, *sorted(self._servers.keys() - set(self._first))])
        self._map = await first_answer(known, self.at, ("CLUSTER", "SLOTS"), self._share, _read_map) or {}
        for address in self._servers.keys() - set(self._first) - set(self._map.values()):
            await self._servers.pop(address).drop()


def _read_map(answer: Any, asked: Address) -> dict[int, Address] | None:
    found = {}
    for first, last, master, *_ in answer:
        address = Address(master[0].decode() if master[0] else asked.host, int(master[1]))
        found.update(dict.fromkeys(range(first, last + 1), address))
    return found or None


def slot_of(name: str) -> int:
    """Return the slot of what has that name: the CRC16 (XMODEM) of its braces' content, or of all of it."""
    key = name.encode()
    start = key.find(b"{")
    end = key.find(b"}", start + 1)
    if start >= 0 and end > start + 1:
        key = key[start + 1 : end]
    return crc_hqx(key, 0) % SLOTS


def slot_and_address(error: RefusedError, asked: Server) -> tuple[int, Address]:
    """Return what a MOVED or an ASK says: "3999 host:port", with no host for the one that was asked.

    Raises:
        GoneError: it does not.
    """
    slot, _, where = error.text.rpartition(" ")
    host, _, port = where.rpartition(":")
    try:
        return int(slot.rpartition(" ")[2]), Address(host or asked.address.host, int(port))
    except ValueError:
        raise GoneError("moves our keys, but does not say where to") from None
