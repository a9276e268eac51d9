"""A token that several requests bring, one after the other: a challenge and its answer, a login and what follows it.

Theory. A run takes its steps in order. It begins with the first values of `variables`, and each reply may add to them.
Nothing of a run lasts until its last step has succeeded: then the token and all variables count together. The one
exception is what works only once. If a later step fails after it was spent, its successor goes with the error.

`refresh` is another run, which begins with what the run before it brought. If it is refused, the same fetch goes on
with `steps`, from the beginning; if it fails in a way that may pass, it does not, nor if `steps` begin with what works
only once: a first refresh token, say, was used up long ago.

No step of a run that spends what cannot be had again is tried twice, not even one before the spending step. So such a
run is over within the time-outs of its steps, and another process that found it under way, and took it for dead, has
waited long enough (`longest_try`). A run that begins with a login can be made again at any time, and is not counted.
"""

from collections.abc import Iterator, Mapping
from typing import Literal, Self

from pydantic import model_validator

from proxy.core.clock import Clock
from proxy.core.errors import FetchError, ProxyError, Reason
from proxy.core.expression import VariableName
from proxy.core.message import Reply
from proxy.core.person import GIVEN
from proxy.core.secret import Secret
from proxy.core.symptom import Symptom, TokenRequestError
from proxy.core.template import Template
from proxy.core.token import NO_VARIABLES, Token
from proxy.credentials.base import Credential, CredentialSettings
from proxy.credentials.browser import MADE, BrowserSettings
from proxy.credentials.reading import AnyExpiry
from proxy.credentials.sign_in import login_required
from proxy.credentials.workflow_browser import BrowserWay
from proxy.credentials.workflow_continued import Steps, StepsOrName
from proxy.credentials.workflow_course import Ask, Course, is_over
from proxy.credentials.workflow_given import from_giver
from proxy.credentials.workflow_names import (
    Loc,
    Names,
    asked_of,
    beginning_of,
    brought_by,
    check,
    flaws_of,
    needed_by,
    spent_by,
    unknown_in,
    used_by,
)
from proxy.credentials.workflow_run import COOKIES, Run, TokenMaker
from proxy.credentials.workflow_steps import Step, StepSettings
from proxy.net.endpoint import Endpoint


