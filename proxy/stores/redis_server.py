"""One Redis server, and the connections to it that nobody uses at the moment."""

from typing import Any

from proxy.stores.redis_scripts import Command
from proxy.stores.redis_url import Address
from proxy.stores.redis_wire import Dialing, Wire


class Server:
    """Last used is first used again: what is not needed grows old. How many there may be is for the link to say."""

    def __init__(self, address: Address, dialing: Dialing) -> None:
        self.address = address
        self._dialing = dialing
        self._idle: list[Wire] = []

    def __repr__(self) -> str:
        return f"<Server {self.address}, {len(self._idle)} idle>"

    async def ask(self, *commands: Command) -> list[Any]:
        """Send the commands over one connection and return their answers, see `Wire.ask`."""
        wire = self._idle.pop() if self._idle else Wire(self.address, self._dialing)
        try:
            await wire.open()
            answers = await wire.ask(*commands)
        except BaseException:
            await wire.drop()
            raise
        self._idle.append(wire)
        return answers

    async def call(self) -> Wire:
        """Return a connection of one's own."""
        wire = Wire(self.address, self._dialing)
        try:
            await wire.open()
        except BaseException:
            await wire.drop()
            raise
        return wire

    async def drop(self) -> None:
        """Close the connections that nobody uses: they are no better than one that failed."""
        while self._idle:
            await self._idle.pop().drop()
