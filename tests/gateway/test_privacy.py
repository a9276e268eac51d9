"""An answer to one user is kept by no cache that others share."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.gateway.privacy import made_private

VARY = (b"Vary", b"X-Countersign-User, X-Countersign-User-Token")


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ((), b"private"),
        ((b"max-age=60",), b"private, max-age=60"),
        ((b"public, max-age=60, s-maxage=600",), b"private, max-age=60"),
        ((b"Public", b"S-MaxAge = 600, no-cache"), b"private, no-cache"),
        ((b'private="Set-Cookie", max-age=60',), b"private, max-age=60"),
        ((b'no-cache="a, private", max-age=1',), b'private, no-cache="a, private", max-age=1'),
        ((b",, ,",), b"private"),
        ((b'max-age="60',), b'private, max-age="60'),
    ],
)
def test_what_the_api_says_is_kept_as_far_as_it_is_not_for_everybody(said: tuple[bytes, ...], expected: bytes) -> None:
    fields = [(b"Content-Type", b"text/plain"), *((b"cache-control", value) for value in said)]
    assert made_private(fields) == [(b"Content-Type", b"text/plain"), (b"Cache-Control", expected), VARY]


@pytest.mark.parametrize("said", [b"private", b"no-store", b"max-age=60, PRIVATE", b"No-Store, public"])
def test_an_api_that_keeps_it_private_itself_is_left_alone(said: bytes) -> None:
    fields = [(b"Cache-Control", said), (b"Vary", b"Accept")]
    assert made_private(fields) == fields


@pytest.mark.parametrize(
    "name",
    [b"X-Accel-Expires", b"Surrogate-Control", b"edge-control", b"CDN-Cache-Control", b"Any-CDN-Cache-Control"],
)
@pytest.mark.parametrize("said", [b"max-age=60", b"private", b"no-store"])
def test_what_is_said_to_shared_caches_alone_is_taken_out(name: bytes, said: bytes) -> None:
    made = made_private([(name, b"600"), (b"Cache-Control", said), (b"X-Cache-Control-Not", b"1")])
    assert name not in dict(made)
    assert dict(made)[b"X-Cache-Control-Not"] == b"1"
    assert dict(made)[b"Cache-Control"] in (said, b"private, " + said)


@given(st.lists(st.binary(max_size=30), max_size=3))
def test_whatever_the_api_says_the_answer_is_private_or_not_stored(said: list[bytes]) -> None:
    (line,) = [
        b", ".join(
            value
            for name, value in made_private([(b"cache-control", one) for one in said])
            if b"control" in name.lower()
        )
    ]
    assert b"private" in line.lower() or b"no-store" in line.lower()
