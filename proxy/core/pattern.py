"""A regular expression whose search ends in time, whatever the text.

The syntax is that of Python's `re`, and what `re` refuses is refused. The search is done by `regex`, which reads the
same syntax and stops at a time bound: a text that comes from outside must not decide how long everybody else waits.
"""

import re
import warnings
from typing import Final

import regex

TIME_LIMIT: Final = 0.05
"""Seconds that one search may take."""

_BRACE: Final = re.compile(r"\\N\{[^}]*\}|\\.|(\{(?![0-9]+\}|[0-9]*,[0-9]*\}))", re.DOTALL)
"""A brace that repeats nothing, in the group: for `re` it stands for itself, for `regex` it may begin a fuzzy match."""
_PIECES: Final = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\{([0-9]+)(?:,[0-9]*)?\}|.", re.DOTALL)
"""A character or a set of them, escaped or not; with a group: how often the piece before it must occur."""
_LONGEST_WRITTEN_OUT: Final = 100_000
"""Characters. `regex` writes every piece out as often as it must occur, and groups in groups multiply."""


class PatternTimeoutError(TimeoutError):
    """A search took longer than it may; whether the pattern matches is not known."""


class Pattern:
    """One regular expression, compiled once."""

    __slots__ = ("_compiled", "groups", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        try:
            with warnings.catch_warnings(action="ignore"):  # of what `re` may read otherwise one day
                self.groups = re.compile(text).groups
                """How many groups it has."""
                _check_extent(text)
                self._compiled = regex.compile(_BRACE.sub(_literally, text), regex.VERSION0)
        except (re.error, regex.error, OverflowError, RecursionError) as error:
            remedy = "write a backslash before each of ( [ { * + ? . that stands for itself"
            raise ValueError(f"not a regular expression as Python's `re` knows it: {error}; {remedy}") from None

    def search(self, text: str) -> "regex.Match[str] | None":
        """Return the first match; None: there is none.

        Raises:
            PatternTimeoutError: the search was given up after `TIME_LIMIT`.
        """
        try:
            return self._compiled.search(text, timeout=TIME_LIMIT)
        except TimeoutError:
            raise PatternTimeoutError(
                f"the search for /{self.text}/ was given up after {TIME_LIMIT * 1000:.0f} ms; make the pattern simpler:"
                " no repetition within a repetition, and [^<]* rather than .*"
            ) from None

    def __repr__(self) -> str:
        return f"Pattern({self.text!r})"


def _check_extent(text: str) -> None:
    if _written_out(text) > _LONGEST_WRITTEN_OUT:
        raise ValueError(
            f"written out without {{n}}, the pattern has more than {_LONGEST_WRITTEN_OUT} characters; "
            "use + or * in place of a high count"
        )


def _written_out(text: str) -> int:
    """Return how many characters the pattern would have if it repeated nothing by number."""
    outer: list[int] = []
    before = last = 0
    for piece in _PIECES.finditer(text):
        if piece[1] is not None:
            last *= max(1, int(piece[1][:9]))
        elif piece[0] == "(":
            outer.append(before + last)
            before = last = 0
        elif piece[0] == ")" and outer:
            last += before
            before = outer.pop()
        else:
            before, last = before + last, 1
    return sum(outer) + before + last


def _literally(found: re.Match[str]) -> str:
    return r"\{" if found[1] else found[0]
