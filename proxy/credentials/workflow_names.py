"""Which variables a workflow uses, where they come from, and which may work only once: told from settings alone."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Annotated, Any, Protocol

from pydantic import BeforeValidator, Field, WithJsonSchema

from proxy.core.secret import Secret
from proxy.core.template import Template
from proxy.credentials.browser import MADE, STATE
from proxy.credentials.condition import ConditionSettings
from proxy.credentials.request import RequestSettings
from proxy.credentials.workflow_steps import StepSettings

Loc = tuple[str | int, ...]


def _listed(names: Any) -> Any:
    return names if isinstance(names, list | tuple) else [names]


Names = Annotated[
    tuple[str, ...],
    BeforeValidator(_listed),
    Field(strict=False),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]
"""Names of credentials, as a text or a list."""


def brought_by(steps: Sequence[StepSettings]) -> frozenset[str]:
    """Return the variables that any of the steps may bring."""
    return frozenset(name for step in steps for name in step.extract)


def used_by(steps: Sequence[StepSettings]) -> frozenset[str]:
    """Return the variables that any of the steps sends."""
    return frozenset[str]().union(*(step.request.names for step in steps))


def asked_of(steps: Sequence[StepSettings]) -> frozenset[str]:
    """Return the variables that conditions of any of the steps are about."""
    return frozenset[str]().union(*(step.asked_of for step in steps))


def check(
    steps: Sequence[StepSettings],
    on_callback: Sequence[StepSettings] | str,
    refresh: Sequence[StepSettings],
    *,
    given: Collection[str],
    plain: bool,
) -> None:
    """See that the steps can be taken, and told apart, and send nothing secret readable, unless that may be: `plain`.

    `given` are the variables that have first values. Steps that are known by a name alone are not looked at.

    Raises:
        ValueError: it is not so.
    """
    every = (*steps, *(() if isinstance(on_callback, str) else on_callback), *refresh)
    names = [step.name for step in every]
    for step in every:
        if names.count(step.name) > 1:
            raise ValueError(f"two steps are called {step.name}; messages could not tell them apart")
        if step.request.is_plain_http and not plain:
            raise ValueError(
                f"the url of step {step.name} is not https; "
                "secrets would travel readable unless `allow_plain_http: true`"
            )
    browser = steps[-1].browser if steps else None
    has_browser = browser is not None
    if sum(step.browser is not None for step in every) > has_browser:
        raise ValueError("a step with a browser can only be the last of `steps`; what follows it is `on_callback`")
    if on_callback and not has_browser:
        raise ValueError("`on_callback` follows a step with a browser, and the last of `steps` is none")
    if has_browser and STATE not in used_by([step for step in steps if not (step.browser and step.browser.open)]):
        where = "what an earlier step sends" if browser and browser.open else "the address of the browser"
        raise ValueError(
            f"nothing would tell what somebody comes back from; put {{{{ {STATE} }}}} into {where}, "
            "so that it comes back as the parameter `state`"
        )
    if has_browser and (gone := sorted(used_by(refresh) & MADE - {*given} - brought_by(every))):
        raise ValueError(f"{gone[0]} is known while somebody signs in, and not in `refresh`; write there what it is")


def needed_by(steps: Sequence[StepSettings]) -> frozenset[str]:
    """Return the variables without which the steps cannot be taken, whatever their conditions say."""
    needed, known = set[str](), set[str]()
    for step in steps:
        if not step.when:
            needed |= step.request.names - known
        known |= step.extract.keys()
    return frozenset(needed)


def spent_by(steps: Sequence[StepSettings], refresh: Sequence[StepSettings]) -> frozenset[str]:
    """Return the variables that a run may bring and the next one sends, before it has new ones for sure."""
    brought = brought_by((*steps, *refresh))
    new, spent = set[str](), set[str]()
    for step in refresh:
        spent |= (step.request.names & brought) - new
        if not step.when:
            new |= step.extract.keys()
    return frozenset(spent)


class Spending(Protocol):
    """The settings of a workflow of which each run may use up what the one before it brought."""

    steps: tuple[StepSettings, ...]
    refresh: tuple[StepSettings, ...]
    variables: Mapping[str, Secret]

    @property
    def spent(self) -> frozenset[str]:
        """Return the variables that may work only once."""

    @property
    def starts_over(self) -> bool:
        """Return True when the steps can bring a token at any time."""


def beginning_of(settings: Spending) -> tuple[str | Secret, ...]:
    """Return what the first run begins with: what it spends, or else everything that it sends."""
    variables, spent = settings.variables, settings.spent
    spending = [step.request.place for step in settings.refresh if step.request.names & spent]
    if not settings.starts_over:
        return (*spending, *(variables[name] for name in sorted(spent & variables.keys())))
    written = [step.request.written for step in settings.steps]
    return (*spending, *written, *(variables[name] for name in sorted(used_by(settings.steps) & variables.keys())))


def flaws_of(
    steps: Sequence[StepSettings],
    refresh: Sequence[StepSettings],
    *,
    first: Collection[str],
    token: Template,
    made: Collection[str],
) -> Iterator[tuple[Loc, str]]:
    """Yield where a variable is used that can have no value there, and what to do about it.

    `first` are the variables that have first values, `made` those that a run makes of its own accord.
    """
    for place, name in unknown_in(steps, refresh, first=first, token=token, made=made):
        if place == ("token",):
            remedy = "add it to `extract` of a step, or name another under `token`"
            yield place, f"no step brings the variable {name} that `token` is made of; {remedy}"
        elif place[-1] == "variable":
            why = "no step brings it, and `variables` does not have it; check the name"
            yield place, f"the variable {name} has no value: {why}"
        else:
            remedy = f"give {name} a first value under `variables`, or let an earlier step `extract` it"
            yield place, f"the variable {name} has no value in this step; {remedy}"


def unknown_in(
    steps: Sequence[StepSettings],
    refresh: Sequence[StepSettings],
    *,
    first: Collection[str],
    token: Template,
    made: Collection[str],
) -> Iterator[tuple[Loc, str]]:
    """Yield each variable that can have no value where it is used, with that place."""
    has_browser = any(step.browser for step in steps)
    first = {*first, *MADE} if has_browser else first
    first_run = {*first, *brought_by(steps)}
    yield from _undefined("steps", steps, {*first})
    yield from _unknown_conditions("steps", steps, first_run)
    if has_browser:
        return  # what people come back with, nobody can tell
    yield from _undefined("refresh", refresh, {*first_run, *made})
    yield from _unknown_conditions("refresh", refresh, {*first_run, *brought_by(refresh)})
    if steps:
        yield from ((("token",), name) for name in sorted(token.names - first_run - {*made}))


def _undefined(word: str, steps: Sequence[StepSettings], known: set[str]) -> Iterator[tuple[Loc, str]]:
    for index, step in enumerate(steps):
        for name in sorted(step.request.names - known):
            if step.browser is not None:
                yield (word, index, "browser", "open" if step.browser.open else "url"), name
            else:
                yield (word, index, "request", *_place(step.request, name)), name
        known |= step.extract.keys()


def _unknown_conditions(word: str, steps: Sequence[StepSettings], known: set[str]) -> Iterator[tuple[Loc, str]]:
    for index, step in enumerate(steps):
        places: list[tuple[Loc, ConditionSettings]] = [
            (("when", at), condition) for at, condition in enumerate(step.when)
        ]
        places += [(("succeeds_when", "all", at), condition) for at, condition in enumerate(step.succeeds_when.all)]
        for place, condition in places:
            if condition.variable not in known:
                yield (word, index, *place, "variable"), condition.variable


def _place(request: RequestSettings, name: str) -> Loc:
    """Return where in the request the variable stands first."""
    for field, template in (("url", request.url), ("json", request.json_), ("body", request.body)):
        if template is not None and name in template.names:
            return (field,)
    for field, rows in (("query", request.query), ("headers", request.headers), ("form", request.form or {})):
        for key, row in rows.items():
            if name in row.names:
                return (field, key)
    return ()
