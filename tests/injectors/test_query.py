"""Tokens in query parameters."""

from typing import Any, ClassVar
from urllib.parse import parse_qsl

from proxy.core.message import NOTHING, Injection
from proxy.core.tailored import Tailored
from proxy.injectors.query import Query, QuerySettings
from tests.compliance.injectors import PlacedCompliance, token_of


class TestQuery(PlacedCompliance):
    word: ClassVar[str] = "query"
    settings: ClassVar[dict[str, Any]] = {"name": "api key"}

    def seen(self, injection: Injection) -> list[str]:
        return [value for _, value in parse_qsl(injection.query.decode("ascii"))]


def test_name_and_value_are_percent_encoded() -> None:
    query = Query(QuerySettings(kind="query", name="k&y")).inject(NOTHING, token_of("a b&c=d/é+%"))
    assert query.query == b"k%26y=a%20b%26c%3Dd%2F%C3%A9%2B%25"
    assert query.query_names == {b"k&y"}


def test_append_leaves_the_callers_own() -> None:
    query = Query(QuerySettings(kind="query", name="key", mode="append")).inject(NOTHING, token_of("abc"))
    assert (query.query, query.query_names) == (b"key=abc", frozenset())


def test_keep_waits_for_the_request() -> None:
    query = Query(QuerySettings(kind="query", name="a b", mode="keep")).inject(NOTHING, token_of("abc"))
    assert (query.query, query.tailored) == (b"", Tailored(unless_query=((b"a b", b"a%20b=abc"),)))


def test_a_prefix_is_percent_encoded() -> None:
    query = Query(QuerySettings(kind="query", name="k", prefix="Key ")).inject(NOTHING, token_of("abc"))
    assert query.query == b"k=Key%20abc"
