"""The token in hand: taken up, put aside when it is refused, and replaced before requests find it stale.

Theory. At most one token is held. One that is refused is put aside until there is another: while none can be had,
requests that may do with it get it back, until it expires. When a held token grows stale the hand asks for a
replacement; one that nobody used since its own planned refresh is left to lapse.
"""

from collections.abc import Callable

from proxy.net.runtime import Runtime
from proxy.tokens.alarm import Alarm
from proxy.tokens.held import Held
from proxy.tokens.outcome import Trigger


class Hand:
    """One credential's. `replace` begins a replacement, or returns for how many seconds none may begin."""

    __slots__ = ("_alarm", "_aside", "_now", "_replace", "held", "missing", "was_used")

    def __init__(self, name: str, runtime: Runtime, replace: Callable[[], float | None]) -> None:
        self.held: Held | None = None
        """What requests may use; it may have expired."""
        self.missing = Trigger.FIRST
        """Why there is none, when there is none."""
        self._aside: Held | None = None
        self._now = runtime.clock.now
        self._replace = replace
        self._alarm = Alarm(runtime, f"refresh {name}", self._grow_stale)
        self.was_used = False
        """The token is worth replacing in time: a request had it, or wanted it when there was none."""

    def __repr__(self) -> str:
        return "<Hand, empty>" if self.held is None else f"<Hand, {self.held.state(self._now()).value}>"

    def take(self, held: Held, *, even_if_unused: bool) -> None:
        """Hold that token. `even_if_unused`: replace it in time though no request should use it."""
        self.held, self._aside = held, None
        self.was_used = even_if_unused
        self._alarm.set(held.stale_at - self._now())

    def withdraw(self, *, for_good: bool = False) -> bool:
        """The token was refused; False: again. `for_good`: it is not to be made do with."""
        is_first = self.held is not self._aside
        if self.held is not None:
            self.held, self._aside, self.missing = None, self.held, Trigger.REJECTED
        if for_good:
            self._aside = None
        return is_first

    def make_do(self) -> None:
        """There is no other: what was put aside is better than nothing, until it expires."""
        if self.held is None and self._aside is not None and self._now() < self._aside.expires_at:
            self.held = self._aside

    def forget(self) -> None:
        """Begin anew."""
        self.held, self._aside, self.missing = None, None, Trigger.FIRST

    def look_again_in(self, seconds: float) -> None:
        """There was no replacement: ask again then."""
        self._alarm.set(seconds)

    def close(self) -> None:
        """Ask for no more replacements."""
        self._alarm.close()

    @property
    def expires_at(self) -> float | None:
        """Return when the token ends, in Unix seconds; None: there is none."""
        return None if self.held is None else self.held.expires_at

    def _grow_stale(self) -> None:
        held, now = self.held, self._now()
        if held is None or now >= held.expires_at or not self.was_used:
            return
        if now < held.stale_at:  # the wall clock has been set back
            self._alarm.set(held.stale_at - now)
        elif (wait := self._replace()) is not None:
            self._alarm.set(wait)
