"""What the rules of a route's credentials, taken together, say of one answer.

Theory. Each credential has rules of its own, and they speak of its own token: of one that cannot be replaced they can
only say `count`. Where they disagree, what changes most goes first. One that says `renew` has the request sent again;
`renew_only` renews its token for the requests that follow, whatever the others say; `count` is about the answer that
is passed on, so a replay leaves it without an object; `pass` speaks for its credential alone.
"""

from dataclasses import dataclass, field
from typing import Final

from proxy.core.rejection import NEEDS_BODY, PASSED, PREFIX_LIMIT, UNREADABLE, Action, Verdict
from proxy.gateway.forward import Exchange
from proxy.gateway.signing import Signature, Signer
from proxy.tokens.held import Held
from proxy.tokens.source import Source

UNREAD: Final = "unreadable"
"""The reason in the log of an answer that was passed on because no rule could look into its body."""
_BODILESS: Final = frozenset({204, 205, 304})
_RENEWALS: Final = (Action.RENEW, Action.RENEW_ONLY)

Tokens = list[tuple[Source, Held]]
"""Tokens, with the sources that gave them."""
Suspects = list[tuple[Source, Held, Verdict]]
"""The same, with what the answer's head says of each."""


@dataclass(slots=True)
class Ruling:
    """What becomes of an answer."""

    refused: Tokens = field(default_factory=list)
    """To be renewed before the request is sent again."""
    outworn: Tokens = field(default_factory=list)
    """To be renewed for the requests that follow."""
    counts: bool = False
    """Whether the answer, if it is passed on, is a failure of the route's breaker."""
    reason: str | None = None
    """The rule that decided, as `check` names its place, `billing.rejected_when[0]`; or `UNREAD`."""


def suspected(signer: Signer, exchange: Exchange, signature: Signature) -> Suspects:
    """Return the tokens of which the answer's head makes something, or its body might."""
    answer = exchange.answer
    found = []
    for source, held in zip(signer.sources, signature, strict=True):
        verdict = source.rejection.verdict(answer.status, answer.headers)
        if verdict is not PASSED and (source.renewable or verdict.action not in _RENEWALS):
            found.append((source, held, verdict))
    return found


async def rule(method: str, exchange: Exchange, suspects: Suspects) -> Ruling:
    """Return what becomes of the answer; look into its body where the rules ask.

    Raises:
        ProxyError: the answer broke off meanwhile.
    """
    answer = exchange.answer
    given: bytes | None = None
    if method != "HEAD" and answer.status not in _BODILESS and any(verdict is NEEDS_BODY for *_, verdict in suspects):
        given = await exchange.hold(PREFIX_LIMIT)
    said: dict[Action, str] = {}
    ruling = Ruling()
    for source, held, verdict in suspects:
        if verdict is NEEDS_BODY:
            verdict = source.rejection.judge(answer.status, answer.headers, given)  # noqa: PLW2901 - now it is known
        if verdict.action in _RENEWALS and not source.renewable:
            continue
        if verdict.action is Action.RENEW:
            ruling.refused.append((source, held))
        elif verdict.action is Action.RENEW_ONLY:
            ruling.outworn.append((source, held))
        elif verdict.action is Action.COUNT:
            ruling.counts = True
        if verdict.action is not None and verdict.rule is not None:
            said.setdefault(verdict.action, f"{source.name}.rejected_when[{verdict.rule}]")
    unread = UNREAD if any(verdict is UNREADABLE for *_, verdict in suspects) else None
    ruling.reason = next((said[action] for action in Action if action in said), unread)
    return ruling
