"""The pages of the documentation, and the fenced blocks in them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
PAGES: Final = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
_FENCE: Final = re.compile(r"^```(\w*) ?([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Fence:
    """One fenced block."""

    page: Path
    line: int
    """Where it begins."""
    language: str
    """The first word behind the fence."""
    about: str
    """The other words."""
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def fences(page: Path) -> Iterator[Fence]:
    """Yield the page's blocks in order."""
    text = page.read_text()
    for match in _FENCE.finditer(text):
        yield Fence(page, text.count("\n", 0, match.start()) + 1, match[1], match[2], match[3])


def all_fences(*languages: str) -> list[Fence]:
    """Return every block in one of these languages."""
    return [fence for page in PAGES for fence in fences(page) if fence.language in languages]


@dataclass(frozen=True)
class Command:
    """What somebody types, and what the page says is printed; a page may leave that out."""

    typed: str
    printed: str


def commands(fence: Fence) -> Iterator[Command]:
    """Yield the commands of a `console` block, lines that end in a backslash joined."""
    for part in re.split(r"^\$ ", fence.text.replace("\\\n", ""), flags=re.MULTILINE)[1:]:
        typed, _, printed = part.partition("\n")
        yield Command(typed, printed)


def shows(printed: str, output: str) -> bool:
    """Tell whether the output is what the page shows; `…` at the end of a line stands for the rest of that line."""
    lines = [re.escape(line).replace("…", ".*") for line in printed.splitlines()]
    return re.fullmatch("\n".join(lines) + r"\s*", output) is not None
