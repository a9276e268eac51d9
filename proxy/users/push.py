"""Tokens that users push: verified, then planted in the source of that user, so that the next request uses them.

A push names a user and proves it, or comes from the back end by the admin API. All tokens of a push are looked at
before the first one is taken: one bad token, and none counts. A token that is in use already stays as it is, which
makes a push that is repeated cost nothing. A JWT that was issued before the one in use does not take its place:
somebody has recorded it, or a page has been asleep; either way it is the wrong one.

Theory. What counts then is told: to plant tokens and to record that is a task of its own, which does not end with the
caller's connection.
"""

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, NamedTuple

from proxy.core.errors import (
    DependencyUnavailableError,
    ProxyError,
    RequestInvalidError,
    TokenUnavailableError,
    UserTokenRefusedError,
)
from proxy.core.person import Person
from proxy.core.token import Token
from proxy.credentials.user_token import UserTokenSettings
from proxy.net.endpoint import Endpoint
from proxy.net.runtime import Runtime
from proxy.stores.base import StoreError
from proxy.telemetry.events import EventLog, EventName
from proxy.tokens.source import Source
from proxy.tokens.sources import Sources
from proxy.users.doubts import Doubts
from proxy.users.inspection import Inspector

MOST: Final = 20
"""Tokens of one push."""
SAME: Final = 5.0
"""Seconds by which the ends of two tokens may differ that are the same."""


@dataclass(frozen=True, slots=True)
class Pushed:
    """A token that is in use now."""

    fingerprint: str
    expires_at: float | None
    """Unix seconds; None: it has no end."""


class _Good(NamedTuple):
    source: Source
    token: Token
    check: Callable[[Token], None]
    """Raises UserTokenRefusedError when the one in use is newer."""


class Pushes:
    """Takes tokens that are pushed. `sources` returns those that are in use now."""

    def __init__(self, sources: Callable[[], Sources], endpoint: Endpoint, runtime: Runtime, events: EventLog) -> None:
        self._sources = sources
        self._endpoint = endpoint
        self._runtime = runtime
        self._events = events
        self._inspectors: dict[str, Inspector] = {}
        self.doubts = Doubts(events, runtime.clock)
        """Told of those who push and are not believed."""

    async def take(self, person: Person, tokens: Mapping[str, Any], *, via: str) -> Mapping[str, Pushed]:
        """Take tokens by the names of their credentials; return what is in use then. `via`: how they came.

        Raises:
            RequestInvalidError: one is for what is no credential that users push tokens for.
            UserTokenRefusedError: one is bad, and none was taken.
            DependencyUnavailableError: not all could be taken; the same push may be repeated.
        """
        try:
            good = {name: await self._looked_at(name, value, person) for name, value in checked(tokens).items()}
        except UserTokenRefusedError as error:
            self._tell_refused(error, person, via)
            raise
        await self._see_through(self._planted(good, person, via))
        return {name: Pushed(token.value.fingerprint(), token.expires_at) for name, (_, token, _) in good.items()}

    async def take_back(self, person: Person, names: tuple[str, ...], *, via: str) -> None:
        """Let the user's tokens of these credentials be used no more; a new one may be pushed at any time.

        Raises:
            DependencyUnavailableError: the fleet does not know of it; the same call may be repeated.
        """
        sources = {name: await self._source(name, person) for name in names}
        await self._see_through(self._taken_back(sources, person, via))

    @property
    def names(self) -> tuple[str, ...]:
        """Return the credentials that users push tokens for."""
        settings = self._sources().settings
        return tuple(name for name, record in settings.items() if isinstance(record, UserTokenSettings))

    async def _looked_at(self, name: str, value: str, person: Person) -> "_Good":
        """Return the token, with the source that is to have it; the one in use, if it is the same."""
        inspector = self._inspector(name)
        with self.doubts.of_keys(name):
            token = await inspector.inspect(value, person.id)
        source = await self._source(name, person)
        inspector.check_place(token, source.credential.injectors)
        check = partial(inspector.check_age, token)
        in_use = source.token
        if in_use is None:
            return _Good(source, token, check)
        if in_use.value == token.value and _is_about(in_use.expires_at, token.expires_at):
            return _Good(source, in_use, check)
        check(in_use)
        return _Good(source, token, check)

    async def _see_through(self, work: Coroutine[Any, Any, None]) -> None:
        name = "do what was ordered about a user's tokens"
        await self._runtime.see_through(work, name=name, expected=(ProxyError,))

    async def _planted(self, good: Mapping[str, "_Good"], person: Person, via: str) -> None:
        for name, (source, token, check) in good.items():
            if token is source.token:
                continue
            try:
                await source.plant(token, check)
            except StoreError:
                raise _store_away() from None
            except UserTokenRefusedError as error:  # a newer one was pushed at the same time
                self._tell_refused(error, person, via)
                raise
            self._events.record(
                "info",
                EventName.USER_TOKEN_PUSHED,
                credential=name,
                user=person.pseudonym,
                fingerprint=token.value.fingerprint(),
                via=via,
            )

    def _tell_refused(self, error: UserTokenRefusedError, person: Person, via: str) -> None:
        self._events.record(
            "warning",
            EventName.USER_TOKEN_REFUSED,
            credential=error.members["credential"],
            user=person.pseudonym,
            detail=error.detail,
            via=via,
        )

    async def _taken_back(self, sources: Mapping[str, Source], person: Person, via: str) -> None:
        for name, source in sources.items():
            try:
                await source.revoke()
            except StoreError:
                raise _store_away() from None
            self._events.record(
                "info", EventName.USER_TOKEN_TAKEN_BACK, credential=name, user=person.pseudonym, via=via
            )

    async def _source(self, name: str, person: Person) -> Source:
        pool = self._sources().pools.get(name)
        if pool is None:  # until a moment ago there was one
            raise _unknown(name)
        try:
            return await pool.obtain(person)
        except TokenUnavailableError:
            raise _store_away() from None

    def _inspector(self, name: str) -> Inspector:
        settings = self._sources().settings.get(name)
        if not isinstance(settings, UserTokenSettings):
            raise _unknown(name)
        known = self._inspectors.get(name)
        if known is None or known.settings != settings:
            known = self._inspectors[name] = Inspector(name, settings, self._endpoint, self._runtime)
        return known


def checked(tokens: Any) -> Mapping[str, str]:
    """Return the tokens of a push as far as they are written as they should be.

    Raises:
        RequestInvalidError: they are not.
    """
    if not isinstance(tokens, Mapping) or not all(isinstance(one, str) for pair in tokens.items() for one in pair):
        raise RequestInvalidError("auth_tokens is an object: the credential's name, and the user's token as a text")
    if len(tokens) > MOST:
        raise RequestInvalidError(f"a push brings at most {MOST} tokens")
    return tokens


def _is_about(one: float | None, other: float | None) -> bool:
    """Tell whether two ends are the same; what came out of a store is off by what clocks differ."""
    return one is other is None or (one is not None and other is not None and abs(one - other) < SAME)


def _unknown(name: str) -> RequestInvalidError:
    return RequestInvalidError("there is no credential of this name that users push tokens for", credential=name)


def _store_away() -> DependencyUnavailableError:
    return DependencyUnavailableError("the store cannot be reached now; repeat the call", retry_after=1.0)
