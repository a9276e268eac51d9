"""`${env:NAME}` and `${file:path}`: what a text of the configuration leaves for its surroundings to fill in.

What they bring is secret by origin: it is never repeated in a message. Only the reference itself is.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from proxy.config.files import ABSENT, FileError, digest, digest_of, read
from proxy.config.positions import Loc, Node, values
from proxy.core.secret import Secret

PATTERN: Final = r"\$\{(?:env|file):[^}]+\}"
"""What a reference looks like, for the schema that editors read."""

_REFERENCE: Final = re.compile(r"\$\$\{|\$\{([^}]*)(\}?)")
_ENV: Final = re.compile(r"env:([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?", re.DOTALL)
_REMEDY: Final = "write ${env:NAME}, ${env:NAME:-default} or ${file:path}; $${ stands for the characters themselves"


class MissingError(Exception):
    """A reference leads nowhere here; it may elsewhere."""


class MalformedError(Exception):
    """A reference is not written as one."""


@dataclass(slots=True)
class Surroundings:
    """Where references are looked up, and which files that took."""

    directory: Path
    """What relative paths are relative to: the directory of the configuration file."""
    environ: Mapping[str, str]
    files: dict[Path, str] = field(default_factory=dict)
    """Every file that was looked at, with a digest of its content."""
    secrets: set[Secret] = field(default_factory=set)
    """Every value that a variable or a file brought; what stands in the configuration itself is not among them."""

    def find(self, name: str) -> Path:
        """Return where a file stands that a setting names, and remember what is in it now."""
        path = self.directory / name
        self.files[path] = digest_of(path)
        return path

    def read(self, name: str) -> bytes:
        """Return what stands in a file that the configuration names.

        Raises:
            FileError: it cannot be read.
        """
        path = self.directory / name
        self.files[path] = ABSENT
        content = read(path)
        self.files[path] = digest(content)
        return content

    def resolve(self, text: str) -> str:
        """Return the text with its references filled in.

        Raises:
            MissingError: one of them leads nowhere.
            MalformedError: one of them cannot be understood.
        """
        return _REFERENCE.sub(self._value, text)

    def _value(self, match: re.Match[str]) -> str:
        if match[1] is None:
            return "${"
        scheme, _, rest = match[1].partition(":")
        if not match[2]:
            raise MalformedError(f"a reference begins here and is not closed by a brace; {_REMEDY}")
        if scheme == "env" and (parts := _ENV.fullmatch(match[1])):
            return self._variable(parts[1], parts[2])
        if scheme == "file" and rest:
            return self._known(self._content(rest))
        raise MalformedError(f"this is not a reference that Countersign knows; {_REMEDY}")

    def _variable(self, name: str, default: str | None) -> str:
        if value := self.environ.get(name):
            return self._known(value)
        if default is not None:
            return default
        state = "is empty" if name in self.environ else "is not set"
        raise MissingError(f"the environment variable {name} {state}; set it, or write ${{env:{name}:-default}}")

    def _known(self, value: str) -> str:
        self.secrets.add(Secret(value))
        return value

    def _content(self, name: str) -> str:
        try:
            text = self.read(name).decode()
        except FileError as error:
            raise MissingError(f"{error}; create it, or correct ${{file:{name}}}") from None
        except UnicodeDecodeError:
            raise MissingError(f"the file of ${{file:{name}}} does not hold UTF-8 text") from None
        text = text.removesuffix("\n").removesuffix("\r")
        if not text:
            raise MissingError(f"the file of ${{file:{name}}} is empty; write the value into it")
        return text


@dataclass(slots=True)
class Resolution:
    """What became of a tree's references."""

    values: dict[Loc, str] = field(default_factory=dict)
    """Texts whose references were filled in. Not to be shown."""
    escaped: dict[Loc, str] = field(default_factory=dict)
    """Texts that only had `$${` in them."""
    missing: dict[Loc, str] = field(default_factory=dict)
    """Texts that refer to what is not there, and why."""
    malformed: dict[Loc, str] = field(default_factory=dict)
    """Texts that hold something like a reference."""


def resolve(root: Node, surroundings: Surroundings) -> Resolution:
    """Look up every reference of the tree."""
    resolution = Resolution()
    for loc, node in values(root):
        text = node.value
        if not isinstance(text, str) or "${" not in text:
            continue
        try:
            value = surroundings.resolve(text)
        except MissingError as error:
            resolution.missing[loc] = str(error)
        except MalformedError as error:
            resolution.malformed[loc] = str(error)
        else:
            is_literal = "${" not in text.replace("$${", "")
            (resolution.escaped if is_literal else resolution.values)[loc] = value
    return resolution
