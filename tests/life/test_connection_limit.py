"""How many callers' connections may stand at once."""

import asyncio

from proxy.core.errors import ProxyError
from proxy.gateway.inbound import Inbound
from proxy.gateway.listener import Listener
from proxy.gateway.refuse import refusal
from tests.fakes.clock import FakeClock
from tests.fakes.until import until

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


async def answer(inbound: Inbound) -> bool:
    """Answer any request."""
    inbound.write(OK)
    return True


def refuse(inbound: Inbound, error: ProxyError) -> None:
    """Answer as the pipeline does."""
    inbound.write(refusal(error, "", keep_alive=False))


async def test_one_connection_too_many_is_answered_overloaded_and_harms_no_other() -> None:
    listener = Listener(answer, refuse, FakeClock(), max_connections=2)
    server = await asyncio.get_running_loop().create_server(listener, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    first, second, third = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
    for reader, writer in (first, second):
        writer.write(REQUEST)
        assert await reader.readexactly(len(OK)) == OK
    refused = await third[0].read()
    assert refused.startswith(b"HTTP/1.1 503 ")
    assert b"/errors/overloaded" in refused
    assert b"Retry-After: 1\r\n" in refused
    second[1].close()
    await second[1].wait_closed()
    await until(lambda: len(listener.connections) == 1)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(REQUEST)
    assert await reader.readexactly(len(OK)) == OK
    for _, each in (first, third, (reader, writer)):
        each.close()
    server.close()
    await listener.shutdown(1.0)
