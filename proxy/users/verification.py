"""Who has proved lately that they read the mailbox that is on file for them, for which routes.

Theory. What counts stands in the store, in one ledger a user (`codes`). Each process holds what it has found there, by
user, and a request is judged by that without waiting; any news of the user's ledger or of the user makes it look again,
and so does news that may have been missed. A verification belongs to the address that the code was sent to: under
another one it counts no more. What is held outlives a reload; how long it counts is for each route to say.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from proxy.core.clock import Clock
from proxy.core.errors import CodeRefusedError, DependencyUnavailableError
from proxy.core.person import Person
from proxy.core.seal import Seal
from proxy.core.secret import Secret
from proxy.stores.base import Change, Listener, News, StoreError
from proxy.stores.documents import Document, Documents
from proxy.users.codes import HOUR, LONGEST_VALID, Coder, Ledger, counts
from proxy.users.handles import Handle, Handles
from proxy.users.registry import Registry, User

KEPT: Final = LONGEST_VALID + 86_400.0
"""Seconds that a ledger is kept after its last change."""
REMEMBERED: Final = 100_000
"""Users whose verifications are held in memory."""
HOURLY_PER_ADDRESS: Final = 20
"""Codes that are sent to one address in an hour, whichever users it is on file for."""
_LEDGER: Final = "verification/"
_ADDRESS: Final = "verification-address/"
_USER: Final = "user/"
_AWAY: Final = "codes cannot be looked up now"


@dataclass(frozen=True, slots=True)
class Issued:
    """A code that was made."""

    code: Secret = field(repr=False)
    user: User
    withheld: str | None = None
    """Why it is not to be sent: `no_address` or `address_limited`. Whoever asked must not learn of it."""


class Verifications:
    """All users' verifications. One per process."""

    def __init__(
        self,
        documents: Documents,
        registry: Registry,
        seal: Seal,
        clock: Clock,
        listen: Callable[[Listener], None],
    ) -> None:
        self._documents = documents
        self._registry = registry
        self._coder = Coder(seal.derive("one-time codes"))
        self.handles = Handles(seal, clock)
        self._clock = clock
        self._held: OrderedDict[str, dict[str, float]] = OrderedDict()
        """When which scope was verified, by pseudonym; only what counts under the user's present address."""
        listen(self._hear)

    def holds(self, person: Person, scope: str, valid_for: float) -> bool:
        """Whether the user is known to be verified for the scope; False: perhaps. Stands on the hot path."""
        held = self._held.get(person.pseudonym)
        if held is None or scope not in held:
            return False
        return counts(held[scope], valid_for, self._clock.now())

    async def look(self, person: Person, scope: str, valid_for: float) -> bool:
        """Do the same, and look in the store.

        Raises:
            DependencyUnavailableError: it does not say.
        """
        held = self._held.setdefault(person.pseudonym, {})  # news that comes meanwhile takes this very one away
        self._held.move_to_end(person.pseudonym)
        if len(self._held) > REMEMBERED:
            self._held.popitem(last=False)
        try:
            ledger = Ledger.read(await self._documents.read(_LEDGER + person.pseudonym))
            user = await self._registry.find(person.id) if ledger.verified else None
        except StoreError:
            raise DependencyUnavailableError(_AWAY, retry_after=1.0) from None
        address = self._address(user)
        held.clear()
        held.update({name: one.at for name, one in ledger.verified.items() if address and one.address == address})
        return scope in held and counts(held[scope], valid_for, self._clock.now())

    async def check_limits(self, handle: Handle) -> None:
        """Let another code be made; only `issue` decides.

        Raises:
            VerificationLimitedError: not now.
            DependencyUnavailableError: the store does not say.
        """
        try:
            ledger = Ledger.read(await self._documents.read(self._place(handle)))
        except StoreError:
            raise DependencyUnavailableError(_AWAY, retry_after=1.0) from None
        ledger.check_limits(self._clock.now())

    async def issue(self, handle: Handle) -> Issued:
        """Make a code, for whoever is named: all that is done is done for a user of whom nothing is known, too.

        Raises:
            VerificationLimitedError: too many were, lately.
            DependencyUnavailableError: the store did not take it.
        """
        code = self._coder.new()

        def note(old: Document | None) -> Document:
            kept = digest if address else ""
            return Ledger.read(old).with_code(handle.scope, kept, self._clock.now()).written()

        try:
            user = await self._registry.find(handle.user)
            address = self._address(user)
            digest = self._coder.digest(code, user=handle.user, scope=handle.scope, address=address)
            await self._documents.change(self._place(handle), note, ttl=KEPT)
            is_free = await self._take_turn(address or handle.user, self._clock.now())
        except StoreError:
            raise DependencyUnavailableError(_AWAY, retry_after=1.0) from None
        withheld = "no_address" if not address else None if is_free else "address_limited"
        return Issued(Secret(code), user or User(handle.user), withheld)

    async def check(self, handle: Handle, code: str) -> None:
        """Take a code: the user is verified for the scope.

        Raises:
            CodeRefusedError: it is not right, or not any more.
            VerificationLimitedError: too many were wrong, and it was not even looked at.
            DependencyUnavailableError: the store does not say.
        """
        is_right = False

        def judge(old: Document | None) -> Document:
            nonlocal is_right
            judged, is_right = Ledger.read(old).judged(handle.scope, digest, address, self._clock.now())
            return judged.written()

        try:
            address = self._address(await self._registry.find(handle.user))
            digest = self._coder.digest(code, user=handle.user, scope=handle.scope, address=address)
            await self._documents.change(self._place(handle), judge, ttl=KEPT)
        except StoreError:
            raise DependencyUnavailableError(_AWAY, retry_after=1.0) from None
        if not is_right:
            raise CodeRefusedError("it is wrong, or its time is over; the code that was sent last counts")
        self._held.pop(self._registry.pseudonym(handle.user), None)

    def _address(self, user: User | None) -> str:
        """Return the digest of the user's address; empty: there is none."""
        return self._coder.address(user.email) if user is not None and user.email else ""

    async def _take_turn(self, address: str, now: float) -> bool:
        """Count one more code for that address; False: there were too many."""
        is_free = False

        def count(old: Document | None) -> Document:
            nonlocal is_free
            lately = [moment for moment in (old or {}).get("sent", ()) if counts(moment, HOUR, now)]
            is_free = len(lately) < HOURLY_PER_ADDRESS
            return {"sent": [*lately, now] if is_free else lately}

        await self._documents.change(_ADDRESS + self._coder.address(address), count, ttl=HOUR)
        return is_free

    def pseudonym(self, user: str) -> str:
        """Return what stands for the user in logs."""
        return self._registry.pseudonym(user)

    def _place(self, handle: Handle) -> str:
        return _LEDGER + self._registry.pseudonym(handle.user)

    def _hear(self, news: News) -> None:
        if news.change is Change.MISSED:
            self._held.clear()
        elif news.key.startswith((_LEDGER, _USER)):
            self._held.pop(news.key.partition("/")[2], None)
