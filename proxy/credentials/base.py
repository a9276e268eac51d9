"""The one verb of a credential: fetch a token."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Annotated, Any, ClassVar, Self

from pydantic import Field, PrivateAttr, model_validator

from proxy.core.clock import Clock
from proxy.core.errors import FetchError, ProxyError, Reason
from proxy.core.expression import UndefinedVariableError
from proxy.core.message import Reply
from proxy.core.rejection import DEFAULT_RULES, Rejection, RejectionSettings
from proxy.core.secret import Secret
from proxy.core.settings import Duration, Settings
from proxy.core.token import NO_VARIABLES, Token
from proxy.credentials.fitting import fitted, names_in
from proxy.credentials.reading import TokenReader, found_in
from proxy.credentials.sign_in import SignsIn
from proxy.injectors import AnyInjector, make_injector
from proxy.injectors.base import Injector
from proxy.injectors.header import HeaderSettings
from proxy.net.endpoint import Endpoint

BEARER = HeaderSettings(kind="header", name="Authorization", prefix="Bearer ")
"""RFC 6750 §2.1: where a token goes when nothing else is said."""


class CredentialSettings(Settings):
    """What every credential's settings share."""

    fits_users: ClassVar[frozenset[str]] = frozenset()
    """The fields in whose texts variables of users may stand, if each has a token of their own."""
    can_be_personal: ClassVar[bool] = True
    """False: the token is part of the configuration, so that no user can have another one."""

    kind: str
    """How the token is had."""
    description: str = ""
    """For people: whose it is, what it may do."""
    inject: Annotated[tuple[AnyInjector, ...], Field(strict=False, min_length=1)] = (BEARER,)
    """Where the token goes in a request."""
    rejected_when: Annotated[tuple[RejectionSettings, ...], Field(strict=False)] = DEFAULT_RULES
    """Which answers of the upstream mean that it rejects the token."""
    safety_window: Annotated[Duration, Field(ge=0)] | None = None
    """How long before its expiry a token is replaced; by default 60 s, or a quarter of a shorter life."""
    allow_plain_http: bool = False
    """Let this credential's own requests go to an `http://` address; its secrets then travel readable."""
    per_user: bool = False
    """Each user has a token of their own. Requests then say for whom they are, and prove it; see `users`."""

    _of_user: Mapping[str, Secret] = PrivateAttr(default_factory=lambda: NO_VARIABLES)
    _undefined: str | None = PrivateAttr(default=None)

    @property
    def places(self) -> tuple[tuple[str, str], ...]:
        """Return every place that the token goes to: its kind and its name, headers in lower case."""
        return tuple(place for settings in self.inject for place in settings.places)

    @property
    def variable_names(self) -> frozenset[str] | None:
        """Return the variables that `inject` may use beside the token; None: only a reply will tell."""
        return None

    @property
    def fixed_variables(self) -> Mapping[str, Secret]:
        """Return those of them that do not come with tokens."""
        return self._of_user

    @property
    def user_variables(self) -> frozenset[str]:
        """Return the variables that a user has to bring, if each has a token of their own."""
        injected = frozenset[str]().union(*(settings.names for settings in self.inject))
        return injected | names_in(self._fitted_fields()) if self.per_user else frozenset()

    def for_user(self, values: Mapping[str, Secret]) -> Self:
        """Return the settings of one user's token, where these are the user's variables."""
        try:
            made = self.model_copy(update=fitted(self._fitted_fields(), values))
        except UndefinedVariableError as error:
            made = self.model_copy()
            made._undefined = error.name
        made._of_user = values
        return made

    @property
    def undefined(self) -> str | None:
        """Return a variable of the user that has no value, without which no token can be asked for."""
        return self._undefined

    def _fitted_fields(self) -> Mapping[str, Any]:
        """Return the settings in which variables of users may stand."""
        return {name: getattr(self, name) for name in self.fits_users}

    def injectors(self) -> tuple[Injector, ...]:
        """Return what puts its tokens into requests."""
        return tuple(make_injector(settings, self.fixed_variables) for settings in self.inject)

    def flaws(self) -> Iterable[tuple[tuple[str | int, ...], str]]:
        """Yield what is wrong inside, where it stands, and the remedy; each part is sound in itself."""
        return ()

    @property
    def starts_over(self) -> bool:
        """Return True when a first fetch may be made at any time: it uses up nothing that another one needs."""
        return not self.spends

    @property
    def spends(self) -> bool:
        """Return True when a fetch needs what the one before it brought, and may use it up."""
        return False

    @property
    def signs_in(self) -> bool:
        """Return True when a person gives access in a browser, by the login page of this proxy."""
        return False

    @model_validator(mode="after")
    def _is_personal_if_it_can_be(self) -> Self:
        if self.per_user and not self.can_be_personal:
            raise ValueError(
                f"per_user: a credential of kind {self.kind} has one token, which is written here; "
                "for tokens of users' own take a kind that fetches them, or user_token"
            )
        return self

    @model_validator(mode="after")
    def _fits_users_if_it_should(self) -> Self:
        if self.per_user:
            names_in(self._fitted_fields())  # raises ValueError where a template is none
        return self

    @model_validator(mode="after")
    def _each_place_once(self) -> Self:
        for place in self.places:
            if self.places.count(place) > 1:
                raise ValueError(f"inject names the {place[0]} {place[1]} twice; keep one")
        return self

    @model_validator(mode="after")
    def _knows_what_it_injects(self) -> Self:
        known = self.variable_names
        wanted = frozenset[str]().union(*(settings.names for settings in self.inject))
        if known is not None and (missing := sorted(wanted - known)):
            have = f"TOKEN, {', '.join(sorted(known))}" if known else "TOKEN alone"
            raise ValueError(
                f"inject uses the variable {missing[0]}, which this credential does not have; it has {have}"
            )
        return self


