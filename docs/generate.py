"""Writes into the reference what the code knows of itself: `make docs`.

A page says where: between `<!-- generated: NAME -->` and `<!-- end of generated -->` stands what the block of that name
yields. Everything around it is written by hand and left alone. `tests/docs/test_reference.py` fails when a page holds
something else than what would be written now.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from docs.blocks import admin_api, commands, errors, events, metrics, symptoms
from docs.limits import limits
from docs.settings import settings_blocks
from docs.token_replies import token_replies

DOCS: Final = Path(__file__).parent
_BLOCK: Final = re.compile(r"(<!-- generated: ([^\n]+?) -->\n).*?(<!-- end of generated -->)", re.DOTALL)

Block = Callable[[], Iterable[str]]


def blocks() -> Mapping[str, Block]:
    """Return every block that can be written, by the name that pages use."""
    return {
        **settings_blocks(),
        **commands(),
        **errors(),
        **admin_api(),
        "metrics": metrics,
        "events": events,
        "symptoms": symptoms,
        "limits": limits,
        "token replies": token_replies,
    }


def pages() -> Iterator[Path]:
    """Yield the pages that hold something generated."""
    return (page for page in sorted(DOCS.rglob("*.md")) if _BLOCK.search(page.read_text()))


def named_in(text: str) -> list[str]:
    """Return the names of the blocks that a page asks for."""
    return [match[2] for match in _BLOCK.finditer(text)]


def written(text: str, known: Mapping[str, Block]) -> str:
    """Return the page with its blocks as they are to be.

    Raises:
        KeyError: the page asks for a block that does not exist.
    """
    return _BLOCK.sub(lambda match: match[1] + "\n" + "\n".join(known[match[2]]()) + "\n\n" + match[3], text)


def main() -> None:
    """Write every page that holds something generated."""
    known = blocks()
    for page in pages():
        page.write_text(written(page.read_text(), known))


if __name__ == "__main__":
    main()
