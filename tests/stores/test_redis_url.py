"""A URL says where the Redis is, or is refused with an example."""

import pytest

from proxy.core.secret import Secret
from proxy.stores.redis_url import Address, Place, parse

A, B = Address("a.example", 6379), Address("b.example", 7001)
LOCAL = Address("127.0.0.1", 6379)


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("redis://a.example", Place("server", (A,))),
        ("redis://a.example/", Place("server", (A,))),
        ("redis://b.example:7001/12", Place("server", (B,), database=12)),
        ("rediss://a.example/3", Place("server", (A,), tls=True, database=3)),
        ("redis://[::1]:7001", Place("server", (Address("::1", 7001),))),
        ("redis://[2001:db8::1]", Place("server", (Address("2001:db8::1", 6379),))),
        ("unix:///run/redis.sock", Place("server", (Address("/run/redis.sock", 0),))),
        ("unix:///run/my%20redis.sock?db=2", Place("server", (Address("/run/my redis.sock", 0),), database=2)),
        (
            "redis+sentinel://a.example:7000,b.example,[::1]/tokens/4",
            Place(
                "sentinel",
                (Address("a.example", 7000), Address("b.example", 26379), Address("::1", 26379)),
                service="tokens",
                database=4,
            ),
        ),
        (
            "rediss+sentinel://a.example/tokens",
            Place("sentinel", (Address("a.example", 26379),), tls=True, service="tokens"),
        ),
        ("redis+cluster://a.example,b.example:7001/0", Place("cluster", (A, B))),
        ("rediss+cluster://a.example", Place("cluster", (A,), tls=True)),
    ],
)
def test_a_url_says_where_it_is(url: str, place: Place) -> None:
    assert parse(url) == place


@pytest.mark.parametrize(
    ("url", "username", "password"),
    [
        ("redis://user:pass@a.example", "user", "pass"),
        ("redis://:pass@a.example", None, "pass"),
        ("redis://user@a.example", "user", None),
        ("redis://us%3Aer:p%40s%2Fs%23@a.example", "us:er", "p@s/s#"),
        ("redis://user:p@ss:word@a.example", "user", "p@ss:word"),
        ("unix://user:pass@/run/redis.sock", "user", "pass"),
        ("redis+sentinel://user:pass@a.example,b.example/tokens", "user", "pass"),
        ("redis+cluster://user:pass@a.example,b.example", "user", "pass"),
    ],
)
def test_a_url_says_who_we_are(url: str, username: str | None, password: str | None) -> None:
    place = parse(url)
    assert place.username == username
    assert place.password == (Secret(password) if password is not None else None)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("", "not the address"),
        ("planted", "not the address"),
        ("http://a.example", "not the address"),
        ("redis:a.example", "not the address"),
        ("unix+cluster:///run/redis.sock", "not the address"),
        ("unix://a.example/run/redis.sock", "not the address"),
        ("redis://a.example/0#planted", "not the address"),
        ("unix://", "no socket"),
        ("unix:///", "no socket"),
        ("unix:///run/redis.sock?password=planted", "other options"),
        ("redis://a.example?db=2", "beside it"),
        ("redis://", "a host or a port"),
        ("redis://a.example:planted", "a host or a port"),
        ("redis://a.example:0", "a host or a port"),
        ("redis://a.example:65536", "a host or a port"),
        ("redis://:planted@/0", "a host or a port"),
        ("redis+cluster://a.example,,b.example", "a host or a port"),
        ("redis://a.example,b.example", "several servers"),
        ("redis://a.example/planted", "not a number"),
        ("redis+sentinel://a.example/tokens/planted", "not a number"),
        ("redis+sentinel://a.example", "what the sentinels call"),
        ("redis+sentinel://a.example/", "what the sentinels call"),
        ("redis+cluster://a.example/1", "only number 0"),
    ],
)
def test_what_is_no_address_is_refused_with_an_example_and_nothing_of_it(url: str, why: str) -> None:
    with pytest.raises(ValueError, match=why) as caught:
        parse(url)
    assert "redis://host:6379/0" in str(caught.value)
    assert "planted" not in str(caught.value)


@pytest.mark.parametrize(
    ("address", "text", "is_near"),
    [
        (LOCAL, "127.0.0.1:6379", True),
        (Address("localhost", 6379), "localhost:6379", True),
        (Address("::1", 6379), "[::1]:6379", True),
        (Address("/run/redis.sock", 0), "/run/redis.sock", True),
        (Address("127.example", 6379), "127.example:6379", False),
        (A, "a.example:6379", False),
    ],
)
def test_an_address_is_written_as_people_do_and_known_to_be_near_or_far(
    address: Address, text: str, is_near: bool
) -> None:
    assert (str(address), address.is_near) == (text, is_near)


def test_a_place_does_not_show_its_password() -> None:
    assert "planted" not in repr(parse("redis://user:planted@a.example"))
