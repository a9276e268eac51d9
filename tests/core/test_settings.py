"""Settings: strict records, and the units in their types."""

from pathlib import Path
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, ValidationError

from proxy.core.settings import ConfigFile, DataFile, Duration, Settings, Size, spell_duration, spell_size


class Inner(Settings):
    number: int = 0
    """A number."""


class Record(Settings):
    wait: Annotated[Duration, Field(gt=0)] = 30.0
    """How long."""
    room: Size = 1024
    """How much."""
    file: ConfigFile | None = None
    written: DataFile | None = None
    inner: Inner = Inner()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("500ms", 0.5), ("30s", 30.0), ("5m", 300.0), ("1h", 3600.0), ("2d", 172_800.0), ("1.5s", 1.5), ("0.25h", 900.0)],
)
def test_a_duration_is_a_number_with_its_unit(text: str, seconds: float) -> None:
    assert Record.model_validate({"wait": text}).wait == seconds


@pytest.mark.parametrize(
    "value",
    ["30", 30, "", "s", "-1s", "1 s", "1S", "1e3s", "1,5s", ".5s", "1.s", "٣s", "1s\n", "9" * 400 + "s", True, None],
)
def test_what_is_no_duration_is_refused_with_the_remedy(value: Any) -> None:
    with pytest.raises(ValidationError, match="write a number with its unit: 500ms, 30s, 5m, 1h"):
        Record.model_validate({"wait": value})


@pytest.mark.parametrize("value", [float("inf"), float("nan")])
def test_a_duration_is_finite(value: float) -> None:
    with pytest.raises(ValidationError, match="finite number"):
        Record.model_validate({"wait": value})


def test_limits_of_a_duration_are_in_seconds() -> None:
    with pytest.raises(ValidationError, match="greater than 0"):
        Record.model_validate({"wait": "0s"})


@pytest.mark.parametrize(
    ("text", "size"), [("512B", 512), ("256KiB", 262_144), ("64MiB", 67_108_864), ("1GiB", 2**30), ("0B", 0)]
)
def test_a_size_is_a_whole_number_with_its_unit(text: str, size: int) -> None:
    assert Record.model_validate({"room": text}).room == size


@pytest.mark.parametrize(
    "value", ["1024", 1024, "", "KiB", "1KB", "1.5MiB", "-1B", "1 B", "٣B", "9" * 5000 + "B", None]
)
def test_what_is_no_size_is_refused_with_the_remedy(value: Any) -> None:
    with pytest.raises(ValidationError, match="write a number with its unit: 512B, 256KiB, 64MiB, 1GiB"):
        Record.model_validate({"room": value})


@given(st.integers(0, 10**8).map(lambda milliseconds: milliseconds / 1000))
def test_a_duration_that_is_spelled_out_is_read_as_the_same(seconds: float) -> None:
    assert Record.model_validate({"wait": spell_duration(seconds + 1)}).wait == pytest.approx(seconds + 1)


@given(st.integers(0, 2**36))
def test_a_size_that_is_spelled_out_is_read_as_the_same(size: int) -> None:
    assert Record.model_validate({"room": spell_size(size)}).room == size


def test_durations_and_sizes_are_spelled_in_the_largest_fitting_unit() -> None:
    assert [spell_duration(seconds) for seconds in (0, 0.5, 90, 120, 7200)] == ["0s", "500ms", "90s", "2m", "2h"]
    assert [spell_size(size) for size in (0, 1, 1536, 2048, 2**20)] == ["0B", "1B", "1536B", "2KiB", "1MiB"]


def test_a_record_is_frozen_and_strict() -> None:
    record = Record()
    with pytest.raises(ValidationError, match="frozen"):
        record.wait = 1.0
    with pytest.raises(ValidationError, match="valid integer"):
        Record.model_validate({"inner": {"number": "1"}})


def test_an_unknown_setting_is_refused_at_its_place() -> None:
    with pytest.raises(ValidationError) as refused:
        Record.model_validate({"inner": {"numbre": 1}})
    assert [error["loc"] for error in refused.value.errors()] == [("inner", "numbre")]


def test_an_error_does_not_repeat_what_was_typed() -> None:
    with pytest.raises(ValidationError) as refused:
        Record.model_validate({"inner": {"number": "hunter2"}, "unknown": "hunter2"})
    assert "hunter2" not in str(refused.value)


def test_for_editors_units_are_in_the_patterns_and_docstrings_are_descriptions() -> None:
    properties = Record.model_json_schema()["properties"]
    assert properties["wait"]["type"] == properties["room"]["type"] == "string"
    assert properties["wait"]["description"] == "How long."


def test_whoever_reads_the_configuration_says_where_its_files_are() -> None:
    found = Record.model_validate({"file": "ca.pem"}, context={"find": Path("/etc/countersign").joinpath})
    assert found.file == Path("/etc/countersign/ca.pem")
    assert Record.model_validate({"file": "ca.pem"}).file == Path("ca.pem")
    assert Record(file=Path("ca.pem")).file == Path("ca.pem")


@pytest.mark.parametrize("value", ["", 1, ["ca.pem"]])
def test_what_is_no_path_is_refused(value: Any) -> None:
    with pytest.raises(ValidationError, match="path of a file"):
        Record.model_validate({"file": value})


def test_a_file_that_is_written_is_placed_relative_to_what_the_loader_says_and_is_not_read() -> None:
    context = {"place": Path("/etc/countersign").joinpath, "find": None}
    placed = Record.model_validate({"written": "tokens.db"}, context=context)
    assert placed.written == Path("/etc/countersign/tokens.db")
    assert Record.model_validate({"written": "tokens.db"}).written == Path("tokens.db")
    assert Record.model_validate({"written": Path("/var/tokens.db")}).written == Path("/var/tokens.db")


@pytest.mark.parametrize("value", ["", 7, ["tokens.db"], "tokens\0.db"])
def test_what_is_no_path_is_no_file_to_write(value: Any) -> None:
    with pytest.raises(ValidationError, match="must be the path of a file, as a text"):
        Record.model_validate({"written": value})
