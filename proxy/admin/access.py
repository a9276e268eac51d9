"""Who may use the admin API: the name in the Host header, the key, and how often a wrong one may be tried."""

import hmac
import ipaddress
from collections import OrderedDict
from collections.abc import Collection, Mapping
from typing import Final

from proxy.admin.problem import HostRefusedError, LockedOutError, UnauthenticatedError
from proxy.callers.api_key import hash_key
from proxy.core.clock import Clock

TRIES: Final = 10
"""Wrong keys from one address that lock it out."""
LOCK: Final = 60.0
"""Seconds that a wrong key is remembered, and that a lock lasts."""
PEERS: Final = 1024
"""Addresses remembered; the one that was quiet the longest is forgotten first."""


def check_host(authority: str, names: Collection[str]) -> None:
    """Accept an IP address, `localhost` or one of these names, with any port.

    A page that is shown in a browser can point a name of its own at this machine, but never an address.

    Raises:
        HostRefusedError: it is another name, or none.
    """
    host = authority.rpartition("]")[0].lstrip("[") if authority.startswith("[") else authority.partition(":")[0]
    if host.lower() in {"localhost", *names}:
        return
    try:
        ipaddress.ip_address(host)
    except ValueError:
        raise HostRefusedError("use the address the admin API listens on, or localhost, in the URL") from None


def identify(authorization: str | None, keys: Mapping[str, str]) -> str | None:
    """Return the name under which the key that was sent is configured; None: it is not. Constant in time.

    Raises:
        UnauthenticatedError: no key was sent, or none is configured that could be right.
    """
    if not keys:
        raise UnauthenticatedError(
            "no admin key is configured: make one with `countersign hash-key` and put its hash under `admin: keys:`"
        )
    scheme, _, key = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        raise UnauthenticatedError("send an admin key as `Authorization: Bearer KEY`")
    if not key.isascii():
        return None
    digest = hash_key(key.strip()).encode()
    holder = None
    for name, known in keys.items():
        if hmac.compare_digest(digest, known.encode()):
            holder = name
    return holder


class Lockout:
    """Remembers who sent wrong keys. Bounded, whoever comes."""

    def __init__(self, clock: Clock) -> None:
        self._now = clock.monotonic
        self._failures: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def check(self, peer: str) -> None:
        """Let the address try.

        Raises:
            LockedOutError: it has tried often enough for now.
        """
        count, until = self._of(_network(peer))
        if count >= TRIES:
            raise LockedOutError(until - self._now())

    def failed(self, peer: str) -> bool:
        """Remember a wrong key; return True when it was the one that locks the address out."""
        network = _network(peer)
        count = self._of(network)[0] + 1
        self._failures[network] = (count, self._now() + LOCK)
        self._failures.move_to_end(network)
        if len(self._failures) > PEERS:
            self._failures.popitem(last=False)
        return count == TRIES

    def _of(self, network: str) -> tuple[int, float]:
        count, until = self._failures.get(network, (0, 0.0))
        return (count, until) if self._now() < until else (0, 0.0)


def _network(peer: str) -> str:
    # Whoever has one IPv6 address has the 2^64 of its network.
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return peer
    return str(ipaddress.ip_network((address, 64), strict=False)) if address.version == 6 else peer
