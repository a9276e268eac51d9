import gc
import json
from pathlib import Path

import pytest

from proxy.config.document import parse
from proxy.config.files import ABSENT, LARGEST, digest
from proxy.config.load import load
from proxy.config.positions import plain
from proxy.config.schema import Config
from proxy.core.problems import ConfigError
from proxy.core.secret import scrub
from proxy.credentials.text import TextSettings
from proxy.tokens.identity import identity_of
from tests.config.conftest import ENVIRON, GOOD, Examine


def assert_same(one: Config | None, other: Config | None) -> None:
    assert one is not None
    assert other is not None
    assert (one.listen, one.callers, one.routes) == (other.listen, other.callers, other.routes)
    assert identities(one) == identities(other)


KEY = b"0" * 32


def identities(config: Config) -> dict[str, str]:
    return {name: identity_of(credential, KEY) for name, credential in config.credentials.items()}


def written(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "countersign.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    (tmp_path / "secret").write_text("file-marker\n")
    return path


def test_a_sound_file_becomes_a_configuration(tmp_path: Path) -> None:
    loaded = load(written(tmp_path, GOOD), ENVIRON)
    stripe = loaded.config.credentials["stripe"]
    assert isinstance(stripe, TextSettings)
    assert stripe.value.reveal() == "sk_live_marker"
    assert list(loaded.config.routes) == ["billing", "stripe"]
    assert loaded.config.routes["billing"].timeouts.idle == 300.0
    assert loaded.warnings == ()


def test_what_a_reference_brought_is_masked_as_long_as_the_configuration_is_in_use(tmp_path: Path) -> None:
    text = GOOD.replace("com/session", "com/${env:TENANT}/session").replace("example.com/v2", "example.com/${env:BASE}")
    loaded = load(written(tmp_path, text), {**ENVIRON, "TENANT": "tenant-marker", "BASE": "base-marker"})
    assert {secret.reveal() for secret in loaded.secrets} == {
        "sk_live_marker",
        "file-marker",
        "tenant-marker",
        "base-marker",
    }
    assert scrub("https://auth.example.com/tenant-marker/session, /base-marker") == (
        "https://auth.example.com/***/session, /***"
    )
    assert "marker" not in repr(loaded.secrets)
    del loaded
    gc.collect()
    assert scrub("/base-marker") == "/base-marker"


def test_it_names_every_file_to_watch_with_a_digest_of_what_was_read(tmp_path: Path) -> None:
    path = written(tmp_path, GOOD)
    assert load(path, ENVIRON).files == {
        path: digest(GOOD.encode()),
        tmp_path / "secret": digest(b"file-marker\n"),
    }


def test_an_unusable_file_raises_all_its_problems_and_names_the_files_that_could_mend_it(tmp_path: Path) -> None:
    path = written(tmp_path, GOOD.replace("${file:secret}", "${file:elsewhere}").replace("30s", "30"))
    with pytest.raises(ConfigError) as caught:
        load(path, {})
    said = str(caught.value).split("\n")
    assert [line.split(":")[1] for line in said] == ["9", "15", "26", "26"]
    assert caught.value.files.keys() == {path, tmp_path / "elsewhere"}
    assert caught.value.files[tmp_path / "elsewhere"] == ABSENT


def test_a_file_that_does_not_exist_is_a_problem_and_is_watched(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml:1:1: .* cannot be read: No such file") as caught:
        load(tmp_path / "none.yaml", {})
    assert caught.value.files == {tmp_path / "none.yaml": ABSENT}


def test_a_directory_is_not_a_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Is a directory"):
        load(tmp_path, {})


def test_a_byte_that_is_not_utf_8_is_named_by_line_and_column(examined: Examine) -> None:
    (problem,) = examined(b"a: 1\n\xc3\xa9: \xff\n").problems
    assert (problem.line, problem.column) == (2, 4)
    assert "save the file as UTF-8" in problem.message


def test_a_byte_order_mark_and_windows_line_ends_change_nothing(examined: Examine) -> None:
    unix = examined(GOOD)
    windows = examined(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    assert windows.problems == ()
    assert_same(windows.config, unix.config)


def test_a_file_is_bounded(examined: Examine) -> None:
    (problem,) = examined("#" * (LARGEST + 1)).problems
    assert "larger than 4 MiB" in problem.message


@pytest.mark.parametrize("text", ["- a\n", "text\n", "5\n", "null\n"])
def test_a_document_that_is_no_mapping_says_so(examined: Examine, text: str) -> None:
    (problem,) = examined(text).problems
    assert "must be a mapping of keys to values" in problem.message


def test_problems_stand_in_the_order_of_their_places(examined: Examine) -> None:
    text = GOOD.replace("path: /billing/", "path: billing").replace("kind: text", "kind: txt").replace("5m", "5 m")
    places = [(problem.line, problem.column) for problem in examined(text).problems]
    assert places == sorted(places)
    assert len(places) == 3


def test_what_a_reference_brings_may_stand_where_a_number_or_a_switch_is_wanted(examined: Examine) -> None:
    text = GOOD.replace("failures: 5", 'failures: "${env:N}"').replace(
        "replay:", 'strip_prefix: "${env:NO}"\n    replay:'
    )
    config = examined(text, environ=ENVIRON | {"N": "7", "NO": "false"}).config
    assert config is not None
    assert config.routes["billing"].breaker.failures == 7
    assert config.routes["billing"].strip_prefix is False


def test_what_a_reference_brings_stays_a_text_where_one_is_wanted(examined: Examine) -> None:
    config = examined(GOOD, environ={"STRIPE_KEY": "0123456789"}).config
    assert config is not None
    stripe = config.credentials["stripe"]
    assert isinstance(stripe, TextSettings)
    assert stripe.value.reveal() == "0123456789"


def test_a_reference_that_leads_nowhere_is_an_error(examined: Examine) -> None:
    (problem,) = examined(GOOD, environ={}).problems
    assert (problem.line, problem.column, problem.warning) == (9, 12, False)
    assert "STRIPE_KEY is not set" in problem.message


def test_without_resolving_it_is_a_warning_and_the_rest_is_checked_all_the_same(examined: Examine) -> None:
    unset = examined(GOOD, environ={}, resolve=False)
    assert [problem.warning for problem in unset.problems] == [True]
    assert unset.config is not None
    assert unset.unresolved == {("credentials", "stripe", "value")}
    dangling = GOOD.replace("credential: billing", "credential: biling")
    assert [problem.warning for problem in examined(dangling, environ={}, resolve=False).errors] == [False]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("failures: 5", 'failures: "${env:GONE}"'),
        ("memory: 256KiB", 'memory: "${env:GONE}"'),
        ("window: 30s", 'window: "${env:GONE}"'),
        ("upstream: https://api.example.com/v2", 'upstream: "${env:GONE}"'),
        ('"sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"', '"${env:GONE}"'),
        ("metrics: 127.0.0.1:0", 'metrics: "${env:GONE}"'),
        ("status: 401", 'status: "${env:GONE}"'),
        ("path: $.access_token", 'path: "${env:GONE}"'),
        ("path: /billing/", 'path: "${env:GONE}"'),
        ("kind: api_key", "kind: ${env:GONE}"),
        ("type: seconds", 'type: "${env:GONE}"'),
    ],
)
def test_wherever_it_stands_a_missing_reference_is_one_warning_and_nothing_else(
    examined: Examine, old: str, new: str
) -> None:
    assert old in GOOD
    (problem,) = examined(GOOD.replace(old, new, 1), resolve=False).problems
    assert problem.warning
    assert "GONE is not set" in problem.message


def test_a_value_that_a_reference_brought_is_never_shown(examined: Examine) -> None:
    """Whatever is wrong with a value, and wherever it stands, a message holds the reference and not the value."""
    marker = "planted-marker"
    lines = GOOD.splitlines(keepends=True)
    seen = 0
    for loc, line in _scalars():
        text = "".join([*lines[:line], _with_reference(lines[line], loc), *lines[line + 1 :]])
        for value in (marker, f"{marker}\n", f"{{{{ {marker}", f"{marker}\x00\xff", f"http://{marker}@host/?{marker}"):
            for problem in examined(text, environ=ENVIRON | {"PLANTED": value}).problems:
                seen += 1
                assert marker not in str(problem)
    assert seen > 100


def _scalars() -> list[tuple[str, int]]:
    """Return every single value of the good configuration that is not a reference, with its line."""
    found = []
    for number, line in enumerate(GOOD.splitlines()):
        _, _, value = line.partition(": ")
        found += [(part.strip(' {}[]"'), number) for part in value.replace(",", ":").split(":")]
    return [(value, number) for value, number in found if value and "$" not in value and value in GOOD]


def _with_reference(line: str, value: str) -> str:
    before, _, after = line.rpartition(value)
    return f'{before.removesuffix(chr(34))}"${{env:PLANTED}}"{after.removeprefix(chr(34))}'


def test_a_dangling_name_that_a_reference_brought_is_not_shown(examined: Examine) -> None:
    text = GOOD.replace("credential: billing", "credential: ${env:WHICH}")
    (problem, *_) = examined(text, environ=ENVIRON | {"WHICH": "planted-marker"}).errors
    assert "no credential is called ***" in problem.message


def test_the_good_configuration_reads_the_same_as_json(examined: Examine) -> None:
    """JSON is YAML: what a tool writes as JSON can be read too."""
    as_json = json.dumps(plain(parse(GOOD, lambda *_: None), {}))
    assert_same(examined(as_json).config, examined(GOOD).config)
