"""Commands that serve, and that say what there is to configure: what they print where, and how they end."""

import json
import os
import subprocess
import sys
from pathlib import Path

from proxy.config.json_schema import editor_schema
from tests.cli.conftest import ROOT, Countersign
from tests.config.conftest import GOOD


class TestCheck:
    def test_a_sound_file_is_ok(self, countersign: Countersign, config: Path) -> None:
        result = countersign("check", config)
        assert (result.exit_code, result.stdout, result.stderr) == (0, f"{config}: ok\n", "")

    def test_problems_go_to_standard_error_in_the_form_that_editors_jump_to(
        self, countersign: Countersign, config: Path
    ) -> None:
        config.write_text(GOOD.replace("upstream:", "upstrem:").replace("5m", "5 m"))
        result = countersign("check", config)
        assert (result.exit_code, result.stdout) == (1, "")
        assert [line.rpartition(str(config))[2].split(":")[1] for line in result.stderr.splitlines()] == [
            "21",
            "23",
            "28",
            "29",
            "31",
        ]

    def test_a_secret_that_is_not_here_is_a_warning_unless_strict(self, countersign: Countersign, config: Path) -> None:
        lenient = countersign("check", config, env={})
        assert lenient.exit_code == 0
        assert "warning: the environment variable STRIPE_KEY is not set" in lenient.stderr
        assert lenient.stdout == f"{config}: ok\n"
        strict = countersign("check", config, "--strict", env={})
        assert strict.exit_code == 1
        assert "warning" not in strict.stderr

    def test_json_is_for_scripts(self, countersign: Countersign, config: Path) -> None:
        config.write_text(GOOD.replace("credential: billing", "credential: biling"))
        result = countersign("check", config, "--json")
        said = json.loads(result.stdout)
        assert result.exit_code == 1
        assert said["ok"] is False
        assert {"file", "line", "column", "message", "warning"} == said["problems"][0].keys()

    def test_a_missing_file_is_a_problem_and_no_traceback(self, countersign: Countersign, tmp_path: Path) -> None:
        result = countersign("check", tmp_path / "none")
        assert result.exit_code == 1
        assert "none:1:1: " in result.stderr


def test_the_schema_is_the_one_for_editors(countersign: Countersign) -> None:
    assert json.loads(countersign("schema").stdout) == editor_schema()


def test_the_kinds_are_listed_with_their_settings(countersign: Countersign) -> None:
    said = countersign("kinds").stdout
    assert "credentials\n  text: " in said
    assert "\n    value (required): " in said
    listed = json.loads(countersign("kinds", "--json").stdout)
    assert set(listed) == {"callers", "credentials", "stores", "extractors", "injectors"}


class TestRun:
    def test_a_bad_configuration_ends_with_2_and_its_problems(self, config: Path) -> None:
        config.write_text(GOOD.replace("upstream:", "upstrem:"))
        done = run("run", "--config", str(config))
        assert done.returncode == 2
        assert f"{config}:23:5: routes.billing.upstrem: unknown key" in done.stderr
        assert "Traceback" not in done.stderr

    def test_an_option_can_come_from_the_environment(self, tmp_path: Path) -> None:
        done = run("run", env={"COUNTERSIGN_CONFIG": str(tmp_path / "none.yaml")})
        assert done.returncode == 2
        assert "none.yaml:1:1: " in done.stderr

    def test_without_a_configuration_the_usage_is_shown(self) -> None:
        done = run("run")
        assert done.returncode == 2
        assert "Missing option '--config'" in done.stderr


def run(*arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "proxy", *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, **(env or {})},
        check=False,
        timeout=60,
    )


class TestDemo:
    def test_an_address_that_is_none_is_a_usage_error(self, countersign: Countersign) -> None:
        result = countersign("demo", "--listen", "8090")
        assert result.exit_code == 2
        assert "write 127.0.0.1:8080" in result.stderr
