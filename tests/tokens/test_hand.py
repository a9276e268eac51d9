"""At most one token is in hand, and it is replaced before requests find it stale."""

from collections.abc import AsyncIterator
from math import inf

import pytest

from proxy.core.message import NOTHING
from proxy.core.secret import Secret
from proxy.core.token import Token
from proxy.net.runtime import Runtime
from proxy.tokens.alarm import SHORTEST
from proxy.tokens.hand import Hand
from proxy.tokens.held import Held
from proxy.tokens.outcome import Trigger
from tests.fakes.clock import FakeClock

STALE, EXPIRED = 240.0, 300.0
"""Seconds that a token is fresh, and that it lives."""


class World:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.reported: list[BaseException] = []
        self.runtime = Runtime(self.clock, lambda name, error: self.reported.append(error))
        self.hand = Hand("billing", self.runtime, self.replace)
        self.began = self.clock.monotonic()
        self.asked: list[float] = []
        """When a replacement was asked for, in seconds since the beginning."""
        self.wait: float | None = None

    def replace(self) -> float | None:
        self.asked.append(round(self.clock.monotonic() - self.began, 3))
        return self.wait

    def held(self, text: str = "planted-1", stale: float = STALE, expired: float = EXPIRED) -> Held:
        now = self.clock.now()
        expires_at = None if expired == inf else now + expired
        return Held(Token(Secret(text), now, expires_at, 1), NOTHING, now + stale, now + expired, 1)

    def take(self, held: Held | None = None, *, even_if_unused: bool = True) -> Held:
        held = held or self.held()
        self.hand.take(held, even_if_unused=even_if_unused)
        return held


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    yield world
    await world.runtime.close()
    assert world.reported == []


# What is held


async def test_it_is_empty_at_first_and_asks_for_nothing(world: World) -> None:
    assert world.hand.held is None
    assert world.hand.missing is Trigger.FIRST
    assert world.hand.expires_at is None
    await world.clock.advance(hours=1)
    assert world.asked == []


async def test_what_it_takes_it_holds(world: World) -> None:
    held = world.take()
    assert world.hand.held is held
    assert world.hand.expires_at == held.expires_at
    second = world.take()
    assert world.hand.held is second


async def test_a_token_that_expires_stays_in_hand(world: World) -> None:
    held = world.take()
    await world.clock.advance(hours=1)
    assert world.hand.held is held


async def test_a_refused_token_is_put_aside(world: World) -> None:
    world.take()
    world.hand.withdraw()
    assert world.hand.held is None
    assert world.hand.missing is Trigger.REJECTED
    assert world.hand.expires_at is None


async def test_what_was_put_aside_is_made_do_with_until_it_expires(world: World) -> None:
    held = world.take()
    world.hand.withdraw()
    await world.clock.advance(seconds=EXPIRED - 1)
    world.hand.make_do()
    assert world.hand.held is held
    world.hand.withdraw()
    await world.clock.advance(seconds=1)
    world.hand.make_do()
    assert world.hand.held is None


async def test_what_was_made_do_with_is_put_aside_again_when_it_is_refused_again(world: World) -> None:
    held = world.take()
    for _ in range(3):
        world.hand.withdraw()
        assert world.hand.held is None
        world.hand.make_do()
        assert world.hand.held is held


async def test_a_refusal_of_what_is_not_held_changes_nothing(world: World) -> None:
    world.hand.withdraw()
    assert world.hand.missing is Trigger.FIRST
    held = world.take()
    world.hand.withdraw()
    world.hand.withdraw()
    world.hand.make_do()
    assert world.hand.held is held


async def test_a_new_token_ends_the_use_of_the_one_that_was_put_aside(world: World) -> None:
    world.take(world.held("planted-old"))
    world.hand.withdraw()
    new = world.take(world.held("planted-new"))
    world.hand.make_do()
    assert world.hand.held is new
    world.hand.withdraw()
    world.hand.make_do()
    assert world.hand.held is new


async def test_nothing_is_made_do_with_while_there_is_a_token(world: World) -> None:
    held = world.take()
    world.hand.make_do()
    assert world.hand.held is held


async def test_what_is_withdrawn_for_good_is_not_made_do_with(world: World) -> None:
    world.take()
    world.hand.withdraw(for_good=True)
    world.hand.make_do()
    assert world.hand.held is None
    assert world.hand.missing is Trigger.REJECTED


async def test_what_was_put_aside_may_be_withdrawn_for_good_later(world: World) -> None:
    world.take()
    world.hand.withdraw()
    world.hand.withdraw(for_good=True)
    world.hand.make_do()
    assert world.hand.held is None


async def test_what_was_forgotten_is_not_made_do_with_and_the_next_is_the_first(world: World) -> None:
    world.take()
    world.hand.withdraw()
    world.hand.forget()
    world.hand.make_do()
    assert world.hand.held is None
    assert world.hand.missing is Trigger.FIRST
    await world.clock.advance(hours=1)
    assert world.asked == []


# The planned replacement


