"""One step of a workflow: whether it is taken, what it sends, whether it succeeded, and which variables it brings."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, Final, Self

from pydantic import Field, model_validator

from proxy.core.clock import Clock
from proxy.core.expression import VariableName
from proxy.core.message import Reply
from proxy.core.moment import Moment
from proxy.core.pattern import PatternTimeoutError
from proxy.core.secret import Secret
from proxy.core.settings import Settings
from proxy.core.statuses import Statuses, statuses_of
from proxy.core.symptom import Symptom, TokenRequestError
from proxy.credentials.browser import BrowserSettings
from proxy.credentials.condition import ConditionSettings, first_unmet
from proxy.credentials.jar import Jar
from proxy.credentials.reading import found_in
from proxy.credentials.request import RequestSettings
from proxy.credentials.sign_in import SignInError
from proxy.credentials.unreadable import unreadable
from proxy.extractors import AnyExtractor, make_extractor
from proxy.extractors.base import BooleanError, ExtractError, FormatError, NotFoundError
from proxy.net.endpoint import Endpoint, EndpointRequest

LONGEST_VALUE: Final = 64 * 1024
"""Characters of a variable that a reply brings."""
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing (RFC 9110 §9.2.1): sent again, they do no harm, whatever they carry."""
_NOT_OPENED: Final = "The service sends people to an address that is not known here, so it was not opened."

Conditions = Annotated[tuple[ConditionSettings, ...], Field(strict=False)]
"""Conditions that must all hold."""


class SuccessSettings(Settings):
    """What a reply must be like for its step to have succeeded."""

    status: Statuses = "2xx"
    """Statuses that are a success: 200, 2xx, [200, 302]."""
    all: Conditions = ()
    """Conditions on variables, which must all hold once the reply's values have been extracted."""


class StepSettings(Settings):
    """One step: an HTTP request, and what its reply brings."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 _.-]{0,63}$")]
    """What messages call it."""
    when: Conditions = ()
    """Conditions that must all hold; otherwise the step is skipped."""
    request_: Annotated[RequestSettings | None, Field(alias="request")] = None
    """What is sent; it may use `variables` and what earlier steps extracted."""
    browser: BrowserSettings | None = None
    """In place of `request`, in the last of `steps`: what a person opens in their browser."""
    succeeds_when: SuccessSettings = SuccessSettings()
    """What the reply must be like; by default its status is 2xx."""
    extract: Mapping[VariableName, AnyExtractor] = {}
    """The variables that the reply brings, and where it has them."""

    @property
    def request(self) -> RequestSettings:
        """Return what is sent, by us or by the person's browser."""
        if self.request_ is not None:
            return self.request_
        if self.browser is not None:
            return self.browser.as_request
        raise AssertionError("a step without either is refused")

    @property
    def asked_of(self) -> frozenset[str]:
        """Return the variables that its conditions are about."""
        return frozenset(condition.variable for condition in (*self.when, *self.succeeds_when.all))

    @model_validator(mode="after")
    def _does_one_thing(self) -> Self:
        if (self.request_ is None) is (self.browser is None):
            raise ValueError("a step has either a request or a browser" + (", not both" if self.browser else ""))
        if self.browser is not None and (self.extract or self.succeeds_when.all):
            raise ValueError("the step of a browser has no reply: what the person comes back with are variables anyway")
        return self


@dataclass(frozen=True, slots=True)
class Brought:
    """What came of one step."""

    request: EndpointRequest
    reply: Reply
    values: Mapping[str, Secret]
    """Found in the reply, by variable."""
    gone: frozenset[str]
    """Variables that the reply does not have, and that are not there from now on."""


