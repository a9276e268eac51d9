"""Injectors say where a token goes in a request. The family's table."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Final

from proxy.core.kinds import OneOf, Table
from proxy.core.message import NOTHING, Injection
from proxy.core.secret import Secret
from proxy.core.token import NO_VARIABLES, Token
from proxy.injectors.aws_sigv4 import AwsSigv4
from proxy.injectors.base import Injector, InjectorSettings
from proxy.injectors.body import Body
from proxy.injectors.cookie import Cookie
from proxy.injectors.cookies import Cookies
from proxy.injectors.header import Header
from proxy.injectors.hmac import Hmac
from proxy.injectors.query import Query

KINDS: Final[Table[type[Injector]]] = Table(
    "proxy.injectors",
    {
        "header": Header,
        "query": Query,
        "cookie": Cookie,
        "cookies": Cookies,
        "body": Body,
        "hmac": Hmac,
        "aws_sigv4": AwsSigv4,
    },
)

AnyInjector = Annotated[InjectorSettings, OneOf(KINDS)]
"""A settings field that takes any injector."""


def make_injector(settings: InjectorSettings, fixed: Mapping[str, Secret] = NO_VARIABLES) -> Injector:
    """Return the injector that these settings describe; `fixed` are variables that do not come with tokens."""
    return KINDS[settings.kind](settings, fixed)


def inject_all(injectors: Iterable[Injector], token: Token) -> Injection:
    """Return what the token adds to a request.

    Raises:
        InjectError: the token must not stand in one of the places.
    """
    injection = NOTHING
    for injector in injectors:
        injection = injector.inject(injection, token)
    return injection
