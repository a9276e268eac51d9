"""A caller without a socket: the bytes it sends go through the real listener, the bytes it gets are remembered.

`Caller()` collects what the listener reads out of its bytes, for tests of one stage; `Caller(listener)` speaks to a
listener that answers.
"""

import asyncio
from types import TracebackType
from typing import Any, Final, Self

from proxy.core.errors import ProxyError
from proxy.gateway.inbound import Inbound
from proxy.gateway.listener import Listener
from tests.fakes.clock import FakeClock

PEER: Final = ("127.0.0.1", 50_000)


class Wire(asyncio.Transport):
    """Our end of a connection."""

    def __init__(self, peer: tuple[str, int]) -> None:
        super().__init__({"peername": peer})
        self.sent = bytearray()
        """What the other side has got."""
        self.writes: list[bytes] = []
        """The same, by write."""
        self.closing = False
        self.aborted = False
        self.finished = False
        """True once we have said that nothing more will come."""
        self.reading = True
        self.protocol: asyncio.Protocol | None = None

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.closing, "written to a connection that is closed"
        assert not self.finished, "written behind the end"
        self.sent += data
        self.writes.append(bytes(data))

    def write_eof(self) -> None:
        self.finished = True

    def is_closing(self) -> bool:
        return self.closing

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def close(self) -> None:
        if not self.closing:
            self.closing = True
            asyncio.get_running_loop().call_soon(self.lost)

    def abort(self) -> None:
        self.aborted = True
        self.close()

    def lost(self) -> None:
        """Tell our side, once, that the connection has ended."""
        protocol, self.protocol = self.protocol, None
        if protocol is not None:
            protocol.connection_lost(None)


class Caller:
    """One connection of a caller."""

    def __init__(self, listener: Listener | None = None, *, peer: tuple[str, int] = PEER) -> None:
        self._listener = listener or Listener(self._collect, _never, FakeClock())
        self._inbounds: asyncio.Queue[Inbound] = asyncio.Queue()
        self._done = asyncio.Event()
        self.wire = Wire(peer)

    async def __aenter__(self) -> Self:
        self._protocol: Any = self._listener()
        self.wire.protocol = self._protocol
        self._protocol.connection_made(self.wire)
        await asyncio.sleep(0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self.leave()
        for _ in range(5):
            await asyncio.sleep(0)

    @property
    def got(self) -> bytes:
        """Return every byte of the answers so far."""
        return bytes(self.wire.sent)

    def send(self, data: bytes) -> None:
        """Send bytes; they arrive at once, in one read."""
        self._protocol.data_received(data)

    async def ask(self, data: bytes) -> Inbound:
        """Send bytes, and return the request that they make."""
        self.send(data)
        async with asyncio.timeout(10):
            return await self._inbounds.get()

    def leave(self) -> None:
        """Close the connection."""
        self.wire.close()

    def vanish(self) -> None:
        """Be gone at this very moment, in the middle of whatever is under way."""
        self.wire.closing = True
        self.wire.lost()

    def stall(self) -> None:
        """Take no more bytes for now."""
        self._protocol.pause_writing()

    def resume(self) -> None:
        """Take bytes again."""
        self._protocol.resume_writing()

    async def _collect(self, inbound: Inbound) -> bool:
        self._inbounds.put_nowait(inbound)
        await self._done.wait()
        return inbound.keep_alive


def _never(_: Inbound, error: ProxyError) -> None:
    raise AssertionError(f"the request was not read: {error}")