class Credential(ABC):
    """One way to get a token."""

    Settings: ClassVar[type[CredentialSettings]]
    renewable: ClassVar[bool] = True
    """False: the token is part of the configuration; fetching again yields the same value."""
    reader: TokenReader | None = None
    """How it reads the reply that brings its token; None: it asks nobody."""

    longest_try: float = 10.0
    """Seconds that one try to fetch may take."""
    lineage: tuple[str | Secret, ...] | None = None
    """None: each fetch stands alone. Else a fetch may use up what the reply before it brought (a one-time refresh
    token), and this is what the first one began with: while it stays the same, the chain of `Token.variables` goes on,
    whatever else is configured anew. Such a fetch is never begun without the fleet's lock."""

    starts_over: bool = False
    """It has a lineage, and yet a fetch without a former token uses up nothing: it begins anew."""

    sign_in: SignsIn | None = None
    """How a person gives access in a browser; None: nobody does."""

    brought: tuple[str, ...] | None = None
    """None: it gets its tokens by itself. Else a person brings them (`Source.plant`), by a push or a sign-in: what was
    brought stays good under other settings, as long as this stays the same, which tells for whom it was issued."""

    def __init__(self, name: str, settings: CredentialSettings, endpoint: Endpoint, clock: Clock) -> None:
        self.name = name
        self.settings = settings
        self.endpoint = endpoint
        self.clock = clock

    @cached_property
    def injectors(self) -> tuple[Injector, ...]:
        """Return what puts its tokens into requests: the same for all who share the credential."""
        return self.settings.injectors()

    @cached_property
    def rejection(self) -> Rejection:
        """Return the rules by which an answer refuses its tokens: the same for all who share the credential."""
        return Rejection(self.settings.rejected_when)

    def lacks(self, previous: Token | None) -> ProxyError | None:
        """Return what a request is told when a person has to do something before there can be a token; None: fetch.

        `previous` is the token before, used up or refused as it may be; None: there is none, or its grant is dead. It
        is asked each time before a fetch begins, and must not wait.
        """
        return None

    def watch_step(self, name: str, note: str) -> None:  # noqa: B027 - most kinds have no steps
        """Learn that a step was not taken, and why; whoever wants to know puts a function of theirs here."""

    @property
    def token_at(self) -> str | None:
        """Return what its token is made of, as a message may name it; None: `reader` finds it in one place."""
        return None

    def token_of(self, given: Token, former: Mapping[str, Secret]) -> Token:
        """Return the token that the variables of a given one make, which another credential's run brought.

        `former` is what its own token has.

        Raises:
            FetchError: they make none.
        """
        raise FetchError(Reason.INTERNAL, "this kind makes no tokens of variables")

    @property
    def saved_at(self) -> Mapping[str, str]:
        """Return where the variables that it saves stand, by name, as a message may name the places."""
        return {}

    def expiry_at(self, token: Token) -> str | None:
        """Return where that token's expiry was found, as a message may name it; None: `reader` knows, or nowhere."""
        return None

    def secrets_in(self, reply: Reply) -> frozenset[str]:
        """Return the values that it takes out of a reply and that nobody may see, as texts."""
        return frozenset() if self.reader is None else found_in(reply, self.reader.token)

    @abstractmethod
    async def fetch(self, previous: Token | None) -> Token:
        """Return a new token, of generation 0.

        `previous` is the token before, or what is left of it; REVOKED: it was revoked; None: there is none.

        Raises:
            FetchError: why there is none.
        """
