"""What stands between the braces of a template: sources joined by `+`, then filters, each after a `|`.

A source is the name of a variable, a quoted text, or one of the functions `now(FORMAT)`, `uuid` and `timestamp`. It is
taken apart when the configuration is read. Nothing in it is run: a filter is a row of a table.
"""

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Final, NamedTuple

from pydantic import AfterValidator, Field

from proxy.core.filters import FILTERS, Value, text_of
from proxy.core.moment import NAMED_FORMATS, Moment, check_format
from proxy.core.secret import Secret

Variables = Mapping[str, str | Secret]
"""Values by name. A secret is passed as one, so that what is made of it is known to be secret, too."""

_TOKEN: Final = re.compile(r"""\s*(\}\}|[A-Za-z_][A-Za-z0-9_]*|"[^"]*"|'[^']*'|[|+()])""")
_QUOTES: Final = frozenset("\"'")
REMEDY: Final = "`{{` begins a name here: write {{ NAME }}, and put a value that contains `{{` into a variable"
_FORMATS: Final = f"""{", ".join(NAMED_FORMATS)}, or a quoted format such as "%Y-%m-%d\""""
_FUNCTIONS: Final[Mapping[str, Callable[[Moment], str]]] = {
    "uuid": lambda moment: moment.uuid,
    "timestamp": lambda moment: moment.timestamp,
}
RESERVED: Final = frozenset({"now", *_FUNCTIONS})
"""Names of functions, which no variable may have."""


def _unreserved(name: str) -> str:
    if name in RESERVED:
        raise ValueError(f"{name} is a function of templates: give the variable another name, such as my_{name}")
    return name


VariableName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$"), AfterValidator(_unreserved)]
"""The name of a variable, as settings define one."""


class UndefinedVariableError(LookupError):
    """A template names a variable that has no value."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the variable {name} is not defined")
        self.name = name


class _Source(NamedTuple):
    """A text to be had. `name` for a variable, else `take` says it of the moment."""

    source: str
    name: str | None = None
    take: Callable[[Moment], str] | None = None
    literal: str = ""

    def value(self, variables: Variables, moment: Moment | None, used: list[Secret]) -> str:
        if self.take is not None:
            if moment is None:
                raise UndefinedVariableError(self.source)
            return self.take(moment)
        if self.name is None:
            return self.literal
        value = variables.get(self.name)
        if value is None:
            raise UndefinedVariableError(self.name)
        if isinstance(value, Secret):
            used.append(value)
            return value.reveal()
        return value


class _Step(NamedTuple):
    """One filter with its argument."""

    word: str
    argument: _Source | None = None

    @property
    def source(self) -> str:
        return f"{self.word}({self.argument.source})" if self.argument else self.word


class Expression:
    """One place of a template."""

    __slots__ = ("_sources", "_steps", "names", "needs_moment", "source")

    def __init__(self, sources: tuple[_Source, ...], steps: tuple[_Step, ...] = ()) -> None:
        self._sources = sources
        self._steps = steps
        arguments = [step.argument for step in steps if step.argument]
        self.names: frozenset[str] = frozenset(source.name for source in (*sources, *arguments) if source.name)
        """The variables that it needs."""
        self.needs_moment = any(source.take for source in (*sources, *arguments))
        """True when it says the time or a random number."""
        pipeline = (" + ".join(source.source for source in sources), *(step.source for step in steps))
        self.source = f"{{{{ {' | '.join(pipeline)} }}}}"
        """It in its one canonical spelling."""

    def value(self, variables: Variables, moment: Moment | None) -> str:
        """Return the text for the place. What filters make of secrets is remembered as secret, too.

        Raises:
            UndefinedVariableError: a variable has no value, or the time is asked for where there is no moment.
            UnicodeEncodeError: a value holds what UTF-8 cannot write, and a filter needs its bytes.
        """
        used: list[Secret] = []
        value: Value = "".join(source.value(variables, moment, used) for source in self._sources)
        for step in self._steps:
            argument = step.argument.value(variables, moment, used) if step.argument else ""
            value = FILTERS[step.word].apply(value, argument)
            for secret in used:
                secret.remember(text_of(value))
        return text_of(value)


def read(text: str, start: int) -> tuple[Expression, int]:
    """Return the expression that begins at `start`, behind the braces, and where the text goes on after it.

    Raises:
        ValueError: it is none; the message says what to write.
    """
    reader = _Reader(text, start)
    return reader.expression(), reader.at


class _Reader:
    """Takes the tokens one after the other."""

    def __init__(self, text: str, start: int) -> None:
        self._text = text
        self.at = start
        """Behind the last token that was taken."""

    def expression(self) -> Expression:
        sources = [self._source()]
        while self._takes("+"):
            sources.append(self._source())
        steps: list[_Step] = []
        while self._takes("|"):
            steps.append(self._step())
        if not self._takes("}}"):
            raise ValueError(REMEDY)
        return Expression(tuple(sources), tuple(steps))

    def _source(self) -> _Source:
        token = self._take()
        if token[0] in _QUOTES:
            return _quoted(token)
        if not token[0].isidentifier():
            raise ValueError(REMEDY)
        if token == "now":  # noqa: S105 - a word of the template
            return self._now()
        if self._takes("("):
            written = f"; write {{{{ NAME | {token} }}}}" if token in FILTERS else ""
            raise ValueError(f"only now takes something in parentheses here, {token} does not{written}")
        if token in _FUNCTIONS:
            return _Source(token, take=_FUNCTIONS[token])
        return _Source(token, name=token)

    def _now(self) -> _Source:
        if not self._takes("("):
            raise ValueError(f"now needs a format, such as now(iso8601): {_FORMATS}")
        token = self._take()
        if token[0] in _QUOTES:
            given, shown = check_format(token[1:-1]), _quoted(token).source
        elif token in NAMED_FORMATS:
            given, shown = NAMED_FORMATS[token], token
        else:
            raise ValueError(f"now takes one of {_FORMATS}")
        self._close("now")
        return _Source(f"now({shown})", take=lambda moment: moment.write(given))

    def _step(self) -> _Step:
        word = self._take()
        if word not in FILTERS:
            named = f" {word}" if word.isidentifier() else ""
            raise ValueError(f"unknown filter{named}; there are {', '.join(FILTERS)}")
        given = self._takes("(")
        if given is not FILTERS[word].has_argument:
            shown = f"{word}(KEY), where KEY is a variable" if FILTERS[word].has_argument else f"{word} alone"
            raise ValueError(f"the filter {word} {'takes no' if given else 'needs an'} argument; write {shown}")
        if not given:
            return _Step(word)
        argument = self._source()
        self._close(word)
        return _Step(word, argument)

    def _close(self, word: str) -> None:
        if not self._takes(")"):
            raise ValueError(f"{word} takes one thing in parentheses")

    def _take(self) -> str:
        """Take the next token, whatever it is."""
        found = _TOKEN.match(self._text, self.at)
        if found is None:
            raise ValueError(REMEDY)
        self.at = found.end()
        return found[1]

    def _takes(self, token: str) -> bool:
        """Take the next token if it is this one."""
        found = _TOKEN.match(self._text, self.at)
        if found is None or found[1] != token:
            return False
        self.at = found.end()
        return True


def _quoted(token: str) -> _Source:
    text = token[1:-1]
    return _Source(f"'{text}'" if '"' in text else f'"{text}"', literal=text)
