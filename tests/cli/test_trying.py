"""Commands that try a credential and explain a request: what they print where, and how they end."""

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import Result

from proxy.core.clock import SystemClock
from proxy.core.seal import Seal, new_key
from proxy.core.secret import Secret
from proxy.net.runtime import Runtime
from proxy.stores.documents import Documents
from proxy.stores.sqlite import Sqlite, SqliteSettings
from proxy.users.registry import Registry, User
from tests.cli.conftest import ROOT, Countersign
from tests.config.conftest import ENVIRON, GOOD
from tests.fakes.known import keep
from tests.fakes.process import free_ports


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


PERSONAL = """
listen: {{proxy: '127.0.0.1:{ports[0]}', admin: '127.0.0.1:{ports[1]}', metrics: '127.0.0.1:{ports[2]}'}}
store: {{kind: sqlite, path: '{path}'}}
seal: {{keys: ['{key}']}}
users: {{identity_secret: '0123456789abcdef0123456789abcdef'}}
callers: {{anyone: {{kind: anonymous}}}}
credentials:
  own:
    kind: http_request
    per_user: true
    allow_plain_http: true
    request: {{url: '{issuer}', form: {{user: '{{{{ USER_ID }}}}', password: '{{{{ PASSWORD }}}}'}}}}
    token: {{from: json, path: access_token}}
  everybodys: {{kind: text, value: planted}}
routes:
  own: {{match: {{path: /own/}}, upstream: 'https://api.example', callers: [anyone], credential: own}}
"""


class TestUsers:
    @pytest.fixture
    def issuer(self) -> Iterator[str]:
        """Run `countersign demo`, whose token endpoint takes any form, and return its address."""
        (port,) = free_ports(1)
        command = [sys.executable, "-m", "proxy", "demo", "--listen", f"127.0.0.1:{port}"]
        with subprocess.Popen(command, cwd=ROOT) as process:
            yield f"http://127.0.0.1:{port}/token"
            process.terminate()

    @pytest.fixture
    def personal(self, tmp_path: Path, issuer: str) -> Path:
        """Return a configuration of which the store knows the user ann, with her password."""
        key = new_key()
        path, store = tmp_path / "countersign.yaml", tmp_path / "store.db"
        path.write_text(PERSONAL.format(ports=free_ports(3), path=store, key=key, issuer=issuer))
        asyncio.run(write_down(store, key, User("ann", variables={"PASSWORD": Secret("planted-password")})))
        return path

    def test_a_users_credential_is_tried_with_what_the_store_knows_of_them(
        self, countersign: Countersign, personal: Path
    ) -> None:
        result = until_listening(lambda: countersign("test", "own", "-c", personal, "--user", "ann", "--json"))
        (step,) = json.loads(result.stdout)["steps"]
        assert step["sent"].keys() == {"user", "password"}
        assert "planted" not in result.output

    def test_what_is_not_known_of_a_user_is_named(self, countersign: Countersign, personal: Path) -> None:
        result = countersign("test", "own", "-c", personal, "--user", "ben")
        assert result.exit_code == 1
        assert "the variable PASSWORD has no value for this user" in result.output

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (("test", "own"), "say whose, with --user"),
            (("test", "everybodys", "--user", "ann"), "leave --user out"),
            (("explain", "GET", "/own/x"), "user-required"),
        ],
    )
    def test_whoever_says_too_little_or_too_much_is_told_so(
        self, countersign: Countersign, personal: Path, arguments: tuple[str, ...], words: str
    ) -> None:
        result = countersign(*arguments, "-c", personal)
        assert result.exit_code == 1
        assert words in result.output

    def test_a_request_for_a_user_is_explained(self, countersign: Countersign, personal: Path) -> None:
        result = countersign("explain", "GET", "/own/x", "-c", personal, "--user", "ann")
        assert result.exit_code == 0
        assert "signed with: own, for the user ann" in result.stdout
        told = json.loads(countersign("explain", "GET", "/own/x", "-c", personal, "--user", "ann", "--json").stdout)
        assert told["user"] == "ann"


async def write_down(path: Path, key: str, user: User) -> None:
    """Write a user down in the store, as the proxy does."""
    runtime = Runtime(SystemClock(), lambda name, error: None)
    store = Sqlite(SqliteSettings(kind="sqlite", path=path), runtime)
    seal = Seal((Secret(key),))
    await keep(Registry(Documents(store, seal), seal.derive("users")), user)
    await store.close()
    await runtime.close()
