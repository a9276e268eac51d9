"""Points are noted in their order, and a test intervenes where it said it would."""

import pytest

from tests.fakes.points import GoneError, Points


async def test_nothing_is_noted_before_somebody_watches() -> None:
    points = Points()
    await points.reach("before save")
    points.watch()
    await points.reach("after save")
    assert points.seen == ["after save"]


async def test_a_name_that_comes_again_is_numbered() -> None:
    points = Points()
    points.watch()
    for name in ("load", "save", "load", "load"):
        await points.reach(name)
    assert points.seen == ["load", "save", "load 2", "load 3"]


async def test_what_is_to_be_done_is_done_there_and_once() -> None:
    points, done = Points(), []

    async def act() -> None:
        done.append(list(points.seen))

    points.at("save 2", act)
    points.watch()
    for name in ("save", "save", "save"):
        await points.reach(name)
    assert done == [["save", "save 2"]]


async def test_after_the_end_nothing_goes_on_and_nothing_is_noted() -> None:
    points, done = Points(), []

    async def act() -> None:
        done.append("ended")

    points.at("save", act, is_the_end=True)
    points.watch()
    with pytest.raises(GoneError):
        await points.reach("save")
    await points.reach("load")
    assert done == ["ended"]
    assert points.seen == ["save"]
