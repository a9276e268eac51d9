"""Markdown that stays within the width of a page: paragraphs and lists, wrapped between words but never inside code."""

import re
import textwrap
from typing import Final

WIDTH: Final = 120
_CODE: Final = re.compile(r"`[^`]+`")
_HARD: Final = "\x00"
"""Stands for a blank that must not become a line break."""


def paragraph(text: str, *, indent: str = "") -> str:
    """Return the text as one paragraph."""
    return _wrapped(text, indent, indent)


def item(text: str) -> str:
    """Return the text as one item of a list."""
    return _wrapped(text, "- ", "  ")


def _wrapped(text: str, first: str, later: str) -> str:
    whole = _CODE.sub(lambda code: code[0].replace(" ", _HARD), " ".join(text.split()))
    lines = textwrap.fill(
        whole, WIDTH, initial_indent=first, subsequent_indent=later, break_long_words=False, break_on_hyphens=False
    )
    return lines.replace(_HARD, " ")
