"""Tokens in query parameters."""

from typing import Any, ClassVar
from urllib.parse import parse_qsl

from proxy.core.message import NOTHING, Injection
from proxy.injectors.query import Query, QuerySettings
from tests.compliance.injectors import InjectorCompliance, token_of


class TestQuery(InjectorCompliance):
    word: ClassVar[str] = "query"
    settings: ClassVar[dict[str, Any]] = {"name": "api key"}

    def seen(self, injection: Injection) -> list[str]:
        return [value for _, value in parse_qsl(injection.query.decode("ascii"))]


def test_name_and_value_are_percent_encoded() -> None:
    query = Query(QuerySettings(kind="query", name="k&y")).inject(NOTHING, token_of("a b&c=d/é+%"))
    assert query.query == b"k%26y=a%20b%26c%3Dd%2F%C3%A9%2B%25"
    assert query.query_names == {b"k&y"}
