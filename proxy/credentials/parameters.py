"""Parameters of a token request: scopes, and what else a provider wants, as often as it wants it (RFC 6749 App. B)."""

import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from proxy.core.symptom import Symptom, TokenRequestError
from proxy.core.template import Template

_SCOPE: Final = re.compile(r"[!#-\[\]-~]+(?: [!#-\[\]-~]+)*")
"""RFC 6749 §3.3."""
_ABSOLUTE: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[!-\"$-~]+")
"""RFC 3986 §4.3: no fragment."""


def _joined(scope: Any) -> Any:
    """Join a list of scopes by spaces."""
    return " ".join(scope) if isinstance(scope, list) and all(isinstance(one, str) for one in scope) else scope


def _scope(scope: str) -> str:
    if scope and not _SCOPE.fullmatch(scope):
        raise ValueError("scopes are words of printable ASCII without quotes and backslashes, one space between them")
    return scope


def _fixed(template: Template) -> Template:
    if template.needs_moment:
        raise ValueError("neither the time nor a random number can stand here")
    return template


def _absolute(values: tuple[Template, ...]) -> tuple[Template, ...]:
    for value in [template.render({}) for template in values if not template.names]:
        if value and not _ABSOLUTE.fullmatch(value):
            raise ValueError(
                "a resource is an absolute URI without `#` and what follows, such as https://api.example.com/; "
                "a name that the provider has for it goes into `audience`"
            )
    return values


def _listed(given: Any) -> Any:
    return (given,) if isinstance(given, str) else tuple(given) if isinstance(given, list) else given


_TEXTS: Final = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
Scope = Annotated[str, BeforeValidator(_joined), AfterValidator(_scope), WithJsonSchema(_TEXTS)]
"""Scopes, as a text or a list."""
Values = Annotated[
    tuple[Annotated[Template, AfterValidator(_fixed)], ...], BeforeValidator(_listed), WithJsonSchema(_TEXTS)
]
"""The values of one parameter, as a text or a list."""


Resources = Annotated[Values, AfterValidator(_absolute)]
"""The addresses of what a token is to be used for (RFC 8707 §2), as a text or a list."""


def _with_resource(parameters: Mapping[str, tuple[Template, ...]]) -> Mapping[str, tuple[Template, ...]]:
    _absolute(parameters.get("resource", ()))
    return parameters


ParameterName = Annotated[str, Field(min_length=1)]
RESOURCE_CHECKED: Final = AfterValidator(_with_resource)
"""Of parameters by name, one called `resource` is what RFC 8707 makes of it."""


def rendered(values: Iterable[Template]) -> tuple[str, ...]:
    """Return what is sent."""
    return tuple(template.render({}) for template in values)


def written(fields: Iterable[tuple[str, str | tuple[str, ...]]]) -> bytes:
    """Return the fields as a form, in their order, each with all its values; empty ones are left out.

    Raises:
        TokenRequestError: one of them cannot be written.
    """
    every = ((name, value if isinstance(value, tuple) else (value,)) for name, value in fields)
    try:
        return urlencode([(name, one) for name, values in every for one in values if one]).encode("ascii")
    except UnicodeEncodeError:
        raise TokenRequestError(Symptom.REQUEST, "a parameter holds text that UTF-8 cannot write") from None
