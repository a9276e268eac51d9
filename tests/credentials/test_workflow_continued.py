"""What goes on may be written as steps, or as a name."""

import json
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from proxy.credentials.workflow import Workflow, WorkflowSettings
from proxy.credentials.workflow_continued import StepsOrName
from proxy.net.endpoint import Endpoint
from tests.fakes.clock import FakeClock

STEP = {"name": "redeem", "request": {"url": "https://a.example/", "body": "a s3cret"}}
DOOR = {"name": "door", "browser": {"url": "https://a.example/?state={{ STATE }}"}}
FIELD: TypeAdapter[Any] = TypeAdapter(StepsOrName)


def settings(**given: Any) -> WorkflowSettings:
    return WorkflowSettings.model_validate({"kind": "workflow", "steps": [DOOR], **given})


def test_both_are_taken_and_printed_as_what_they_are() -> None:
    assert FIELD.validate_python("redeem") == "redeem"
    assert [step.name for step in FIELD.validate_python([STEP])] == ["redeem"]
    assert settings(on_callback="redeem").then == ()
    assert [step.name for step in settings(on_callback=[STEP]).then] == ["redeem"]
    assert settings(on_callback="redeem").model_dump(mode="json")["on_callback"] == "redeem"
    [printed] = json.loads(settings(on_callback=[STEP]).model_dump_json())["on_callback"]
    assert printed["name"] == "redeem"
    assert "s3cret" not in str(printed)


@pytest.mark.parametrize(
    ("given", "place"),
    [
        (7, ("on_callback",)),
        ({"name": "redeem"}, ("on_callback",)),
        ([{**STEP, "colour": "red"}], ("on_callback", 0, "colour")),
        (["redeem"], ("on_callback", 0)),
    ],
)
def test_what_is_wrong_with_steps_is_told_where_it_is_and_of_nothing_else(given: Any, place: tuple[Any, ...]) -> None:
    with pytest.raises(ValidationError) as caught:
        settings(on_callback=given)
    assert [error["loc"] for error in caught.value.errors()] == [place]


def test_its_schema_has_both() -> None:
    steps, name = FIELD.json_schema()["anyOf"]
    assert (steps["type"], name) == ("array", {"type": "string"})


def test_a_name_follows_a_step_with_a_browser_as_steps_do() -> None:
    with pytest.raises(ValidationError, match="follows a step with a browser"):
        settings(steps=[STEP], on_callback="redeem")


def test_nobody_is_let_in_by_steps_that_are_known_by_name_alone() -> None:
    clock = FakeClock()
    with pytest.raises(AssertionError, match="puts steps in the place of their name"):
        Workflow("old", settings(on_callback="redeem"), Endpoint(clock), clock)
