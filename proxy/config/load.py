"""A configuration file becomes a `Config`, or every problem that stands in its way."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from proxy.config.check import Flaw, check
from proxy.config.continued import continued
from proxy.config.document import UnreadableError, parse
from proxy.config.files import FileError
from proxy.config.positions import Loc, Node, Place, place_of, spelled, values
from proxy.config.references import Surroundings, resolve
from proxy.config.schema import Config
from proxy.config.validate import validate
from proxy.core.problems import ConfigError, Problem
from proxy.core.secret import MASK, Secret


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration that can be used, and what it was made of."""

    config: Config
    warnings: tuple[Problem, ...]
    files: Mapping[Path, str]
    """Every file that it consists of, with a digest of what was read; a change to any of them asks for a new load."""
    secrets: tuple[Secret, ...] = ()
    """What its references brought: as long as it is in use, no text on its way out may show it."""


@dataclass(frozen=True, slots=True)
class Examined:
    """What a look at a configuration found."""

    config: Config | None
    """None: there are errors, or references that lead nowhere here left too much open."""
    problems: tuple[Problem, ...]
    """Errors and warnings in the order of their places."""
    files: Mapping[Path, str]
    unresolved: frozenset[Loc] = frozenset()
    """Values whose references lead nowhere here: the configuration has stand-ins for them."""
    secrets: tuple[Secret, ...] = ()
    """What its references brought."""

    @property
    def errors(self) -> tuple[Problem, ...]:
        """Return what makes the configuration unusable."""
        return tuple(problem for problem in self.problems if not problem.warning)


def load(path: Path, environ: Mapping[str, str], *, resolve: bool = True) -> Loaded:
    """Return the configuration of that file.

    Args:
        path: the file.
        environ: where `${env:…}` looks.
        resolve: False: a reference that leads nowhere is a warning, and a stand-in takes its place; a file of
            certificates that is not here is a warning, too.

    Raises:
        ConfigError: it cannot be used; all problems are in it.
    """
    examined = examine(path, environ, resolve=resolve)
    if examined.config is None or examined.errors:
        raise ConfigError(examined.problems, examined.files)
    return Loaded(examined.config, examined.problems, examined.files, examined.secrets)


def examine(path: Path, environ: Mapping[str, str], *, resolve: bool = True) -> Examined:
    """Return everything that can be said about the configuration of that file."""
    return _Examination(path, environ, strict=resolve).outcome()


class _Examination:
    """One look at one file."""

    def __init__(self, path: Path, environ: Mapping[str, str], *, strict: bool) -> None:
        self._name = str(path)
        self._path = path
        self._strict = strict
        self._surroundings = Surroundings(path.parent.absolute(), environ)
        self._problems: dict[tuple[Place, str], bool] = {}
        self._unresolved: frozenset[Loc] = frozenset()

    def outcome(self) -> Examined:
        config = None
        if (text := self._text()) is not None:
            try:
                config = self._config(parse(text, self._error))
            except UnreadableError:
                config = None
        problems = (
            Problem(self._name, place.line, place.column, message, warning=warning)
            for (place, message), warning in self._problems.items()
        )
        ordered = tuple(sorted(problems, key=lambda problem: (problem.line, problem.column)))
        secrets = tuple(self._surroundings.secrets)
        return Examined(config, ordered, self._surroundings.files, self._unresolved, secrets)

    def _text(self) -> str | None:
        """Return what stands in the file, if it is text."""
        try:
            content = self._surroundings.read(self._path.name)
        except FileError as error:
            self._error(Place(1, 1), str(error))
            return None
        try:
            return content.decode()
        except UnicodeDecodeError as error:
            before = content[: error.start]
            place = Place(before.count(b"\n") + 1, len(before.rpartition(b"\n")[2].decode(errors="replace")) + 1)
            self._error(place, "this byte is not UTF-8 text; save the file as UTF-8")
            return None

    def _config(self, root: Node) -> Config | None:
        noted = {place for place, _ in self._problems}
        flawed = {loc for loc, node in values(root) if node.place in noted}
        resolution = resolve(root, self._surroundings)
        for loc, message in resolution.malformed.items():
            self._error(place_of(root, loc), message)
        for loc, message in resolution.missing.items():
            self._note(place_of(root, loc), message, warning=not self._strict)
        self._unresolved = frozenset(resolution.missing)
        open_ends = frozenset(flawed | resolution.malformed.keys() | resolution.missing.keys())
        verdict = validate(root, resolution, open_ends, self._surroundings)
        for finding in verdict.findings:
            self._error(place_of(root, finding.loc, key=finding.is_about_key), _prefixed(finding.loc, finding.message))
        for flaw in check(verdict.usable, verdict.data):
            follows = any(part[: len(flaw.loc)] == flaw.loc for part in verdict.left_out | open_ends)
            if not follows and not (flaw.warning and verdict.config is None):
                self._flaw(flaw, root, resolution.values)
        return None if verdict.config is None else continued(verdict.config)

    def _flaw(self, flaw: Flaw, root: Node, referenced: Mapping[Loc, str]) -> None:
        shown = MASK if flaw.loc in referenced else repr(flaw.value)
        message = flaw.message.replace("{value}", shown)
        warning = flaw.warning or (flaw.absent and not self._strict)
        self._note(place_of(root, flaw.loc), _prefixed(flaw.loc, message), warning=warning)

    def _error(self, place: Place, message: str) -> None:
        self._note(place, message, warning=False)

    def _note(self, place: Place, message: str, *, warning: bool) -> None:
        self._problems.setdefault((place, message), warning)


def _prefixed(loc: Loc, message: str) -> str:
    return f"{spelled(loc)}: {message}" if loc else message
