"""What is wrong with a configuration, and where it stands."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a configuration, and where it stands."""

    file: str
    line: int
    column: int
    message: str
    warning: bool = False

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {'warning: ' if self.warning else ''}{self.message}"


class ConfigError(Exception):
    """A configuration that cannot be used, with every problem found."""

    def __init__(self, problems: tuple[Problem, ...], files: Mapping[Path, str] | None = None) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems
        self.files = dict(files or {})
        """The files that were looked at, with a digest of what stood there: a change to any of them may be the cure."""
