import logging
import time

import aiohttp
import pytest
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from proxy.core.secret import Secret
from proxy.telemetry.redaction import DEEPEST, LONGEST, clean, clean_fields, describe, tell


def response_error() -> aiohttp.ClientResponseError:
    url = URL("https://api.example/v1?key=MARKER-query")
    headers = CIMultiDictProxy(CIMultiDict({"Authorization": "Bearer MARKER-header"}))
    return aiohttp.ClientResponseError(aiohttp.RequestInfo(url, "GET", headers, url), (), status=500)


def test_a_living_secret_is_masked_by_value() -> None:
    secret = Secret("correct horse battery")
    assert clean(f"provider said: correct horse battery ({secret})") == "provider said: *** (***)"


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("sent Authorization: Bearer MARKER.x-1", "sent Authorization: ***"),
        ("sent 'Authorization': 'Bearer MARKER1', 'Host': 'a'", "sent 'Authorization': '***', 'Host': 'a'"),
        ("(b'Cookie', b'session=MARKER')", "(b'Cookie', b'***')"),
        ("X-Countersign-Key: MARKER MARKER", "X-Countersign-Key: ***"),
        ("the bearer MARKER1.a_b~c+d/e=", "the bearer ***"),
        ("Basic TUFSS0VS was sent", "Basic *** was sent"),
        ("GET https://user:MARKER@api.example/x", "GET https://***@api.example/x"),
        ("GET https://api.example/x?token=MARKER&a=b", "GET https://api.example/x?***"),
        ("grant_type=password&client_secret=MARKER&x=1", "grant_type=password&client_secret=***&x=1"),
        ("{'access_token': 'MARKER'}", "{'access_token': '***'}"),
        ('{"refresh_token":"MARKER","expires_in":60}', '{"refresh_token":"***","expires_in":60}'),
    ],
)
def test_what_is_secret_by_its_place_is_masked(text: str, cleaned: str) -> None:
    assert clean(text) == cleaned


@pytest.mark.parametrize(
    "text",
    [
        "billing: cannot fetch a token: connection refused by auth.example:443",
        "the token, the secret and the password are missing; set basic authentication",
        "unknown kind 'vault'; proxy.credentials knows: basic, text",
        "GET https://api.example/v1/items#top 200",
        "a bearer token is expected",
    ],
)
def test_plain_words_stay(text: str) -> None:
    assert clean(text) == text


def test_a_long_text_is_cut_and_never_in_the_middle_of_a_secret() -> None:
    secret = Secret("s3cret-" * 40)
    text = "x" * (LONGEST - 10) + secret.reveal() + "y" * 100_000
    cleaned = clean(text)
    assert len(cleaned) == LONGEST + 1
    assert "s3cret" not in cleaned


def test_cleaning_a_hostile_text_takes_no_time() -> None:
    started = time.perf_counter()
    for text in ("token" * 50_000, "a-" * 100_000, "://" * 80_000, "bearer " * 40_000, "cookie\t" + "\t" * 100_000):
        clean(text)
    assert time.perf_counter() - started < 2.0


def test_an_error_that_quotes_its_request_is_told_without_it() -> None:
    error = response_error()
    assert "MARKER" in repr(error)  # the danger is real
    assert tell(error) == "ClientResponseError"
    assert "MARKER" not in str(clean_fields({"error": error, "exception": describe(error)}))


def test_an_error_is_told_with_its_places_and_the_errors_behind_it_but_no_values() -> None:
    def fail(password: str) -> None:
        raise ValueError(f"{len(password)} characters")

    try:
        try:
            fail("MARKER-local")
        except ValueError as error:
            raise RuntimeError("outer") from error
    except RuntimeError as error:
        told = describe(error)
    assert told.startswith("RuntimeError: outer\n  at ")
    assert "caused by ValueError: 12 characters" in told
    assert " in fail" in told
    assert "MARKER" not in told


def test_a_chain_of_errors_ends_even_when_it_bites_its_tail() -> None:
    first, second = ValueError("first"), ValueError("second")
    first.__cause__, second.__cause__ = second, first
    assert describe(first) == "ValueError: first\ncaused by ValueError: second"


def test_a_chain_of_errors_is_bounded() -> None:
    error: ValueError | None = None
    for number in range(50):
        nearer = ValueError(str(number))
        nearer.__cause__ = error
        error = nearer
    assert error is not None
    assert describe(error).count("caused by") == DEEPEST - 1


def test_a_group_of_errors_tells_one_of_them() -> None:
    assert describe(ExceptionGroup("two", [OSError("lost"), OSError("gone")])).endswith("caused by OSError: lost")


def test_an_error_that_cannot_say_what_it_is_still_has_a_type() -> None:
    class MuteError(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no")

    assert tell(MuteError()).endswith("MuteError")


def test_every_value_of_a_line_becomes_one_that_json_knows() -> None:
    secret = Secret("correct horse battery")
    fields = clean_fields(
        {
            "number": 3,
            "huge": 2**80,
            "flag": True,
            "nothing": None,
            "secret": secret,
            "bytes": b"\xff raw",
            "list": ["a", secret, 3],
            "surrogate": "\udcff",
            "nul": "a\n\0\nb",
            "text": "x correct horse battery",
            "level": logging.INFO,
        }
    )
    assert fields == {
        "number": 3,
        "huge": str(2**80),
        "flag": True,
        "nothing": None,
        "secret": "***",
        "bytes": "\\xff raw",
        "list": "a, ***, 3",
        "surrogate": "\\udcff",
        "nul": "a\n\\0\nb",
        "text": "x ***",
        "level": 20,
    }


def test_fields_without_text_are_left_as_they_are() -> None:
    assert clean_fields({"count": 1}) == {"count": 1}
    assert clean_fields({}) == {}
