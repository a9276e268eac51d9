"""The command as people and scripts use it: what it prints where, and how it ends."""

import asyncio
import base64
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from proxy import __version__
from proxy.callers.api_key import hash_key
from proxy.cli import main
from proxy.config.json_schema import editor_schema
from proxy.core.clock import SystemClock
from proxy.core.seal import Seal, is_same_line
from proxy.core.secret import Secret
from proxy.net.runtime import Runtime
from proxy.stores.base import Record
from proxy.stores.sealed import close
from proxy.stores.sqlite import Sqlite, SqliteSettings
from tests.config.conftest import ENVIRON, GOOD
from tests.fakes.process import free_ports

ROOT = Path(__file__).parents[1]
COMMANDS = ("check", "demo", "explain", "hash-key", "keygen", "kinds", "reseal", "run", "schema", "test")

Countersign = Callable[..., Result]


@pytest.fixture
def countersign() -> Countersign:
    def countersign(*arguments: str | Path, env: dict[str, str] = ENVIRON, stdin: str | None = None) -> Result:
        cleared: dict[str, str | None] = dict.fromkeys(os.environ.keys() & {"STRIPE_KEY"})
        result = CliRunner().invoke(main, [*map(str, arguments)], env=cleared | env, input=stdin)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result

    return countersign


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "secret").write_text("file-marker\n")
    path = tmp_path / "countersign.yaml"
    path.write_text(GOOD)
    return path


def test_help_fits_one_screen_for_every_command(countersign: Countersign) -> None:
    assert set(COMMANDS) == set(main.commands)
    for arguments in [("--help",), *((command, "--help") for command in COMMANDS)]:
        result = countersign(*arguments)
        assert result.exit_code == 0
        assert len(result.stdout.splitlines()) <= 24
        assert all(len(line) <= 80 for line in result.stdout.splitlines())
        assert "..." not in result.stdout.replace("[ARGS]...", "").replace("[OPTIONS]...", "")


def test_the_version_is_printed(countersign: Countersign) -> None:
    assert countersign("--version").stdout == f"countersign {__version__}\n"


