from proxy.config.document import parse
from proxy.config.positions import Place, loc_of, place_of, plain, spelled, values

TEXT = """\
credentials:
  stripe:
    kind: text
    value: x
  billing: {kind: http_request, token: {from: json, json: y}}
list:
  - a
  - b: 1
"""
ROOT = parse(TEXT, lambda *_: None)
DATA = plain(ROOT, {})


def test_a_single_value_is_found_at_its_first_letter_and_the_rest_at_its_key() -> None:
    assert place_of(ROOT, ("credentials", "stripe", "value")) == Place(4, 12)
    assert place_of(ROOT, ("credentials", "stripe")) == Place(2, 3)
    assert place_of(ROOT, ("list", 1, "b")) == Place(8, 8)
    assert place_of(ROOT, ()) == Place(1, 1)


def test_a_key_can_be_asked_for() -> None:
    assert place_of(ROOT, ("credentials", "stripe", "value"), key=True) == Place(4, 5)
    assert place_of(ROOT, ("list", 0), key=True) == Place(7, 5)


def test_what_is_missing_is_looked_for_where_it_would_stand() -> None:
    assert place_of(ROOT, ("credentials", "stripe", "inject")) == Place(2, 3)


def test_the_kind_of_a_record_is_not_part_of_its_place() -> None:
    assert loc_of(DATA, ("credentials", "stripe", "text", "value")) == ("credentials", "stripe", "value")
    assert loc_of(DATA, ("credentials", "stripe", "text", "inject")) == ("credentials", "stripe")


def test_a_key_that_is_spelled_like_the_kind_is_found_after_it() -> None:
    way = ("credentials", "billing", "http_request", "token", "json", "json")
    assert loc_of(DATA, way) == ("credentials", "billing", "token", "json")


def test_words_of_pydantic_are_skipped() -> None:
    assert loc_of(DATA, ("list", 0, "function-after[f(), str]")) == ("list", 0)
    assert loc_of(DATA, ("list", 7, "b")) == ("list",)


def test_values_can_be_put_instead_of_what_stands_there() -> None:
    replaced = plain(ROOT, {("credentials", "stripe", "value"): "y", ("list", 0): 3})
    assert replaced["credentials"]["stripe"]["value"] == "y"
    assert replaced["list"] == [3, {"b": 1}]


def test_the_single_values_can_be_walked() -> None:
    assert [loc for loc, _ in values(ROOT)][-2:] == [("list", 0), ("list", 1, "b")]


def test_a_way_is_spelled_as_people_write_it() -> None:
    assert spelled(("routes", "billing", "callers", 0)) == "routes.billing.callers[0]"