class WorkflowSettings(CredentialSettings):
    """A token that several requests bring, one after the other."""

    kind: Literal["workflow"]
    """A token that several requests bring, one after the other."""
    variables: Mapping[VariableName, Secret] = {}
    """First values of variables."""
    steps: Steps
    """What is sent for a first token, in order. The last one may be a person's, who opens an address in their
    `browser`. Empty: another credential saves to this one."""
    on_callback: StepsOrName = ()
    """What is sent when the person comes back, whose parameters are variables then, their names in upper case: steps,
    or the name of another credential of this kind, whose `steps` are taken; its `variables` are first values, too, as
    far as this one has none of that name."""
    refresh: Steps = ()
    """What is sent instead for each further token. None: the steps. If it is refused, the steps follow, unless they
    begin with what works once."""
    token: Template = Template("{{ ACCESS_TOKEN }}")
    """What the token is made of."""
    expiry: AnyExpiry | None = None
    """Where its expiry stands in the last reply, unless a step brings EXPIRES_IN (seconds) or EXPIRES_AT (epoch or ISO
    8601). None: the `exp` of a token that is a JWT, else five minutes."""
    cookies: Literal["keep", "ignore"] = "ignore"
    """keep: cookies that a reply sets go along with later requests to the same host, as with a browser; the variable
    COOKIES has them all."""
    save_to: Names = ()
    """A credential of this kind, or several, that get all variables too whenever a run has brought new ones."""

    @property
    def everything(self) -> tuple[StepSettings, ...]:
        """Return all steps."""
        return (*self.steps, *self.then, *self.refresh)

    @property
    def then(self) -> tuple[StepSettings, ...]:
        """Return the steps of `on_callback`; none as long as all that is known of them is whose they are."""
        return () if isinstance(self.on_callback, str) else self.on_callback

    @property
    def browser(self) -> BrowserSettings | None:
        """Return what a person opens; None: there is no need of one."""
        return self.steps[-1].browser if self.steps else None

    @property
    def signs_in(self) -> bool:
        """Return True when there is need of a person."""
        return self.browser is not None

    @property
    def spent(self) -> frozenset[str]:
        """Return the variables that replies bring and `refresh` sends: they may work only once."""
        return used_by(self.refresh) - {*self.variables} if self.signs_in else spent_by(self.steps, self.refresh)

    @property
    def spends(self) -> bool:
        """Return True when a reply brings what the next run sends."""
        return bool(self.spent)

    @property
    def starts_over(self) -> bool:
        """Return True when the steps can bring a token at any time: they begin with nothing that a run uses up."""
        needed = self.variables.keys() | self.user_variables
        return bool(self.steps) and not self.signs_in and not self.spent & needed

    @property
    def variable_names(self) -> frozenset[str] | None:
        """Return what `inject` may use: every variable, and COOKIES; None: users, or who saves to this one, decide."""
        if self.per_user or self.browser or not self.steps:
            return None
        return brought_by((*self.steps, *self.refresh)) | self.variables.keys() | self._made

    @property
    def fixed_variables(self) -> Mapping[str, Secret]:
        """Return the first values of variables."""
        return self.variables

    def flaws(self) -> Iterator[tuple[Loc, str]]:
        """Yield where variables are used that can have no value; if each user has a token, it is for them to have."""
        first = self.variables.keys() | self.user_variables
        return flaws_of(self.steps, self.refresh, first=first, token=self.token, made=self._made)

    @property
    def user_variables(self) -> frozenset[str]:
        """Return what is used and no step brings it before, and has no first value.

        What is used once a person has come back may come with them, but not in the place of what is known of the user.
        """
        if not self.per_user:
            return frozenset()
        brought = brought_by(self.everything) | self.variables.keys() | self._made
        unknown = unknown_in(self.steps, self.refresh, first=self.variables, token=self.token, made=self._made)
        later = self._used_later - MADE if self.signs_in else self._injected
        return frozenset(name for _, name in unknown) | (later - brought)

    def for_user(self, values: Mapping[str, Secret]) -> Self:
        """Return the same with the user's variables among the first values."""
        return self.model_copy(update={"variables": {**self.variables, **values}})

    @property
    def wanted(self) -> frozenset[str]:
        """Return what a person may come back with: what is used then, and tells nobody who the user is."""
        return self._used_later - GIVEN if self.per_user else self._used_later

    @property
    def _used_later(self) -> frozenset[str]:
        used = used_by((*self.then, *self.refresh)) | self.token.names | self._injected
        return used | asked_of(self.everything)

    @property
    def _injected(self) -> frozenset[str]:
        return frozenset[str]().union(*(settings.names for settings in self.inject))

    @property
    def _made(self) -> frozenset[str]:
        return frozenset({COOKIES}) if self.cookies == "keep" else frozenset()

    @model_validator(mode="after")
    def _safe_and_complete(self) -> Self:
        check(self.steps, self.on_callback, self.refresh, given=self.variables, plain=self.allow_plain_http)
        return self


