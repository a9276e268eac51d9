"""A token that one HTTP request brings: any method, any body, found anywhere in the reply."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Literal, Self

from pydantic import model_validator

from proxy.core.clock import Clock
from proxy.core.expression import VariableName
from proxy.core.message import Reply
from proxy.core.moment import Moment
from proxy.core.secret import Secret
from proxy.core.token import NO_VARIABLES, Token
from proxy.credentials.base import Credential, CredentialSettings
from proxy.credentials.reading import AnyExpiry, TokenReader, found_in
from proxy.credentials.request import RequestSettings
from proxy.extractors import AnyExtractor, make_extractor
from proxy.extractors.base import ExtractError
from proxy.net.endpoint import Endpoint, EndpointRequest


class HttpRequestSettings(CredentialSettings):
    """A token that one HTTP request brings."""

    kind: Literal["http_request"]
    """A token that one HTTP request brings."""
    request: RequestSettings
    """What is sent."""
    token: AnyExtractor
    """Where the token stands in the reply."""
    expiry: AnyExpiry | None = None
    """Where its expiry stands. None: the `exp` of a token that is a JWT, else five minutes."""
    variables: Mapping[VariableName, Secret] = {}
    """Values for the variables of `request`."""
    save: Mapping[VariableName, AnyExtractor] = {}
    """Values of the reply that replace variables in the next request, for as long as the token is kept."""

    @property
    def sent_again(self) -> tuple[str, ...]:
        """Return the variables of `request` that replies bring, in order."""
        return tuple(sorted(self.save.keys() & self.request.names))

    @property
    def variable_names(self) -> frozenset[str] | None:
        """Return what it is given and what replies bring; None: users bring more."""
        return None if self.per_user else frozenset(self.variables.keys() | self.save.keys())

    @property
    def user_variables(self) -> frozenset[str]:
        """Return what is used here, and neither given nor brought by a reply."""
        injected = frozenset[str]().union(*(settings.names for settings in self.inject))
        return (self.request.names | (injected - self.save.keys())) - self.variables.keys()

    def for_user(self, values: Mapping[str, Secret]) -> Self:
        """Return the same with the user's variables among those that are given."""
        return self.model_copy(update={"variables": {**self.variables, **values}})

    @property
    def fixed_variables(self) -> Mapping[str, Secret]:
        """Return what it is given."""
        return self.variables

    @property
    def spends(self) -> bool:
        """Return True when a reply brings what the next request sends."""
        return bool(self.sent_again)

    @model_validator(mode="after")
    def _safe_and_complete(self) -> Self:
        if self.request.is_plain_http and not self.allow_plain_http:
            raise ValueError("request.url is not https; secrets would travel readable unless `allow_plain_http: true`")
        missing = sorted(self.request.names - self.variables.keys())
        if missing and not self.per_user:
            saved = " (a saved value needs a first one)" if missing[0] in self.save else ""
            raise ValueError(f"the variable {missing[0]} is not defined; give it a value under `variables`{saved}")
        return self


class HttpRequest(Credential):
    """Sends the request and reads the reply."""

    Settings = HttpRequestSettings

    def __init__(self, name: str, settings: HttpRequestSettings, endpoint: Endpoint, clock: Clock) -> None:
        super().__init__(name, settings, endpoint, clock)
        self._request = settings.request
        self._variables = settings.variables
        self._save = {name: make_extractor(extractor) for name, extractor in settings.save.items()}
        self.reader = self._reader = TokenReader(settings.token, settings.expiry)
        self.longest_try = settings.request.timeout
        if settings.spends:
            first = (settings.variables.get(name, Secret("")) for name in settings.sent_again)  # or it is the user's
            self.lineage = (settings.request.place, *first)

    @property
    def saved_at(self) -> Mapping[str, str]:
        """Return where the reply has them."""
        return {name: extractor.place for name, extractor in self._save.items()}

    def secrets_in(self, reply: Reply) -> frozenset[str]:
        """Return the token and what is saved beside it."""
        return found_in(reply, self._reader.token, *self._save.values())

    async def fetch(self, previous: Token | None) -> Token:
        """Return the token that the reply brings."""
        kept = previous.variables if previous else NO_VARIABLES
        request = self._written({**self._variables, **kept})
        reply = await self.endpoint.call(request)
        return self._reader.read(request.subject, reply, {**kept, **dict(self._saved(reply))})

    def _written(self, variables: Mapping[str, Secret]) -> EndpointRequest:
        """Return what is sent now; another try tells the time and signs anew."""
        request = self._request.build(variables, Moment.of(self.clock))
        return replace(request, spends=self.settings.spends, again=partial(self._written, variables))

    def _saved(self, reply: Reply) -> Iterator[tuple[str, Secret]]:
        """Yield what the reply brings; a value that it does not repeat keeps its last one."""
        for name, extractor in self._save.items():
            try:
                yield name, Secret(str(extractor.extract(reply)))
            except ExtractError:
                continue
