"""A family's table, and the settings field that takes any of its kinds."""

from typing import Annotated, Literal

import pytest
from pydantic import Field, ValidationError

from proxy.core.kinds import OneOf, Table
from proxy.core.settings import Settings


class Base(Settings):
    from_: str = Field(alias="from")


class RedSettings(Base):
    from_: Literal["red"] = Field(alias="from")
    depth: int = 1


class BlueSettings(Base):
    from_: Literal["blue"] = Field(alias="from")


class Red:
    Settings = RedSettings


class Blue:
    Settings = BlueSettings


TABLE: Table[type] = Table("colours", {"red": Red, "blue": Blue})


class Holder(Settings):
    colour: Annotated[Base, OneOf(TABLE, told_apart_by="from")]


def test_a_table_is_read_in_its_order() -> None:
    assert list(TABLE) == ["red", "blue"]
    assert len(TABLE) == 2
    assert TABLE["blue"] is Blue


def test_an_unknown_kind_is_answered_with_the_known_ones() -> None:
    with pytest.raises(KeyError, match="unknown kind 'green'; colours knows: red, blue"):
        _ = TABLE["green"]


def test_a_field_takes_any_kind_and_writes_it_as_it_was() -> None:
    holder = Holder.model_validate({"colour": {"from": "red", "depth": 2}})
    assert isinstance(holder.colour, RedSettings)
    assert holder.model_dump(by_alias=True) == {"colour": {"from": "red", "depth": 2}}
    assert holder.model_dump_json() == '{"colour":{"from_":"red","depth":2}}'


@pytest.mark.parametrize("colour", [{"from": "green"}, {"depth": 1}, {"from": "blue", "depth": 1}, "red"])
def test_what_is_no_kind_of_the_family_is_refused(colour: object) -> None:
    with pytest.raises(ValidationError):
        Holder.model_validate({"colour": colour})
