"""A configuration that cannot be used says everything that is wrong with it."""

from pathlib import Path

from proxy.core.problems import ConfigError, Problem


def test_a_configuration_error_lists_every_problem_where_it_stands() -> None:
    problems = (Problem("a.yaml", 3, 5, "no such key"), Problem("a.yaml", 9, 1, "unused", warning=True))
    error = ConfigError(problems, {Path("a.yaml"): "digest"})
    assert str(error) == "a.yaml:3:5: no such key\na.yaml:9:1: warning: unused"
    assert (error.problems, error.files) == (problems, {Path("a.yaml"): "digest"})