async def test_a_token_is_replaced_when_it_grows_stale_though_nobody_used_it_yet(world: World) -> None:
    world.take()
    await world.clock.advance(seconds=STALE - 0.1)
    assert world.asked == []
    await world.clock.advance(seconds=1000)
    assert world.asked == [STALE]


async def test_a_token_that_was_used_since_its_planned_refresh_is_replaced_again(world: World) -> None:
    world.take(even_if_unused=False)
    world.hand.was_used = True
    await world.clock.advance(seconds=1000)
    assert world.asked == [STALE]


async def test_a_token_that_nobody_used_since_its_planned_refresh_is_left_to_lapse(world: World) -> None:
    world.take(even_if_unused=False)
    await world.clock.advance(seconds=1000)
    assert world.asked == []
    assert world.runtime.tasks == 0


async def test_uses_of_the_token_before_do_not_count(world: World) -> None:
    world.take()
    world.hand.was_used = True
    world.take(even_if_unused=False)
    await world.clock.advance(seconds=1000)
    assert world.asked == []


async def test_a_token_that_is_replaced_in_time_no_longer_asks_for_its_own_replacement(world: World) -> None:
    world.take()
    await world.clock.advance(seconds=100)
    world.take()
    await world.clock.advance(seconds=1000)
    assert world.asked == [100 + STALE]


async def test_when_none_may_begin_it_asks_again_when_one_may(world: World) -> None:
    world.take()
    world.wait = 10.0
    await world.clock.advance(seconds=STALE + 5)
    world.wait = None
    await world.clock.advance(seconds=1000)
    assert world.asked == [STALE, STALE + 10]


async def test_it_asks_again_as_long_as_the_token_lives(world: World) -> None:
    world.take()
    world.wait = 25.0
    await world.clock.advance(seconds=1000)
    assert world.asked == [STALE, STALE + 25, STALE + 50]


async def test_one_that_is_always_refused_at_once_does_not_spin(world: World) -> None:
    world.take()
    world.wait = 0.0
    await world.clock.advance(seconds=STALE + 1.05)
    assert len(world.asked) == 1 + 1 / SHORTEST


async def test_after_a_failure_it_looks_again_when_it_is_told_to(world: World) -> None:
    world.take()
    await world.clock.advance(seconds=STALE)
    world.hand.look_again_in(30.0)
    await world.clock.advance(seconds=1000)
    assert world.asked == [STALE, STALE + 30]


async def test_looking_again_replaces_nothing_that_is_not_there(world: World) -> None:
    world.hand.look_again_in(10.0)
    await world.clock.advance(seconds=20)
    world.take()
    world.hand.withdraw()
    world.hand.look_again_in(10.0)
    await world.clock.advance(hours=1)
    assert world.asked == []


async def test_what_is_made_do_with_is_replaced_when_it_is_told_to_look_again(world: World) -> None:
    world.take(world.held(stale=5.0))
    world.hand.withdraw()
    world.hand.look_again_in(10.0)
    world.hand.make_do()
    await world.clock.advance(seconds=20)
    assert world.asked == [10.0]


async def test_a_token_without_expiry_is_never_replaced(world: World) -> None:
    world.take(world.held(stale=inf, expired=inf))
    await world.clock.advance(hours=10_000)
    assert world.asked == []
    assert world.runtime.tasks == 0


async def test_a_token_that_is_stale_when_it_comes_is_replaced_soon(world: World) -> None:
    world.take(world.held(stale=-10.0))
    await world.clock.advance(seconds=SHORTEST)
    assert world.asked == [SHORTEST]


async def test_a_token_that_ends_when_it_grows_stale_is_left_to_those_who_want_one(world: World) -> None:
    world.take(world.held(stale=EXPIRED))
    await world.clock.advance(seconds=1000)
    assert world.asked == []


async def test_a_wall_clock_that_is_set_back_puts_the_replacement_off(world: World) -> None:
    world.take()
    await world.clock.advance(seconds=100)
    world.clock.jump(-600)
    await world.clock.advance(seconds=STALE + 599 - 100)
    assert world.asked == []
    await world.clock.advance(seconds=2)
    assert world.asked == [STALE + 600]


async def test_a_wall_clock_that_is_set_forward_leaves_an_expired_token_to_those_who_want_one(world: World) -> None:
    world.take()
    world.clock.jump(600)
    await world.clock.advance(hours=1)
    assert world.asked == []


async def test_a_closed_hand_asks_for_nothing_and_holds_on(world: World) -> None:
    held = world.take()
    world.hand.close()
    await world.clock.advance(seconds=1000)
    assert world.hand.held is held
    new = world.take()
    world.hand.look_again_in(5.0)
    await world.clock.advance(seconds=1000)
    assert world.hand.held is new
    assert world.asked == []
    assert world.runtime.tasks == 0


async def test_it_shows_its_state_and_no_secret(world: World) -> None:
    shown = [repr(world.hand)]
    world.take()
    for _ in range(3):
        shown.append(repr(world.hand))
        await world.clock.advance(seconds=150)
    assert shown == ["<Hand, empty>", "<Hand, fresh>", "<Hand, fresh>", "<Hand, expired>"]
    world.take(world.held(stale=-1.0))
    assert repr(world.hand) == "<Hand, stale>"
