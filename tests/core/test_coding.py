"""Content codings, undone within a limit."""

import gzip
import zlib

import pytest

from proxy.core.coding import CodingError, decode

TEXT = b'{"access_token": "abc"}' * 10


def bare(body: bytes) -> bytes:
    """Return the body deflated without zlib's frame."""
    press = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return press.compress(body) + press.flush()


@pytest.mark.parametrize(
    ("body", "coding"),
    [
        (TEXT, None),
        (TEXT, "identity"),
        (gzip.compress(TEXT, mtime=0), "gzip"),
        (gzip.compress(TEXT, mtime=0), " X-GZip "),
        (zlib.compress(TEXT), "deflate"),
        (bare(TEXT), "deflate"),
    ],
)
def test_known_codings_are_undone(body: bytes, coding: str | None) -> None:
    assert decode(body, coding, limit=1000) == TEXT


@pytest.mark.parametrize("coding", [None, "gzip", "deflate"])
def test_nothing_unfolds_past_the_limit(coding: str | None) -> None:
    bomb = b"0" * 50_000_000
    body = {None: bomb, "gzip": gzip.compress(bomb), "deflate": zlib.compress(bomb)}[coding]
    assert decode(body, coding, limit=1000) == bomb[:1000]


def test_a_body_that_is_cut_short_yields_what_it_holds() -> None:
    body = gzip.compress(bytes(range(256)) * 40, compresslevel=0)
    assert decode(body[:300], "gzip", limit=10_000).startswith(bytes(range(256)))


@pytest.mark.parametrize(
    ("body", "coding"), [(TEXT, "br"), (TEXT, "gzip, gzip"), (TEXT, "gzip"), (TEXT, "deflate"), (b"\x08", "")]
)
def test_what_is_not_in_its_coding_is_refused(body: bytes, coding: str) -> None:
    if coding:
        with pytest.raises(CodingError):
            decode(body, coding, limit=1000)
    else:
        assert decode(body, coding, limit=1000) == body


def test_an_empty_body_is_empty_in_every_coding() -> None:
    assert [decode(b"", coding, limit=10) for coding in ("identity", "gzip", "deflate")] == [b"", b"", b""]
