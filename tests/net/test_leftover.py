"""What lies unread on a connection that breaks: all of it up to the limit, and nothing that is not ours to read."""

import asyncio
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from proxy.net import leftover as module
from proxy.net.leftover import leftover


class Ends(asyncio.BaseTransport):
    """A transport as `connection_lost` finds it: only its socket is still there."""

    def __init__(self, sock: socket.socket, ssl_object: object = None) -> None:
        super().__init__({"socket": sock, "ssl_object": ssl_object})


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    ours.settimeout(0)
    yield ours, theirs
    ours.close()
    theirs.close()


def test_all_that_arrived_is_taken(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    theirs.sendall(b"HTTP/1.1 413 \r\n\r\n")
    theirs.close()
    assert leftover(Ends(ours)) == b"HTTP/1.1 413 \r\n\r\n"
    assert leftover(Ends(ours)) == b""


def test_nothing_is_taken_when_nothing_is_there(pair: tuple[socket.socket, socket.socket]) -> None:
    assert leftover(Ends(pair[0])) == b""


def test_no_more_than_the_limit_is_taken(pair: tuple[socket.socket, socket.socket], monkeypatch: Any) -> None:
    monkeypatch.setattr(module, "LIMIT", 4)
    pair[1].sendall(b"more than that")
    assert leftover(Ends(pair[0])) == b"more"


def test_what_is_encrypted_is_left_alone(pair: tuple[socket.socket, socket.socket]) -> None:
    pair[1].sendall(b"ciphertext")
    assert leftover(Ends(pair[0], ssl_object=object())) == b""
    assert pair[0].recv(100) == b"ciphertext"
