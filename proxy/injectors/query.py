"""Puts a token into a query parameter."""

from collections.abc import Mapping
from typing import Annotated, Literal
from urllib.parse import quote

from pydantic import Field

from proxy.core.message import Injection
from proxy.core.secret import Secret
from proxy.core.tailored import Tailored
from proxy.core.token import NO_VARIABLES, Token
from proxy.injectors.base import InjectError, Injector, PlacedSettings


class QuerySettings(PlacedSettings):
    """A token in a query parameter. Prefer a header: addresses end up in logs."""

    kind: Literal["query"]
    """Put the token into the query."""
    name: Annotated[str, Field(min_length=1)]
    """The parameter's name, not percent-encoded."""
    prefix: str = ""
    """What stands before the value, not percent-encoded."""


class Query(Injector):
    """One query parameter."""

    Settings = QuerySettings

    def __init__(self, settings: QuerySettings, fixed: Mapping[str, Secret] = NO_VARIABLES) -> None:
        super().__init__(settings, fixed)
        self._start = quote(settings.name, safe="") + "=" + quote(settings.prefix, safe="")
        self._name = settings.name
        self._raw_name = settings.name.encode()
        self._value = settings.value
        self._mode = settings.mode

    def inject(self, injection: Injection, token: Token) -> Injection:
        """Add the parameter, percent-encoded (RFC 3986 §2.1)."""
        try:
            parameter = (self._start + quote(self.render(self._value, token), safe="")).encode("ascii")
        except UnicodeEncodeError:
            raise InjectError(f"the token for the parameter {self._name} is not text that UTF-8 can write") from None
        except InjectError as error:
            raise InjectError(f"the token cannot stand in the parameter {self._name}: {error}") from None
        return injection.joined(self._part(parameter))

    def _part(self, parameter: bytes) -> Injection:
        if self._mode == "append":
            return Injection(query=parameter)
        if self._mode == "keep":
            return Injection(tailored=Tailored(unless_query=((self._raw_name, parameter),)))
        return Injection(query=parameter, query_names=frozenset({self._raw_name}))