class Step:
    """One step, made once from its settings.

    `optional` are the variables that need not be found, for some condition asks whether they are there; `spent` those
    that may work only once; `brought` those that replies bring. `once`: its run spends what cannot be had again, so
    that it is not tried twice, whatever it sends itself.
    """

    def __init__(
        self,
        settings: StepSettings,
        endpoint: Endpoint,
        clock: Clock,
        *,
        optional: frozenset[str],
        spent: frozenset[str],
        brought: frozenset[str],
        once: bool = False,
    ) -> None:
        self.name = settings.name
        self.settings = settings
        self._endpoint = endpoint
        self._clock = clock
        names = settings.request.names
        self._spent = spent
        self.spends = bool(names & spent)
        """What it sends may work only once."""
        self._once = once or self.spends or (settings.request.method not in _SAFE and bool(names & brought))
        self._optional = optional
        self._accepts = statuses_of(settings.succeeds_when.status)
        self._places = {name: make_extractor(extractor) for name, extractor in settings.extract.items()}

    def __repr__(self) -> str:
        return f"<Step {self.name}>"

    @property
    def places(self) -> Mapping[str, str]:
        """Return where it finds its variables, as a message may name the places."""
        return {name: f"{place.place} of step {self.name}" for name, place in self._places.items()}

    def secrets_in(self, reply: Reply) -> frozenset[str]:
        """Return what it takes out of a reply, as texts."""
        return found_in(reply, *self._places.values())

    def skipped_for(self, variables: Mapping[str, Secret]) -> str | None:
        """Return why it is to be skipped; None: it is not.

        Raises:
            TokenRequestError: it cannot be told.
        """
        try:
            unmet = first_unmet(self.settings.when, variables)
        except PatternTimeoutError as error:
            raise TokenRequestError(Symptom.REQUEST, f"{self._subject}: {error}") from None
        return None if unmet is None else f"`when` asks whether {unmet}"

    def address(self, variables: Mapping[str, Secret], *, plain: bool) -> str:
        """Return the address that a person opens; `plain`: it may be one of http.

        Raises:
            TokenRequestError: it cannot be told.
            SignInError: it may not be opened.
        """
        request, browser = self._request(variables, None), self.settings.browser
        if browser is None or browser.open is None:
            return request.url
        try:
            return browser.check_opened(variables[browser.open].reveal(), plain=plain)
        except ValueError as error:
            detail = f"{self._subject}: the address in {browser.open} may not be opened: {error}"
            raise SignInError("misconfigured", _NOT_OPENED, detail=detail) from None

    async def take(self, variables: Mapping[str, Secret], *, kept: Collection[str], jar: Jar | None) -> Brought:
        """Send the request and return what its reply brings.

        `kept` are the variables that may stay as they are if the reply does not bring them. The cookies of `jar` go
        with the request, and it takes those of the reply.

        Raises:
            TokenRequestError: it did not succeed; names the step.
        """
        request = self._request(variables, jar)
        values: dict[str, Secret] = {}
        try:
            reply = await self._endpoint.call(request)
            self._extract(request, reply, values)
            gone = self._optional & self._places.keys() - values.keys()
            still = {name: secret for name, secret in variables.items() if name not in gone}
            self._judge(request, reply, {**still, **values})
            self._see_that_none_is_missing(request, values.keys() | gone | set(kept))
        except TokenRequestError as error:
            told = named(error, self._subject)
            told.variables = {name: values[name] for name in self._spent & values.keys()}
            raise told from None
        if jar is not None:
            jar.take(request.url, reply)
        return Brought(request, reply, values, gone)

    @property
    def _subject(self) -> str:
        return f"step {self.name}"

    def _request(self, variables: Mapping[str, Secret], jar: Jar | None) -> EndpointRequest:
        if missing := sorted(self.settings.request.names - variables.keys()):
            sentence = f"it needs the variable {missing[0]}, and no step that was taken has brought that"
            raise named(TokenRequestError(Symptom.REQUEST, sentence), self._subject)
        try:
            request = self.settings.request.build(variables, Moment.of(self._clock))
        except TokenRequestError as error:
            raise named(error, self._subject) from None
        cookies = "" if jar is None else jar.line(request.url)
        headers = tuple(_with_cookies(request.headers, cookies)) if cookies else request.headers
        again = partial(self._request, variables, jar)  # another try tells the time and signs anew
        return replace(request, headers=headers, spends=self._once, step=self.name, accepts=self._accepts, again=again)

    def _extract(self, request: EndpointRequest, reply: Reply, values: dict[str, Secret]) -> None:
        """Add what is found to the values: all of it, before anything that is wrong is told."""
        wrong: list[TokenRequestError] = []
        for name, place in self._places.items():
            try:
                values[name] = _checked(str(place.extract(reply)))
            except BooleanError as error:
                values[name] = Secret("true" if error.value else "false")
            except NotFoundError:
                continue
            except ExtractError as error:
                if name in self._optional:
                    continue
                sentence = f"in the reply to {request.subject}, {name}: {error}"
                wrong.append(
                    unreadable(request.subject, reply, error, place.place)
                    if isinstance(error, FormatError)
                    else TokenRequestError(Symptom.VARIABLE_NOT_FOUND, sentence)
                )
        if wrong:
            raise wrong[0]

    def _see_that_none_is_missing(self, request: EndpointRequest, known: Collection[str]) -> None:
        for name, place in self._places.items():
            if name not in known:
                sentence = f"the reply to {request.subject} has no {name} at {place.place}"
                raise TokenRequestError(Symptom.VARIABLE_NOT_FOUND, sentence)

    def _judge(self, request: EndpointRequest, reply: Reply, variables: Mapping[str, Secret]) -> None:
        answered = f"{request.subject} answered {reply.status} ({reply.media_type})"
        if reply.status not in self._accepts:
            raise TokenRequestError(Symptom.STEP_REFUSED, f"{answered}, which is no success here")
        try:
            unmet = first_unmet(self.settings.succeeds_when.all, variables)
        except PatternTimeoutError as error:
            raise TokenRequestError(Symptom.REQUEST, str(error)) from None
        if unmet is not None:
            raise TokenRequestError(Symptom.STEP_REFUSED, f"{answered}, and it is not so that {unmet}")


def named(error: TokenRequestError, subject: str) -> TokenRequestError:
    """Return the same error with the step's name before it."""
    return TokenRequestError(
        error.symptom, f"{subject}: {error.sentence}", retry_after=error.retry_after, unheeded=error.unheeded
    )


def _checked(value: str) -> Secret:
    if len(value) > LONGEST_VALUE:
        raise ExtractError(f"more than {LONGEST_VALUE // 1024} KiB stand there")
    return Secret(value)


def _with_cookies(headers: tuple[tuple[str, str], ...], cookies: str) -> Iterator[tuple[str, str]]:
    """Yield the headers with these cookies behind those that are sent anyway; RFC 6265 §5.4 wants one line."""
    own = [value for name, value in headers if name.lower() == "cookie"]
    taken = {pair.partition("=")[0].strip() for value in own for pair in value.split(";")}
    more = [pair for pair in cookies.split("; ") if pair.partition("=")[0] not in taken]
    yield from (pair for pair in headers if pair[0].lower() != "cookie")
    yield "Cookie", "; ".join([*own, *more])
