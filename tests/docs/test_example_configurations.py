import json
import re
from pathlib import Path

import jsonschema
import pytest

from proxy.config.document import parse
from proxy.config.json_schema import editor_schema
from proxy.config.load import examine, load
from proxy.config.positions import plain
from tests.fakes import keys

CONFIG = Path(__file__).parents[2] / "config"
EXAMPLES = sorted(CONFIG.glob("examples/*.yaml"))
HASH = f"sha256:{'0' * 64}"
SEALING_KEY = f"{'A' * 43}=\n"
SECRETS = {
    "seal-key": SEALING_KEY,
    ".pem": keys.pem("rsa"),
    ".crt": keys.certificate("rsa"),
    ".json": json.dumps({"private_key": keys.pem("rsa"), "private_key_id": "a-key"}),
}
"""What stands in files of that name or suffix."""


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 5


@pytest.mark.parametrize("path", [CONFIG / "quickstart.yaml", *EXAMPLES], ids=lambda path: path.stem)
def test_an_editor_finds_its_schema_and_nothing_wrong(path: Path) -> None:
    text = path.read_text()
    schema = re.match(r"# yaml-language-server: \$schema=(\S+)\n", text)
    assert schema is not None
    assert (path.parent / schema[1]).resolve() == CONFIG / "countersign.schema.json"
    data = plain(parse(text, lambda *_: None), {})
    assert list(jsonschema.Draft7Validator(editor_schema()).iter_errors(data)) == []


def test_the_quickstart_needs_nothing_but_the_key_that_is_made_for_it(tmp_path: Path) -> None:
    (tmp_path / ".run").mkdir()
    (tmp_path / ".run" / "seal-key").write_text(SEALING_KEY)
    copy = tmp_path / "quickstart.yaml"
    copy.write_text((CONFIG / "quickstart.yaml").read_text())
    assert load(copy, {}).warnings == ()


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_it_can_be_used_once_its_secrets_are_there(path: Path, tmp_path: Path) -> None:
    """The files that it refers to are put beside it, and its variables are set."""
    text = path.read_text().replace("/run/secrets/", "")
    for name in re.findall(r"\$\{file:([^}]+)\}", text):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(SECRETS.get(Path(name).suffix or name, "secret\n"))
    copy = tmp_path / path.name
    copy.write_text(text)
    names = re.findall(r"\$\{env:(\w+)\}", text)
    environ = {name: HASH if name.endswith("_HASH") else "value" for name in names}
    assert [str(problem) for problem in examine(copy, environ).problems] == []


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_without_its_secrets_it_only_misses_them(path: Path) -> None:
    problems = examine(path, {}, resolve=False).problems
    assert problems
    assert all(problem.warning for problem in problems)
