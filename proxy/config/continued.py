"""Workflows that go on with the steps of another one when a person comes back: a name becomes what it stands for.

Theory. This happens once, when a configuration is loaded, so that whoever reads the settings finds steps, and settings
are others as soon as the steps are. A workflow that is there for this alone has variables that only people bring.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from proxy.config.positions import Loc
from proxy.config.schema import Config
from proxy.config.sentences import closest
from proxy.credentials.base import CredentialSettings
from proxy.credentials.workflow import WorkflowSettings
from proxy.credentials.workflow_names import check

Found = tuple[Loc, str, str]
"""A place, a message in which `{value}` stands for the value, and the value."""
_OF_NO_USE: Final = ("inject", "rejected_when", "safety_window", "refresh", "token", "expiry", "cookies", "save_to")
"""What counts for a workflow's own tokens alone."""


def continued(config: Config) -> Config:
    """Return the configuration with steps in the place of names; where there is something wrong, with none."""
    changed: dict[str, CredentialSettings] = {}
    for name, settings, other in _names(config.credentials):
        try:
            changed[name] = _continued(settings, config.credentials.get(other))
        except ValueError:
            changed[name] = settings.model_copy(update={"on_callback": ()})
    return config.model_copy(update={"credentials": {**config.credentials, **changed}}) if changed else config


def continuing(config: Config) -> frozenset[str]:
    """Return the credentials whose steps others go on with."""
    return frozenset(other for _, _, other in _names(config.credentials))


def lent(config: Config) -> frozenset[str]:
    """Return the credentials whose steps others go on with, and which nobody uses for themselves."""
    return continuing(config) - _used(config)


def excused(config: Config, data: Any) -> frozenset[str]:
    """Return the credentials that may be there for another one, sound or misspelt as its words may be.

    Which variables they have, nobody can tell. `data` is the whole file as dicts and lists.
    """
    section = data.get("credentials") if isinstance(data, dict) else None
    written = section.values() if isinstance(section, dict) else ()
    if any(isinstance(one, dict) and isinstance(one.get("on_callback"), str) for one in written):
        return frozenset(config.credentials) - _used(config)
    return frozenset()


def _used(config: Config) -> frozenset[str]:
    workflows = [its for its in config.credentials.values() if isinstance(its, WorkflowSettings)]
    by_routes = {name for route in config.routes.values() for name in route.credential_names}
    return frozenset(by_routes.union(*(its.save_to for its in workflows)))


def continuation_flaws(config: Config, known: Collection[str]) -> Iterator[Found]:
    """Yield what is wrong. `known` are the names of all credentials, those included that are not sound."""
    for name, settings, other in _names(config.credentials):
        loc: Loc = ("credentials", name, "on_callback")
        if other not in known:
            workflows = {one: its for one, its in config.credentials.items() if isinstance(its, WorkflowSettings)}
            able = [one for one, its in workflows.items() if its.steps and not its.signs_in]
            yield loc, f"no credential is called {{value}}; {closest(other, able)}", other
        elif other in config.credentials:
            try:
                _continued(settings, config.credentials[other])
            except ValueError as error:
                yield loc, str(error), other


def unheeded(config: Config) -> Iterator[tuple[Loc, str]]:
    """Yield what is configured of workflows that lend their steps, and changes nothing."""
    for name in sorted(lent(config)):
        settings = config.credentials.get(name)
        written = settings.model_fields_set if isinstance(settings, WorkflowSettings) else ()
        for field in (field for field in _OF_NO_USE if field in written):
            why = "only `steps` and `variables` count where another workflow goes on with this one"
            yield ("credentials", name, field), f"{why}; write it there, or take it out"


def _names(credentials: Mapping[str, CredentialSettings]) -> Iterator[tuple[str, WorkflowSettings, str]]:
    """Yield each workflow that names another one, and which."""
    for name, settings in credentials.items():
        if isinstance(settings, WorkflowSettings) and isinstance(settings.on_callback, str):
            yield name, settings, settings.on_callback


def _continued(settings: WorkflowSettings, other: CredentialSettings | None) -> WorkflowSettings:
    """Return the same with the other's steps in the place of its name, and its variables beneath their own.

    Raises:
        ValueError: these steps cannot be taken here; the message is that of a flaw.
    """
    if not isinstance(other, WorkflowSettings):
        kind = "missing" if other is None else f"of kind {other.kind}"
        raise ValueError(f"{{value}} is {kind}; name one of kind workflow, whose `steps` are taken")  # noqa: TRY004
    if other.signs_in:
        raise ValueError("{value} has a step with a browser of its own; name a workflow of requests alone")
    if not other.steps:
        raise ValueError("{value} has no steps to go on with; write some there, or here in its place")
    if other.per_user and not settings.per_user:
        why = "{value} is `per_user`, and this one has one token for all, so that its steps would miss who the user is"
        raise ValueError(f"{why}; say the same of both")
    variables = {**other.variables, **settings.variables}
    try:
        check(settings.steps, other.steps, settings.refresh, given=variables, plain=settings.allow_plain_http)
    except ValueError as error:
        raise ValueError(f"the steps of {{value}} cannot be taken here: {error}") from None
    return settings.model_copy(update={"on_callback": other.steps, "variables": variables})
