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


class Several(Settings):
    colours: Annotated[Base | tuple[Base, ...], OneOf(TABLE, told_apart_by="from", or_several=True)]


def test_a_field_may_take_one_or_several_and_writes_them_as_they_were() -> None:
    one, two = {"from": "red", "depth": 2}, {"from": "blue"}
    assert isinstance(Several.model_validate({"colours": one}).colours, RedSettings)
    several = Several.model_validate({"colours": [one, two]})
    assert isinstance(several.colours, tuple)
    assert [type(colour) for colour in several.colours] == [RedSettings, BlueSettings]
    assert several.model_dump(by_alias=True) == {"colours": [one, two]}


@pytest.mark.parametrize("colours", [[], {"from": "green"}, [{"from": "green"}], "red", [["red"]], None])
def test_neither_one_nor_several_is_refused(colours: object) -> None:
    with pytest.raises(ValidationError):
        Several.model_validate({"colours": colours})


def test_a_mistake_is_placed_in_the_list_or_in_the_one() -> None:
    one = {"from": "red", "odd": 1}
    for given, at in (([{"from": "blue"}, one], 1), (one, 0)):
        with pytest.raises(ValidationError) as caught:
            Several.model_validate({"colours": given})
        assert [error["loc"] for error in caught.value.errors()] == [("colours", at, "red", "odd")]


def test_for_editors_one_or_several_is_either() -> None:
    described = Several.model_json_schema()["properties"]["colours"]
    several, one = described["anyOf"]
    assert (several["type"], several["minItems"], several["items"]) == ("array", 1, one)
    assert one["discriminator"]["propertyName"] == "from"