class Workflow(Credential):
    """Takes the steps, and makes a token of what they bring."""

    Settings = WorkflowSettings

    def __init__(self, name: str, settings: WorkflowSettings, endpoint: Endpoint, clock: Clock) -> None:
        super().__init__(name, settings, endpoint, clock)
        if isinstance(settings.on_callback, str):
            raise AssertionError("what reads the configuration puts steps in the place of their name")  # noqa: TRY004
        self._workflow = settings
        everything = settings.everything
        self._spent, self._brought = settings.spent, brought_by(everything)
        self._needed = needed_by(settings.refresh) - settings.variables.keys() - {COOKIES}
        optional = asked_of(everything)
        self._steps, on_callback, self._refresh = (
            tuple(
                Step(step, endpoint, clock, optional=optional, spent=self._spent, brought=self._brought, once=once)
                for step in steps
            )
            for steps, once in (
                (settings.steps, settings.spends and not settings.starts_over),
                (settings.then, True),
                (settings.refresh, settings.spends),
            )
        )
        self._maker = TokenMaker(settings.token, settings.expiry, self._brought)
        self._course = Course(
            self._maker,
            settings.variables,
            brought=self._brought,
            spent=self._spent,
            keeps_cookies=settings.cookies == "keep",
            starts_over=settings.starts_over,
            watcher=self,
        )
        self.longest_try = sum(step.request.timeout for step in everything) or Credential.longest_try
        self.ask: Ask | None = None
        """How to get what another credential saves to this one; None: nobody does."""
        if settings.browser is not None:
            halves = self._steps, on_callback
            way, wanted, plain = settings.browser, settings.wanted, settings.allow_plain_http
            self.sign_in = BrowserWay(way, self._course, clock, halves=halves, wanted=wanted, plain=plain)
            self.brought = (settings.kind, way.place)
        elif self._spent:
            self.lineage, self.starts_over = beginning_of(settings), settings.starts_over

    def lacks(self, previous: Token | None) -> ProxyError | None:
        """Return that a person has to sign in, where a step is given, unless there is something to refresh with."""
        carried = previous.variables if previous else NO_VARIABLES
        if self.sign_in is None or (self._refresh and carried and self._needed <= carried.keys()):
            return None
        return login_required(self.name, personal=self.settings.per_user)

    @property
    def token_at(self) -> str:
        """Return the variables that the token is made of."""
        return self._maker.token_at

    def secrets_in(self, reply: Reply) -> frozenset[str]:
        """Return what any step takes out of a reply."""
        return frozenset[str]().union(*(step.secrets_in(reply) for step in (*self._steps, *self._refresh)))

    @property
    def saved_at(self) -> Mapping[str, str]:
        """Return where the variables stand that the steps bring."""
        return {name: place for step in (*self._refresh, *self._steps) for name, place in step.places.items()}

    def expiry_at(self, token: Token) -> str | None:
        """Return the variables that set its expiry, if any did; else the place in the last reply."""
        return self._maker.expiry_at(token)

    async def fetch(self, previous: Token | None) -> Token:
        """Return the token that the steps bring, or the refresh steps if there is something to refresh."""
        former = previous.variables if previous else NO_VARIABLES
        if not (self._refresh and former):
            return await self._anew(previous)
        try:
            return await self._course.take(self._refresh, former)
        except TokenRequestError as refused:
            if self.sign_in is not None and is_over(refused):
                raise TokenRequestError(Symptom.INVALID_GRANT, refused.sentence) from None
            if not self._begins_anew_after(refused):
                raise
            carried = refused.variables
        try:
            return await self._anew(previous)
        except FetchError as error:
            error.variables = error.variables or carried
            error.unheeded = False
            raise

    def token_of(self, given: Token, former: Mapping[str, Secret]) -> Token:
        """Return the token that these variables make, as if a run had brought them."""
        said = Reply(200, (), b"", given.issued_at)
        run = Run(self._workflow.variables, {**former, **given.variables}, last=said)
        run.brought.update(dict.fromkeys(given.variables, said))
        return self._maker.make(run, given)

    def _begins_anew_after(self, refused: TokenRequestError) -> bool:
        """Tell whether what a refresh began with is of no use any more, and what the steps begin with still is.

        It was refused, or the answer is to log in. Steps that begin with what works once have used that up already.
        """
        return is_over(refused) and (self._workflow.starts_over or not self._steps)

    async def _anew(self, previous: Token | None) -> Token:
        if self.sign_in is not None:
            why = "nobody has signed in, or what they brought is used up"
            raise FetchError(Reason.NO_REFRESH_TOKEN, why, permanent=True, asked=False)
        if self._steps:
            return await self._course.take(self._steps, NO_VARIABLES)
        return await from_giver(self.ask, previous, self.token_of, renews=bool(self._refresh))
