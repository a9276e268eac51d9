"""Fits settings to one user: what stands in them between braces are variables that each user has, or has not.

Only credentials that are per user have such places. Addresses have none: where requests go is for the operator to say.
"""

from collections.abc import Mapping
from typing import Any, Final

from proxy.core.errors import FetchError, Reason
from proxy.core.secret import Secret
from proxy.core.settings import Settings
from proxy.core.template import Template

Values = Mapping[str, Secret]
REMEDY: Final = "write it down with PUT /api/v1/users/{id}"


class Fitting(Settings):
    """A part of settings in which variables of users may stand."""

    @property
    def fitted_fields(self) -> Mapping[str, Any]:
        """Return the fields in whose texts they may."""
        return {}


def names_in(value: Any) -> frozenset[str]:
    """Return the variables that stand in a text, a secret, a template, or a container of these."""
    if isinstance(value, Template):
        return value.names
    if isinstance(value, str | Secret):
        return _template(value).names
    if isinstance(value, Mapping):
        return names_in(tuple(value.values()))
    if isinstance(value, tuple):
        return frozenset[str]().union(*map(names_in, value))
    return names_in(value.fitted_fields) if isinstance(value, Fitting) else frozenset()


def fitted(value: Any, values: Values) -> Any:
    """Return the same with a user's values in the places of variables.

    Raises:
        UndefinedVariableError: one has no value.
    """
    if isinstance(value, Template):
        return Template.literal(value.render(values))
    if isinstance(value, str):
        return _template(value).render(values)
    if isinstance(value, Secret):
        return Secret(_template(value).render(values))
    if isinstance(value, Mapping):
        return {name: fitted(one, values) for name, one in value.items()}
    if isinstance(value, tuple):
        return tuple(fitted(one, values) for one in value)
    if isinstance(value, Fitting):
        return value.model_copy(update=fitted(value.fitted_fields, values))
    return value


def lacking(name: str) -> FetchError:
    """Return why no token can be asked for a user of whom a variable is not known."""
    return FetchError(Reason.INTERNAL, f"the variable {name} has no value for this user; {REMEDY}", asked=False)


def _template(text: str | Secret) -> Template:
    template = Template(text if isinstance(text, str) else text.reveal())
    if template.needs_moment:
        raise ValueError("neither the time nor a random number can stand here")
    return template
