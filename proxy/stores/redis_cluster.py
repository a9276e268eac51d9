"""The client (redis-py's) of a cluster: the member that has a key's slot is asked, wherever the slot was moved.

Theory. Of that client we use its map and its nodes, each with a pool. Its own `execute_command` would first read the
description of all commands, which holds a process up for long, would send ASKING on another connection than the
question, and would close all connections and sleep when the cluster is down.
"""

from binascii import crc_hqx
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from itertools import count
from random import choice
from typing import Any, Final

from redis.asyncio import BlockingConnectionPool, Connection, Redis, RedisCluster, SSLConnection
from redis.asyncio.cluster import ClusterNode, PipelineCommand
from redis.exceptions import AskError, MovedError

from proxy.stores.redis_client import SHARE, Login
from proxy.stores.redis_faults import TROUBLE, UNSETTLED, GoneError, RefusedError, understood
from proxy.stores.redis_scripts import Command
from proxy.stores.redis_url import Place

MOST_MOVES: Final = 5
"""How often within one question a cluster may point elsewhere."""
SLOTS: Final = 16384
_END: Final = 1000
"""So many ends a name is tried with at once."""


class Cluster:
    """What goes wrong is a GoneError, RefusedError or TimeoutError, see `redis_faults.understood`."""

    def __init__(self, place: Place, login: Login) -> None:
        self._login = login
        nodes = [ClusterNode(address.host, address.port) for address in place.addresses]
        options = login.options() | {"max_connections": 2 * login.connections}  # one that is being closed counts too
        self._cluster = RedisCluster(
            startup_nodes=nodes, require_full_coverage=False, ssl=login.tls is not None, **options
        )
        self._map = self._cluster.nodes_manager
        self._map.connection_kwargs["connection_class"] = login.kind(Connection, SSLConnection)
        for node in self._map.startup_nodes.values():
            node.connection_class = self._map.connection_kwargs["connection_class"]
            node.connection_kwargs |= login.options(1 / SHARE)

    async def of(self, name: str) -> ClusterNode:
        """Return the member that has the slot of that name."""
        try:
            if not self._map.slots_cache:
                await self._map.initialize()
            return self._node(name)
        except TROUBLE as error:
            raise understood(error) from None

    async def ask(self, where: ClusterNode, commands: Sequence[Command]) -> list[Any]:
        """Send the commands at once on one connection; a command that was refused answers a RefusedError."""
        try:
            for _ in range(MOST_MOVES):
                answers = await _at_once(where, commands)
                match answers[0]:
                    case MovedError() as moved:
                        moved.host = moved.host or where.host
                        await self._map.move_slot(moved)
                        where = self._map.get_node_from_slot(moved.slot_id)
                    case AskError() as elsewhere:
                        asked = self._map.get_node(elsewhere.host or where.host, elsewhere.port)
                        if asked is None:
                            break
                        answers = (await _at_once(asked, (("ASKING",), *commands)))[1:]
                        return [understood(one) if isinstance(one, Exception) else one for one in answers]
                    case _:
                        return [understood(one) if isinstance(one, Exception) else one for one in answers]
        except TROUBLE as error:
            raise understood(error) from None
        raise GoneError(UNSETTLED)

    async def leave(self, where: ClusterNode) -> None:
        """Learn that it did not help; it is asked last for the map."""
        with suppress(*TROUBLE):
            await where.disconnect()
        with suppress(*TROUBLE):
            await self._map.initialize(last_failed_node_name=where.name)

    def has_left(self, where: ClusterNode) -> bool:
        """Return whether it is asked no more; a member's connections are kept for when it is back."""
        return False

    def names(self, name: Callable[[int], str]) -> Sequence[str]:
        """Return such a name for each server that keeps something, as far as they are known by now."""
        slots = {nodes[0].name: slot for slot, nodes in self._map.slots_cache.items() if nodes}
        return tuple(name_in(slot, name) for slot in slots.values())

    def address(self, name: str) -> str:
        """Return where what has that name was found."""
        return str(self._node(name).name)

    def listener(self) -> Redis:
        """Return a client of one's own of any member: what is published anywhere is heard everywhere."""
        known = [nodes[0] for nodes in self._map.slots_cache.values()] or list(self._map.startup_nodes.values())
        node = choice(known)  # noqa: S311 - a load is spread, no secret kept
        kind = self._login.kind(Connection, SSLConnection)
        pool = BlockingConnectionPool(
            connection_class=kind, host=node.host, port=node.port, timeout=self._login.timeout, **self._login.options()
        )
        return Redis.from_pool(pool)

    async def close(self) -> None:
        """Close every connection."""
        for nodes in ("nodes_cache", "startup_nodes"):
            with suppress(*TROUBLE):
                await self._map.aclose(nodes)

    def _node(self, name: str) -> ClusterNode:
        node = self._cluster.get_node_from_key(name)
        if node is None:
            raise RefusedError("CLUSTERDOWN", "nobody has that slot")
        return node


def name_in(slot: int, name: Callable[[int], str]) -> str:
    """Return a name with that slot; `name` writes the number at the end.

    A slot is the name's CRC-16, and of two parts that is the first one's, carried on over zeros, xor the second one's.
    So the ends are reckoned once, and of the beginnings some sixteen are tried.
    """
    ends = _ends()
    for number in count(1):
        carried = crc_hqx(bytes(3), crc_hqx(name(number).encode(), 0)) % SLOTS
        end = ends.get(carried ^ slot)
        if end is not None:
            return name(number * _END + end)
    raise AssertionError


@cache
def _ends() -> dict[int, int]:
    return {crc_hqx(b"%03d" % end, 0) % SLOTS: end for end in range(_END)}


async def _at_once(node: ClusterNode, commands: Sequence[Command]) -> list[Any]:
    calls = [PipelineCommand(number, *command) for number, command in enumerate(commands)]
    await node.execute_pipeline(calls)
    answers = [call.result for call in calls]
    for answer in answers:
        if isinstance(answer, Exception) and not isinstance(understood(answer), RefusedError):
            raise answer
    return answers
