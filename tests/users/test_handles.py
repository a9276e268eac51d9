"""A handle is read by us alone, as it was written, for half an hour."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.errors import RequestInvalidError
from proxy.core.seal import Seal
from proxy.users.handles import LIFETIME, Handle, Handles
from proxy.users.identity import LONGEST_ID
from tests.fakes.clock import FakeClock

SEAL = Seal.of_this_process()
CLOCK = FakeClock()
HANDLES = Handles(SEAL, CLOCK)


@given(st.text(max_size=50), st.text(max_size=50))
def test_a_handle_is_read_as_it_was_written(user: str, scope: str) -> None:
    text = HANDLES.write(Handle(user, scope))
    assert HANDLES.read(text) == Handle(user, scope)
    assert text.replace("-", "").replace("_", "").isalnum()


@pytest.mark.parametrize("sign", ["a", "é", "漢", "😀", '"'])
def test_the_longest_id_that_a_user_may_have_has_a_handle(sign: str) -> None:
    handle = Handle(sign * LONGEST_ID, f"group/{'g' * 64}")
    assert HANDLES.read(HANDLES.write(handle)) == handle


def test_nothing_can_be_read_in_it_and_no_two_are_alike() -> None:
    one, other = (HANDLES.write(Handle("ann-and-more", "route/billing")) for _ in range(2))
    assert one != other
    assert "ann" not in one


async def test_it_is_good_for_half_an_hour() -> None:
    clock = FakeClock()
    handles = Handles(SEAL, clock)
    text = handles.write(Handle("ann", "route/a"))
    await clock.advance(seconds=LIFETIME - 1)
    assert handles.read(text) == Handle("ann", "route/a")
    await clock.advance(seconds=1)
    with pytest.raises(RequestInvalidError, match="too old"):
        handles.read(text)


@given(st.text(max_size=300))
def test_what_we_did_not_write_is_refused(text: str) -> None:
    with pytest.raises(RequestInvalidError):
        HANDLES.read(text)


@given(st.integers(0, 80), st.characters(codec="ascii"))
def test_what_was_changed_is_refused(place: int, sign: str) -> None:
    text = HANDLES.write(Handle("ann", "route/a"))
    changed = text[:place] + sign + text[place + 1 :]
    if changed != text:
        with pytest.raises(RequestInvalidError):
            HANDLES.read(changed)


def test_what_was_sealed_for_something_else_is_no_handle() -> None:
    with pytest.raises(RequestInvalidError):
        HANDLES.read(Handles(Seal.of_this_process(), CLOCK).write(Handle("ann", "route/a")))


def test_the_token_of_a_form_is_that_of_its_handle() -> None:
    assert HANDLES.form_token("a") == Handles(SEAL, CLOCK).form_token("a") != HANDLES.form_token("b")


@pytest.mark.parametrize(("scope", "shown"), [("route/billing", "billing"), ("group/money", "money")])
def test_people_see_the_name_of_the_route_or_group(scope: str, shown: str) -> None:
    assert Handle("ann", scope).shown == shown
