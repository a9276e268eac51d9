"""Moves a moment that an issuer named on its clock onto ours.

Theory: an issuer says "until 12:00" by its own clock, and neither that clock nor ours need be right. The reply's `Date`
tells how far apart they are (`Reply.clock_offset`), so 12:00 there becomes the moment here at which it will be 12:00
there. But a Date can be wrong itself: local time that is called GMT, a proxy's clock, a clock that was never set. Of
the two readings, moved by the Date and as it stands, one is chosen by the life that it leaves the token:

- Within `LIKELY_OFFSET` the Date is believed, unless the token would then be dead and by our own clock is not.
- Beyond it, one of the two clocks is badly wrong, and nobody knows which. The reading that leaves the shorter life
  counts, if that is a life at all (`SHORTEST_LIFE`): too early a renewal costs a request, too late a one costs the
  caller's.
- Without a Date, our own clock is all there is.
"""

from typing import Final

from proxy.core.message import Reply

LIKELY_OFFSET: Final = 1800.0
"""Seconds. Clocks run apart by as much without anybody's noticing; time zones are apart by more."""
SHORTEST_LIFE: Final = 30.0
"""Seconds. That a wrong clock leaves a token less than that is likelier than that it was issued for so short a time."""


def on_our_clock(moment: float, reply: Reply) -> float:
    """Return the moment in Unix seconds on our clock; `moment` is in Unix seconds on the clock of the reply's sender.

    It may lie before the reply's arrival, when it does so by every reading.
    """
    offset = reply.clock_offset
    if not offset:
        return moment
    moved = moment - offset
    if abs(offset) <= LIKELY_OFFSET:
        return moved if moved > reply.received_at else moment
    lively = [one for one in (moment, moved) if one - reply.received_at > SHORTEST_LIFE]
    return min(lively, default=max(moment, moved))
