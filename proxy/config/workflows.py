"""What is wrong inside credentials and between them: variables without a value, and who saves to whom."""

from collections.abc import Collection, Iterator, Mapping

from proxy.config.positions import Loc
from proxy.config.sentences import closest
from proxy.credentials.base import CredentialSettings
from proxy.credentials.workflow import WorkflowSettings
from proxy.credentials.workflow_names import brought_by, spent_by

Found = tuple[Loc, str, str]
"""A place, a message in which `{value}` stands for the value, and the value."""


def workflow_flaws(
    credentials: Mapping[str, CredentialSettings], known: Collection[str], excused: Collection[str] = ()
) -> Iterator[Found]:
    """Yield what is wrong.

    `known` are the names of all credentials, those included that are not sound; `excused` those that may be there for
    another one to go on with: which variables they have then, nobody can tell.
    """
    for name, settings in credentials.items():
        for loc, message in () if name in excused else settings.flaws():
            yield ("credentials", name, *loc), message, ""
        if isinstance(settings, WorkflowSettings):
            yield from _targets(name, settings, credentials, known)
    yield from _waiting_for_nobody(credentials)


def _targets(
    name: str, settings: WorkflowSettings, credentials: Mapping[str, CredentialSettings], known: Collection[str]
) -> Iterator[Found]:
    brought, taken = brought_by((*settings.steps, *settings.refresh)), settings.spent
    for index, target in enumerate(settings.save_to):
        loc: Loc = ("credentials", name, "save_to", index)
        workflows = [other for other, its in credentials.items() if isinstance(its, WorkflowSettings) and other != name]
        if target not in known:
            yield loc, f"no credential is called {{value}}; {closest(target, workflows)}", target
        elif target in credentials and not isinstance(credentials[target], WorkflowSettings):
            kind = credentials[target].kind
            remedy = "make it one of kind workflow, with `steps: []`: only those make a token of variables"
            yield loc, f"{{value}} is of kind {kind}; {remedy}", target
        elif name in _reached_from(target, credentials):
            yield loc, f"{{value}} saves to {name} in turn, so neither would ever be done; take one of them out", target
        elif target in credentials and (settings.per_user or credentials[target].per_user):
            yield loc, "{value} cannot be saved to: variables of users stay with their user; take it out", target
        elif shared := brought & taken & _spent(credentials.get(target)):
            remedy = f"let one of them alone refresh with {min(shared)}"
            yield loc, f"{{value}} would spend the same {min(shared)}, which may work only once; {remedy}", target
        taken |= _spent(credentials.get(target))


def repeated_beginnings(credentials: Mapping[str, CredentialSettings]) -> Iterator[tuple[Loc, str]]:
    """Yield first values that every run of a workflow sends, though replies bring what may have to follow them."""
    for name, settings in credentials.items():
        if isinstance(settings, WorkflowSettings) and not settings.refresh:
            begun_with = {variable for variable, value in settings.variables.items() if value}
            for variable in sorted(spent_by(settings.steps, settings.steps) & begun_with):
                remedy = "if it works only once, write steps that send the new one under `refresh`"
                why = f"every run sends this {variable} again, and not the one that the reply before brought"
                yield ("credentials", name, "variables", variable), f"{why}; {remedy}"


def _spent(settings: CredentialSettings | None) -> frozenset[str]:
    return settings.spent if isinstance(settings, WorkflowSettings) else frozenset()


def _reached_from(name: str, credentials: Mapping[str, CredentialSettings]) -> set[str]:
    """Return everything that is saved to when that credential has run, itself included."""
    reached, ahead = set[str](), [name]
    while ahead:
        one = ahead.pop()
        if one not in reached:
            reached.add(one)
            settings = credentials.get(one)
            ahead += settings.save_to if isinstance(settings, WorkflowSettings) else ()
    return reached


def _waiting_for_nobody(credentials: Mapping[str, CredentialSettings]) -> Iterator[Found]:
    workflows = {name: its for name, its in credentials.items() if isinstance(its, WorkflowSettings)}
    fed = {target for settings in workflows.values() for target in settings.save_to}
    for name, settings in workflows.items():
        if not settings.steps and name not in fed:
            why = "without steps, its token comes from what another credential saves to it, and none does"
            yield ("credentials", name), f"{why}; add steps, or `save_to: [{name}]` to another workflow", ""
