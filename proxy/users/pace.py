"""How often each of many has done something lately, in this process: whoever overdoes it has to wait."""

from collections import OrderedDict, deque
from ipaddress import IPv6Address, ip_address
from typing import Final

WINDOW: Final = 600.0
"""Seconds that a deed counts."""
REMEMBERED: Final = 10_000
_HOST_BITS: Final = 64
"""Of an IPv6 address: who is given one is given all that differ in these (RFC 6177)."""


class Pace:
    """Deeds by whose they are. `most`: within the window; None: as many as they like."""

    def __init__(self, most: int | None) -> None:
        self._most = most
        self._deeds: OrderedDict[str, deque[float]] = OrderedDict()

    def wait(self, who: str, now: float) -> float:
        """Count one, unless there were too many; return the seconds to wait then, else 0. `now` is monotonic."""
        if self._most is None:
            return 0.0
        deeds = self._deeds.setdefault(who, deque())
        self._deeds.move_to_end(who)
        if len(self._deeds) > REMEMBERED:
            self._deeds.popitem(last=False)
        while deeds and deeds[0] <= now - WINDOW:
            deeds.popleft()
        if len(deeds) >= self._most:
            return deeds[0] + WINDOW - now
        deeds.append(now)
        return 0.0


def neighbourhood(peer: str) -> str:
    """Return what all addresses have in common that one peer may well have; what is no address stays as it is."""
    try:
        address = ip_address(peer)
    except ValueError:
        return peer
    if not isinstance(address, IPv6Address):
        return peer
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return f"{IPv6Address(int(address) >> _HOST_BITS << _HOST_BITS)}/{_HOST_BITS}"
