"""Odd replies of token endpoints as a reference, from the table that the tests run over a real socket."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from docs.wrapping import item
from proxy.core.symptom import Symptom
from tests.faults.odd_replies import CHAPTERS
from tests.faults.odd_replies.expiries import DATES, LIVES, NEVER
from tests.faults.odd_replies.row import TOKEN, Odd, Outcome, typed
from tests.faults.odd_replies.values import TOKENS

_VALUES: Final = frozenset(map(id, (*LIVES, *DATES, *TOKENS)))
_LONGEST_SHOWN: Final = 20
_SHOWN: Final = re.compile(
    r"\"access_token\": (?!\"abc-def\")([ -~]{1,30}), \"token_type\"|\"expires_in\": ([ -~]{1,40})\}\Z"
)
"""A value that is short enough to be shown, and printable."""


def token_replies() -> Iterator[str]:
    """Yield every odd reply, by chapters, with what becomes of it."""
    for chapter, replies in CHAPTERS.items():
        yield f"## {chapter}"
        yield ""
        yield from map(_row, replies)
        yield ""


def _row(odd: Odd) -> str:
    configured = f", with {_settings(odd.given)}" if odd.given else ""
    found = _SHOWN.search(odd.wire.decode("latin-1")) if id(odd) in _VALUES else None
    shown = found and f"`{found[1] or found[2]}`"
    value = f" ({shown})" if shown and shown not in odd.words else ""
    plain, oauth = _outcome(odd.plain, odd), _outcome(odd.oauth, odd)
    other = f"; OAuth 2: {oauth}" if oauth not in {"", plain} else ""
    return item(f"{odd.words[:1].upper()}{odd.words[1:]}{value}{configured}: {plain}{other}.")


def _outcome(outcome: Outcome, odd: Odd) -> str:
    if outcome is None:
        return ""
    if isinstance(outcome, Symptom):
        return f"`{outcome.code}`"
    which = f"the token `{odd.token}`" if odd.token != TOKEN and len(odd.token) <= _LONGEST_SHOWN else "a token"
    life = "until the year 9999 ends" if outcome == NEVER else f"for {outcome:.10g} s"
    return f"{which} {life}" + (f", which a test calls `{Symptom.EXPIRY_DOUBTFUL.code}`" if odd.doubtful else "")


def _settings(given: Mapping[str, Any]) -> str:
    expiry = given.get("expiry")
    if expiry and dict(given) == typed(expiry["type"]):
        return f"`expiry.type: {expiry['type']}`"
    return " and ".join(f"`{name}: {_flow(value)}`" for name, value in given.items())


def _flow(value: Any) -> str:
    """Return a value as YAML in one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name}: {_flow(one)}" for name, one in value.items()) + "}"
    return "null" if value is None else str(value)
