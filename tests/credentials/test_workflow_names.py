"""What can be told of a workflow's variables from its settings alone."""

from typing import Any

from proxy.core.template import Template
from proxy.credentials.workflow_names import brought_by, flaws_of, spent_by
from proxy.credentials.workflow_steps import StepSettings


def step(name: str, *, sends: str = "", brings: str = "", **more: Any) -> StepSettings:
    return StepSettings.model_validate(
        {
            "name": name,
            "request": {"url": "https://auth.example/", "form": {word: f"{{{{ {word} }}}}" for word in sends.split()}},
            "extract": {word: {"from": "json", "path": word} for word in brings.split()},
            **more,
        }
    )


LOGIN = step("login", sends="PASSWORD", brings="T R N")


def flaws(*steps: StepSettings, refresh: tuple[StepSettings, ...] = (), token: str = "{{ T }}") -> list[Any]:
    return list(flaws_of(steps, refresh, first={"PASSWORD"}, token=Template(token), made={"COOKIES"}))


def test_what_any_step_may_bring_is_brought() -> None:
    assert brought_by([LOGIN, step("more", brings="X T")]) == {"T", "R", "N", "X"}


def test_what_a_former_run_brought_and_a_refresh_sends_is_spent() -> None:
    assert spent_by([LOGIN], [step("a", sends="R PASSWORD", brings="T R")]) == {"R"}
    assert spent_by([LOGIN], []) == frozenset()


def test_what_the_refresh_itself_brings_before_is_not_spent_unless_that_step_may_be_skipped() -> None:
    later = step("b", sends="N")
    assert spent_by([LOGIN], [step("a", brings="N"), later]) == frozenset()
    when = [{"variable": "T", "present": True}]
    assert spent_by([LOGIN], [step("a", brings="N", when=when), later]) == {"N"}


def test_a_variable_is_known_from_the_step_on_that_may_bring_it() -> None:
    use = step("use", sends="N")
    assert flaws(LOGIN, use) == []
    [(place, message)] = flaws(use, LOGIN)
    assert place == ("steps", 0, "request", "form", "N")
    assert "N has no value in this step; give N a first value under `variables`" in message


def test_a_refresh_knows_all_that_the_steps_bring_and_the_cookies() -> None:
    assert flaws(LOGIN, refresh=(step("a", sends="R COOKIES PASSWORD"),)) == []
    [(place, _)] = flaws(LOGIN, refresh=(step("a", sends="LATER"), step("b", brings="LATER")))
    assert place == ("refresh", 0, "request", "form", "LATER")


def test_the_place_of_a_variable_is_told_wherever_in_the_request_it_stands() -> None:
    requests = [
        {"url": "https://auth.example/{{ X }}"},
        {"url": "https://auth.example/", "json": {"a": ["{{ X }}"]}},
        {"url": "https://auth.example/", "body": "%%X%%"},
        {"url": "https://auth.example/", "headers": {"H": "{{ X | base64 }}"}},
        {"url": "https://auth.example/", "query": {"q": "{{ X }}"}},
    ]
    places = [flaws(step("a", brings="T", request=request))[0][0][3:] for request in requests]
    assert places == [("url",), ("json",), ("body",), ("headers", "H"), ("query", "q")]


def test_a_condition_may_ask_for_what_is_absent_and_not_for_what_nobody_brings() -> None:
    asked = [{"variable": "R", "present": False}]
    assert flaws(step("first", when=asked), LOGIN) == []
    [(place, _)] = flaws(LOGIN, step("b", succeeds_when={"all": [{"variable": "RR", "present": True}]}))
    assert place == ("steps", 1, "succeeds_when", "all", 0, "variable")


def test_a_token_is_made_of_what_the_steps_bring() -> None:
    assert flaws(LOGIN, token="{{ T }}{{ PASSWORD }}{{ COOKIES }}") == []
    assert [place for place, _ in flaws(LOGIN, token="{{ ACCESS_TOKEN }}")] == [("token",)]
    assert flaws(token="{{ ANYTHING }}") == []
