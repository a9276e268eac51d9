"""A lease renews itself while it is held, and knows when it is lost."""

from proxy.net.runtime import Runtime
from proxy.stores.base import LEASE, StoreError
from proxy.stores.lease import RENEWALS, RenewedLease
from tests.fakes.clock import FakeClock


class Lock:
    """What a store would do for a lease, with its answers set by the test."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.runtime = Runtime(self.clock, lambda name, error: None)
        self.answer: bool | StoreError = True
        self.takes = 0.0
        self.renewed = 0
        self.freed = 0

    def take(self) -> RenewedLease:
        return RenewedLease(
            self.runtime, "billing", taken_at=self.clock.monotonic(), renew=self.renew, let_go=self.let_go
        )

    async def renew(self) -> bool:
        self.renewed += 1
        await self.clock.sleep(self.takes)
        if isinstance(self.answer, StoreError):
            raise self.answer
        return self.answer

    async def let_go(self) -> None:
        self.freed += 1


async def test_a_lease_is_held_for_as_long_as_it_is_renewed() -> None:
    lock = Lock()
    lease = lock.take()
    await lock.clock.advance(seconds=10 * LEASE)
    assert lease.is_held
    assert lock.renewed == 10 * RENEWALS
    await lease.release()
    assert not lease.is_held


async def test_a_lease_that_another_holds_is_lost_at_once() -> None:
    lock = Lock()
    lease = lock.take()
    lock.answer = False
    await lock.clock.advance(seconds=LEASE / RENEWALS)
    assert not lease.is_held
    assert repr(lease) == "<RenewedLease, over>"


async def test_a_lease_that_cannot_be_renewed_is_held_until_it_would_have_run_out() -> None:
    lock = Lock()
    lease = lock.take()
    lock.answer = StoreError("unreachable")
    await lock.clock.advance(seconds=LEASE - 0.1)
    assert lease.is_held
    await lock.clock.advance(seconds=0.2)
    assert not lease.is_held


async def test_one_renewal_that_succeeds_is_enough() -> None:
    lock = Lock()
    lease = lock.take()
    lock.answer = StoreError("unreachable")
    await lock.clock.advance(seconds=LEASE * 0.8)
    lock.answer = True
    await lock.clock.advance(seconds=LEASE)
    assert lease.is_held


async def test_a_late_answer_counts_from_when_the_store_was_asked() -> None:
    lock = Lock()
    lease = lock.take()
    lock.takes = LEASE * 0.9
    await lock.clock.advance(seconds=LEASE / RENEWALS + LEASE * 0.9)
    assert lock.renewed == 1
    assert lease._until < lock.clock.monotonic() + LEASE * 0.2


async def test_a_released_lease_is_renewed_no_more_and_freed_once() -> None:
    lock = Lock()
    lease = lock.take()
    await lease.release()
    await lease.release()
    await lock.clock.advance(seconds=10 * LEASE)
    assert lock.renewed == 0
    assert lock.freed == 1
    assert lock.runtime.tasks == 0
