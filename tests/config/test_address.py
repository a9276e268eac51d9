import pytest
from pydantic import TypeAdapter, ValidationError

from proxy.config.address import Address


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:8080", "127.0.0.1", 8080),
        ("0.0.0.0:0", "0.0.0.0", 0),
        ("[::1]:8080", "::1", 8080),
        ("LocalHost:65535", "localhost", 65535),
        ("proxy.internal:80", "proxy.internal", 80),
    ],
)
def test_an_address_is_a_host_and_a_port(text: str, host: str, port: int) -> None:
    address = Address.parse(text)
    assert (address.host, address.port) == (host, port)
    assert Address.parse(str(address)) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "8080",
        ":8080",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:65536",
        "::1:8080",
        "[::1]",
        "[zz]:1",
        "300.1.1.1:80",
        "http://127.0.0.1:80",
        "127.0.0.1:80/",
        "a b:80",
        "1:1",
        "127.0.0.1:-1",
    ],
)
def test_anything_else_is_refused_with_how_to_write_one(text: str) -> None:
    with pytest.raises(ValueError, match=r"write 127\.0\.0\.1:8080"):
        Address.parse(text)


@pytest.mark.parametrize(
    ("text", "is_loopback"),
    [
        ("127.0.0.1:1", True),
        ("127.9.9.9:1", True),
        ("[::1]:1", True),
        ("localhost:1", True),
        ("0.0.0.0:1", False),
        ("[::]:1", False),
        ("10.0.0.1:1", False),
        ("localhost.example:1", False),
    ],
)
def test_it_knows_whether_other_machines_reach_it(text: str, is_loopback: bool) -> None:
    assert Address.parse(text).is_loopback is is_loopback


@pytest.mark.parametrize(
    ("one", "other", "collide"),
    [
        ("127.0.0.1:80", "127.0.0.1:80", True),
        ("0.0.0.0:80", "127.0.0.1:80", True),
        ("127.0.0.1:80", "[::]:80", True),
        ("127.0.0.1:80", "127.0.0.1:81", False),
        ("127.0.0.1:80", "10.0.0.1:80", False),
        ("127.0.0.1:0", "127.0.0.1:0", False),
    ],
)
def test_it_knows_whether_two_sockets_are_in_each_others_way(one: str, other: str, collide: bool) -> None:
    assert Address.parse(one).collides_with(Address.parse(other)) is collide


def test_settings_take_it_as_a_text_and_print_it_as_one() -> None:
    adapter = TypeAdapter(Address)
    assert adapter.validate_python("[::1]:80") == Address("::1", 80)
    assert adapter.dump_python(Address("::1", 80), mode="json") == "[::1]:80"
    with pytest.raises(ValidationError):
        adapter.validate_python(8080)
