"""Puts a token into a query parameter."""

from dataclasses import replace
from typing import Annotated, Literal
from urllib.parse import quote

from pydantic import Field

from proxy.core.message import Injection
from proxy.core.token import Token
from proxy.injectors.base import InjectError, Injector, InjectorSettings


class QuerySettings(InjectorSettings):
    """A token in a query parameter. Prefer a header: addresses end up in logs."""

    kind: Literal["query"]
    """Put the token into the query."""
    name: Annotated[str, Field(min_length=1)]
    """The parameter's name, not percent-encoded; the caller's own copy is dropped."""


class Query(Injector):
    """One query parameter."""

    Settings = QuerySettings

    def __init__(self, settings: QuerySettings) -> None:
        self._start = quote(settings.name, safe="") + "="
        self._name = settings.name
        self._replaced = frozenset({settings.name.encode()})

    def inject(self, injection: Injection, token: Token) -> Injection:
        """Add the parameter, percent-encoded (RFC 3986 §2.1)."""
        try:
            parameter = (self._start + quote(token.value.reveal(), safe="")).encode("ascii")
        except UnicodeEncodeError:
            raise InjectError(f"the token for the parameter {self._name} is not text that UTF-8 can write") from None
        query = b"&".join(filter(None, (injection.query, parameter)))
        return replace(injection, query=query, query_names=injection.query_names | self._replaced)
