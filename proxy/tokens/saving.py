"""What one credential's runs bring, saved to other credentials as if runs of their own had brought it.

Theory. Who fetched a token passes its variables on, behind requests. Each receiver takes the lock of its own record,
so that the fleet agrees, and begins a new generation if the variables make another token; if they make none, they are
kept for its next fetch. What cannot be saved is told of once, and comes again with the next fetch.
"""

from contextlib import suppress
from dataclasses import replace
from typing import Final, Protocol

from proxy.core.clock import Clock
from proxy.core.errors import FetchError, ProxyError, Reason
from proxy.core.token import Token
from proxy.credentials.base import Credential
from proxy.net.runtime import Runtime
from proxy.stores.base import Lease, StoreError
from proxy.telemetry.events import EventLog, EventName
from proxy.tokens.account import Account
from proxy.tokens.held import Held
from proxy.tokens.record import TokenRecord
from proxy.tokens.turn import PATIENCE, POLL

TRIES: Final = 5
"""How often others may be ahead of us, though we hold the lock."""


class Party(Protocol):
    """A credential at work, which gives or takes."""

    name: str

    async def receive(self, given: Token) -> None:
        """Take the variables of that token. May raise StoreError."""

    async def obtain(self) -> Held:
        """Return a token that is good now. May raise ProxyError."""

    async def refresh(self) -> Held:
        """Fetch a new token now. May raise ProxyError."""


class Savings:
    """One credential's gifts to others."""

    def __init__(self, giver: Party, receivers: tuple[Party, ...], runtime: Runtime, events: EventLog) -> None:
        self._giver = giver
        self._receivers = receivers
        self._runtime = runtime
        self._events = events

    def __repr__(self) -> str:
        return f"<Savings of {self._giver.name} to {', '.join(receiver.name for receiver in self._receivers)}>"

    def pass_on(self, token: Token) -> None:
        """Save what came with the token, behind requests."""
        for receiver in self._receivers:
            name = f"save what {self._giver.name} brought to {receiver.name}"
            self._runtime.spawn(self._pass_on(receiver, token), name=name)

    async def ask(self, *, fresh: bool) -> Token:
        """Return the giver's token, for a receiver that has nothing; if `fresh`, the giver runs first.

        Raises:
            FetchError: it has none.
        """
        try:
            return (await (self._giver.refresh() if fresh else self._giver.obtain())).token
        except ProxyError as error:
            why = f"{self._giver.name}, which saves to it, has nothing to give: {error}"
            raise FetchError(Reason.NO_REFRESH_TOKEN, why, retry_after=error.retry_after, asked=False) from None

    async def _pass_on(self, receiver: Party, token: Token) -> None:
        try:
            await receiver.receive(token)
        except StoreError as error:
            detail = f"what {self._giver.name} brought could not be saved to {receiver.name}: {error}"
            self._events.record("warning", EventName.SAVING_FAILED, credential=self._giver.name, detail=detail)


async def receive(account: Account, credential: Credential, given: Token, clock: Clock) -> None:
    """Put into the account's record what the variables of that token make of it.

    Raises:
        StoreError: others do not know of it.
    """
    lease = await _turn(account, clock)
    try:
        for _ in range(TRIES):
            await account.look()
            if account.record.issued_at > given.issued_at:
                return
            if await account.save(_made_of(given, account, credential, clock.now())):
                return
        raise StoreError(f"the record {account.key} keeps changing")
    finally:
        with suppress(StoreError):
            await lease.release()


async def _turn(account: Account, clock: Clock) -> Lease:
    end = clock.monotonic() + PATIENCE
    while clock.monotonic() < end:
        if (lease := await account.acquire()) is not None:
            return lease
        await account.news(POLL)
    raise StoreError(f"the lock of the record {account.key} was held by others for {PATIENCE:.0f} seconds")


def _made_of(given: Token, account: Account, credential: Credential, now: float) -> TokenRecord:
    """Return what follows on the account's record."""
    before = account.record
    with suppress(FetchError):
        token = credential.token_of(given, before.variables)
        if before.token is None or token.value != before.token.value:
            record = _still_in_doubt(before.succeed(token, account.identity, now), before)
            if account.rendered(record) is not None:
                return record
    carried = before.carry({**before.variables, **given.variables}, now)
    return _still_in_doubt(carried, before)


def _still_in_doubt(record: TokenRecord, before: TokenRecord) -> TokenRecord:
    """Return the record with the mark of the one before: who spends what that carries may not have saved its successor.

    What others give ends that no sooner.
    """
    return replace(record, spending_since=before.spending_since, may_be_spent=before.may_be_spent)
