"""The one verb of an injector: add a token to what a request will carry."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Annotated, ClassVar, Final, Literal, Self

from pydantic import AfterValidator

from proxy.core.message import Injection
from proxy.core.secret import Secret
from proxy.core.settings import Settings
from proxy.core.template import Template, UndefinedVariableError
from proxy.core.token import NO_VARIABLES, Token

TOKEN: Final = "TOKEN"  # noqa: S105 - a variable's name
"""The variable that is the token itself."""
THE_TOKEN: Final = Template(f"{{{{ {TOKEN} }}}}")


class InjectError(Exception):
    """The token cannot stand where it should (CR, LF or NUL in a header value, say); the message never shows it."""


class InjectorSettings(Settings):
    """What every injector's settings share."""

    kind: str
    """Where the token goes."""

    @property
    def names(self) -> frozenset[str]:
        """Return the variables that it needs beside the token itself."""
        return frozenset()

    @property
    def places(self) -> tuple[tuple[str, str], ...]:
        """Return every place that it takes for itself: a kind and a name. Two that take the same are one too many."""
        return ()

    @property
    def signature(self) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
        """Return the headers and the parameters that it signs each request with; None: it signs none."""
        return None

    @property
    def masked(self) -> Self:
        """Return it without the texts of which a part may be secret, to show where it puts something."""
        return self


def timeless(template: Template) -> Template:
    """Return a template that can be written once for each token. Raises ValueError: it says the time."""
    if template.needs_moment:
        raise ValueError("this is written once for each token; the time and random numbers belong to `kind: hmac`")
    return template


class PlacedSettings(InjectorSettings):
    """What is said of a value that goes into one named place."""

    value: Annotated[Template, AfterValidator(timeless)] | None = None
    """What goes there; by default `{{ TOKEN }}`. The variables that the credential saves may stand in it, too."""
    mode: Literal["replace", "append", "keep"] = "replace"
    """replace drops the caller's own copy, append sends both, keep sends the caller's own if there is one."""

    @property
    def names(self) -> frozenset[str]:
        """Return the variables that it needs beside the token itself."""
        return frozenset() if self.value is None else self.value.names - {TOKEN}

    @property
    def name_of_place(self) -> str:
        """Return the name of the place."""
        return str(getattr(self, "name", ""))

    @property
    def places(self) -> tuple[tuple[str, str], ...]:
        """Return the place, unless it is shared with others."""
        return () if self.mode == "append" else ((self.kind, self.name_of_place),)

    @property
    def masked(self) -> Self:
        """Return it with the token alone as its value."""
        return self.model_copy(update={"value": None})


class Injector(ABC):
    """Puts a token somewhere. Called once per token generation, never per request."""

    Settings: ClassVar[type[InjectorSettings]]

    @abstractmethod
    def __init__(self, settings: InjectorSettings, fixed: Mapping[str, Secret] = NO_VARIABLES) -> None:
        """Make an injector from the settings of its own kind.

        `fixed` are variables of the credential that do not come with its tokens.
        """
        self._fixed = fixed

    @abstractmethod
    def inject(self, injection: Injection, token: Token) -> Injection:
        """Return the injection with this injector's part added.

        Raises:
            InjectError: the value must not stand there.
        """

    def variables(self, token: Token) -> dict[str, Secret]:
        """Return what templates may use: the token, what came with it, and what the credential has besides."""
        return {**self._fixed, **token.variables, TOKEN: token.value}

    def render(self, template: Template | None, token: Token) -> str:
        """Return the template with the variables' values in their places; None stands for the token alone.

        Raises:
            InjectError: a variable has no value, or there is nothing left to send.
        """
        if template is None:
            return token.value.reveal()
        return rendered(template, self.variables(token))


def rendered(template: Template, variables: Mapping[str, Secret]) -> str:
    """Return the template with the variables' values in their places.

    Raises:
        InjectError: a variable has no value, or one that a filter cannot take, or there is nothing left to send.
    """
    try:
        text = template.render(variables)
    except UndefinedVariableError as error:
        raise InjectError(f"the variable {error.name} has no value; the credential has to save it") from None
    except UnicodeEncodeError:
        raise InjectError("a variable holds text that UTF-8 cannot write") from None
    if not text:
        raise InjectError("what its template makes of the variables is empty")
    return text
