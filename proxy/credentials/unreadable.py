"""Says of a reply that is in no format that was looked for what it is instead, without a word of what it holds."""

import re
from typing import Final

from proxy.core.message import Reply
from proxy.core.symptom import Symptom, TokenRequestError
from proxy.extractors.base import FormatError

_SHOWN: Final = 60
"""Characters of a body whose outline is shown."""
_LOOKED_AT: Final = 64 * 1024
"""Characters in which a form is looked for: login pages begin with much that is not the form."""
_OUTLINE: Final = frozenset("<>/{}[]():;,.=\"'!?&-_ ")
"""Characters that give a format away and no secret."""
_TAGS: Final = frozenset("!doctype body div form head html input link meta p pre script style title ?xml".split())  # noqa: SIM905
_TAG: Final = re.compile(r"</?([!?]?[a-z]+)", re.IGNORECASE)
_PAGE: Final = re.compile(
    r"\s*+(?:<!--(?>.*?-->)\s*+)*+<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE | re.DOTALL
)
"""Takes nothing back: comments could be told apart in as many ways as there are, doubled with each."""
_LOGIN: Final = re.compile(r"<input[^>]{0,500}type\s*=\s*[\"']?password", re.IGNORECASE)


def unreadable(subject: str, reply: Reply, error: FormatError, place: str = "json") -> TokenRequestError:
    """Return the error for a reply that is not in the format that was looked for.

    `subject` is the request as a message may name it; `place` is what was looked for, as extractors name it.
    """
    text = reply.text()
    if is_page(text):
        return page(subject, reply)
    symptom = Symptom.NOT_JSON if place.startswith("json") else Symptom.FORMAT
    begins = f" and begins with {outline(text)}" if text.strip() else ", and empty"
    return TokenRequestError(symptom, f"in the reply to {subject} {error}{begins}")


def is_page(text: str) -> bool:
    """Return True when the text begins as an HTML page does."""
    return _PAGE.match(text[:_LOOKED_AT]) is not None


def page(subject: str, reply: Reply) -> TokenRequestError:
    """Return the error for a reply that is a page for people."""
    field = ", with a field for a password" if _LOGIN.search(reply.text()[:_LOOKED_AT]) else ""
    return TokenRequestError(Symptom.PAGE, f"the reply to {subject} is an HTML page ({reply.media_type}){field}")


def outline(text: str) -> str:
    """Return the text's first characters with every letter as `x` and every digit as `0`; names of tags stay."""
    shown = text.lstrip()[:_SHOWN]
    kept = {
        index
        for match in _TAG.finditer(shown)
        if match[1].lower() in _TAGS
        for index in range(match.start(1), match.end(1))
    }
    return "".join(one if index in kept else _masked(one) for index, one in enumerate(shown)).rstrip()


def _masked(character: str) -> str:
    if character.isdigit():
        return "0"
    if character.isspace():
        return " "
    return character if character in _OUTLINE else "x"