def test_it_runs_as_a_module_and_help_imports_nothing_heavy() -> None:
    script = (
        "import sys; sys.argv = ['countersign', '--help']\ntry:\n    import proxy.__main__; proxy.__main__.main()\n"
    )
    script += "finally:\n    print(sorted({'aiohttp', 'pydantic', 'yaml'} & sys.modules.keys()), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stderr == "[]\n"
    module = subprocess.run(
        [sys.executable, "-m", "proxy", "--version"], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert module.stdout == f"countersign {__version__}\n"


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


class TestExplain:
    def test_it_says_what_would_be_sent_with_every_value_masked(self, countersign: Countersign, config: Path) -> None:
        result = countersign(
            "explain", "GET", "http://127.0.0.1:8080/billing/x?y=1", "-c", config,
            "--header", "Authorization: Bearer foo", "--header", "X-Mine: own",
        )  # fmt: skip
        assert result.exit_code == 0
        assert "route billing: matches, and is the first choice" in result.stdout
        assert "may be called by: backend (api_key)" in result.stdout
        assert "this caller is: backend" in result.stdout
        assert "would be sent: GET https://api.example.com/v2/x?y=1" in result.stdout
        assert "  Authorization: ***" in result.stdout
        assert not re.search(r"foo|own|marker", result.stdout)

    def test_a_request_that_would_be_refused_ends_with_1(self, countersign: Countersign, config: Path) -> None:
        result = countersign("explain", "GET", "/billing/x", "-c", config)
        assert result.exit_code == 1
        assert "refused: 401 caller-unauthenticated" in result.stdout
        assert countersign("explain", "GET", "/nowhere", "-c", config).exit_code == 1

    def test_it_needs_no_secret(self, countersign: Countersign, config: Path) -> None:
        result = countersign("explain", "GET", "/stripe/x", "-c", config, "--header", "X-Countersign-Key: foo", env={})
        assert result.exit_code == 0
        assert result.stderr == ""

    @pytest.mark.parametrize("form", [(), ("--json",)])
    def test_what_a_reference_brought_is_masked(
        self, countersign: Countersign, config: Path, form: tuple[str, ...]
    ) -> None:
        text = GOOD.replace("example.com/v2", "example.com/${env:BASE}").replace("/stripe/", "'/${env:PREFIX}/'")
        config.write_text(text)
        result = countersign(
            "explain", "GET", "/billing/x", "-c", config, "--header", "X-Countersign-Key: foo", *form,
            env={**ENVIRON, "BASE": "base-marker", "PREFIX": "prefix-marker"},
        )  # fmt: skip
        assert result.exit_code == 0
        assert "https://api.example.com/***/x" in result.stdout
        assert "the path does not begin with /***/" in result.stdout
        assert "marker" not in result.stdout

    def test_json_holds_the_same(self, countersign: Countersign, config: Path) -> None:
        said = json.loads(countersign("explain", "GET", "/billing/x", "-c", config, "--json").stdout)
        assert said["route"] == "billing"
        assert said["callers"] == [{"name": "backend", "kind": "api_key"}]
        assert said["refusal"] == {"status": 401, "code": "caller-unauthenticated"}
        assert said["outgoing"] is None

    @pytest.mark.parametrize(
        "arguments",
        [("GET", "/a b"), ("GET", "ftp://x/"), ("G T", "/"), ("GET", "/#x"), ("GET", "/", "--header", "nocolon")],
    )
    def test_what_is_no_request_is_a_usage_error(
        self, countersign: Countersign, config: Path, arguments: tuple[str, ...]
    ) -> None:
        assert countersign("explain", *arguments, "-c", config).exit_code == 2

    def test_a_bad_configuration_is_told_first(self, countersign: Countersign, config: Path) -> None:
        config.write_text(GOOD.replace("upstream:", "upstrem:"))
        result = countersign("explain", "GET", "/", "-c", config)
        assert result.exit_code == 1
        assert "unknown key 'upstrem'" in result.stderr


SPENDS = """
callers: {here: {kind: anonymous}}
credentials:
  crm: {kind: refresh_token, token_url: "https://auth.example/token", client_id: me, refresh_token: the-first-one}
routes: {crm: {upstream: "https://api.example", credential: crm, callers: [here]}}
"""


class TestTest:
    @pytest.fixture
    def demo(self, tmp_path: Path) -> Iterator[Path]:
        """Run `countersign demo` and return the quickstart configuration for it."""
        (port,) = free_ports(1)
        command = [sys.executable, "-m", "proxy", "demo", "--listen", f"127.0.0.1:{port}"]
        with subprocess.Popen(command, cwd=ROOT) as process:
            path = tmp_path / "quickstart.yaml"
            path.write_text((ROOT / "config" / "quickstart.yaml").read_text().replace("8090", str(port)))
            try:
                yield path
            finally:
                process.terminate()
                assert process.wait(10) == 0

    def test_a_credential_that_works_is_shown_step_by_step_without_its_secrets(
        self, countersign: Countersign, demo: Path
    ) -> None:
        result = until_listening(lambda: countersign("test", "demo", "-c", demo))
        assert result.exit_code == 0
        assert re.search(r"^POST http://127\.0\.0\.1:\d+/token$", result.stdout, re.M)
        assert "-> 200 application/json" in result.stdout
        assert "token:  found at json $.access_token" in result.stdout
        assert "expiry: found at json $.expires_in (seconds); lives 300 s" in result.stdout
        assert "demo-secret" not in result.stdout

    def test_a_credential_that_fails_is_diagnosed(self, countersign: Countersign, demo: Path) -> None:
        demo.write_text(demo.read_text().replace("demo-secret", "wrong-secret"))
        result = until_listening(lambda: countersign("test", "demo", "-c", demo, "--json"))
        assert result.exit_code == 1
        said = json.loads(result.stdout)
        assert said["steps"][0]["status"] == 401
        assert said["diagnosis"]["code"] != "ok"
        assert said["diagnosis"]["remedy"]
        assert "wrong-secret" not in result.stdout

    def test_a_refresh_token_is_not_spent(self, countersign: Countersign, tmp_path: Path) -> None:
        path = tmp_path / "countersign.yaml"
        path.write_text(SPENDS)
        result = countersign("test", "crm", "-c", path)
        assert result.exit_code == 1
        assert result.stdout.startswith("not-tried: nothing was sent")
        assert "what to do: let the running proxy renew the token" in result.stdout
        said = json.loads(countersign("test", "crm", "-c", path, "--json").stdout)
        assert (said["steps"], said["diagnosis"]["code"]) == ([], "not-tried")

    def test_an_unknown_credential_is_answered_with_the_known_ones(
        self, countersign: Countersign, config: Path
    ) -> None:
        result = countersign("test", "stripes", "-c", config)
        assert result.exit_code == 1
        assert "no credential is called 'stripes'; known: stripe, billing; did you mean 'stripe'?" in result.stderr

    def test_a_credential_whose_secret_is_missing_is_not_tried_with_a_stand_in(
        self, countersign: Countersign, config: Path
    ) -> None:
        result = countersign("test", "stripe", "-c", config, env={})
        assert result.exit_code == 1
        assert "STRIPE_KEY is not set" in result.stderr
        assert "cannot be tried before its references can be resolved" in result.stderr

    def test_a_missing_secret_of_another_credential_does_not_matter(
        self, countersign: Countersign, config: Path
    ) -> None:
        (config.parent / "secret").unlink()
        assert countersign("test", "stripe", "-c", config).exit_code == 0


def until_listening(run: Callable[[], Result]) -> Result:
    """Run it again while the demo API is not up yet."""
    for _ in range(100):
        result = run()
        if "-> no reply" not in result.stdout and '"status": null' not in result.stdout:
            return result
    return result


class TestKeys:
    def test_a_sealing_key_is_32_random_bytes_alone_on_the_last_line(self, countersign: Countersign) -> None:
        keys = {countersign("keygen").stdout.splitlines()[-1] for _ in range(3)}
        assert len(keys) == 3
        assert {len(base64.b64decode(key, validate=True)) for key in keys} == {32}

    def test_a_key_that_replaces_another_carries_on_its_line(self, countersign: Countersign, tmp_path: Path) -> None:
        old = countersign("keygen").stdout
        (tmp_path / "old").write_text(old)
        made = [countersign("keygen", "--after", tmp_path / "old"), countersign("keygen", "--after", "-", stdin=old)]
        keys = [Secret(result.stdout.strip()) for result in made]
        assert keys[0] != keys[1]
        assert all(is_same_line(key, Secret(old.strip())) for key in keys)
        assert countersign("keygen", "--after", "-", stdin=keys[0].reveal()).exit_code == 0

    @pytest.mark.parametrize("no_key", ["", "correct horse battery staple", "schlüssel"])
    def test_what_is_no_key_is_not_replaced(self, countersign: Countersign, no_key: str) -> None:
        result = countersign("keygen", "--after", "-", stdin=no_key)
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.startswith("--after: a sealing key is 32 random bytes in base64")

    def test_a_new_caller_key_comes_with_its_hash(self, countersign: Countersign) -> None:
        match = re.fullmatch(r"key:  (\S+)\nhash: (sha256:[0-9a-f]{64})\n", countersign("hash-key").stdout)
        assert match is not None
        assert hash_key(match[1]) == match[2]
        said: dict[str, Any] = json.loads(countersign("hash-key", "--json").stdout)
        assert said.keys() == {"key", "hash"}
        assert hash_key(said["key"]) == said["hash"]

    def test_a_key_that_is_given_is_hashed(self, countersign: Countersign) -> None:
        assert countersign("hash-key", "foo").stdout == f"{hash_key('foo')}\n"
        assert countersign("hash-key", "-", stdin="foo\n").stdout == f"{hash_key('foo')}\n"

    @pytest.mark.parametrize("key", ["", " ", "two\nlines", "schlüssel", " foo"])
    def test_what_could_not_stand_in_a_header_is_refused(self, countersign: Countersign, key: str) -> None:
        result = countersign("hash-key", "-", stdin=key)
        assert result.exit_code == 1
        assert "one line of printable ASCII" in result.stderr


class TestReseal:
    """Two keys in files, and a token database with one record of each and one of neither."""

    @pytest.fixture
    def stored(self, config: Path, countersign: Countersign) -> Path:
        (config.parent / "old").write_text(countersign("keygen").stdout)
        (config.parent / "new").write_text(countersign("keygen", "--after", config.parent / "old").stdout)
        use(config, "new", "old")
        return config

    def test_afterwards_the_new_key_alone_opens_everything(self, countersign: Countersign, stored: Path) -> None:
        asyncio.run(put(stored, {"token/a/0": "old", "token/b/0": "old", "token/c/0": "new"}))
        result = countersign("reseal", "-c", stored)
        assert (result.exit_code, result.stderr) == (0, "")
        assert result.stdout == "sealed again: 2\nalready current: 1\nunreadable: 0\n"
        use(stored, "new")
        said = json.loads(countersign("reseal", "-c", stored, "--json").stdout)
        assert said == {"resealed": 0, "current": 3, "unreadable": []}

    def test_what_cannot_be_opened_ends_it_with_1_and_is_named(self, countersign: Countersign, stored: Path) -> None:
        asyncio.run(put(stored, {"token/a/0": "old", "token/b/0": "new"}))
        use(stored, "new")
        result = countersign("reseal", "-c", stored)
        assert result.exit_code == 1
        assert "unreadable: 1\n  token/a/0 was sealed with a key that is not configured" in result.stdout
        said = json.loads(countersign("reseal", "-c", stored, "--json").stdout)
        assert [left["key"] for left in said["unreadable"]] == ["token/a/0"]
        for key in ("old", "new"):
            assert key_in(stored, key) not in result.stdout + result.stderr

    def test_a_store_that_cannot_be_reached_is_said(self, countersign: Countersign, stored: Path) -> None:
        stored.write_text(stored.read_text().replace("tokens.db", "none/tokens.db"))
        result = countersign("reseal", "-c", stored)
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.endswith("what was sealed again so far stays so, and the next run goes on from there\n")

    def test_keys_that_are_not_here_are_asked_for(self, countersign: Countersign, stored: Path) -> None:
        (stored.parent / "old").unlink()
        result = countersign("reseal", "-c", stored)
        assert result.exit_code == 1
        assert "create it, or correct ${file:old}" in result.stderr
        assert "nothing can be sealed before the references of store and seal can be resolved" in result.stderr

    def test_secrets_of_credentials_are_not_needed(self, countersign: Countersign, stored: Path) -> None:
        assert countersign("reseal", "-c", stored, env={}).exit_code == 0

    def test_memory_needs_no_key_and_no_sealing(self, countersign: Countersign, config: Path) -> None:
        result = countersign("reseal", "-c", config)
        assert (result.exit_code, result.stdout) == (1, "")
        assert "seal.keys names no key, and a store of kind memory needs none" in result.stderr


def use(config: Path, *keys: str) -> None:
    listed = ", ".join(f'"${{file:{key}}}"' for key in keys)
    config.write_text(f"store: {{kind: sqlite, path: tokens.db}}\nseal: {{keys: [{listed}]}}\n{GOOD}")


def key_in(config: Path, name: str) -> str:
    return (config.parent / name).read_text().strip()


async def put(config: Path, records: dict[str, str]) -> None:
    """Save a record under each key, sealed with the key of that name."""
    runtime = Runtime(SystemClock(), lambda name, error: None)
    store = Sqlite(SqliteSettings(kind="sqlite", path=config.parent / "tokens.db"), runtime)
    for key, name in records.items():
        seal = Seal([Secret(key_in(config, name))])
        await store.save(key, Record(7, close(seal, key, 7, b"planted"), 300.0))
    await store.close()


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
