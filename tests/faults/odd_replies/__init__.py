"""What token endpoints have been seen to answer, byte for byte, and what becomes of each: one table, by chapters."""

from typing import Final

from tests.faults.odd_replies.bodies import BODIES
from tests.faults.odd_replies.expiries import DATES, JWTS, LIVES
from tests.faults.odd_replies.messages import CONNECTIONS, HEADS
from tests.faults.odd_replies.row import Odd
from tests.faults.odd_replies.statuses import REFUSALS, STATUSES
from tests.faults.odd_replies.values import TOKENS

CHAPTERS: Final[dict[str, tuple[Odd, ...]]] = {
    "A life in seconds or milliseconds": LIVES,
    "An expiry as a moment": DATES,
    "A token that is a JWT": JWTS,
    "The token's value": TOKENS,
    "The body": BODIES,
    "Statuses of success": STATUSES,
    "Refusals and redirects": REFUSALS,
    "The message": HEADS,
    "The connection": CONNECTIONS,
}
TABLE: Final = tuple(odd for chapter in CHAPTERS.values() for odd in chapter)
