from pathlib import Path

import pytest

from proxy.config.document import parse
from proxy.config.files import ABSENT, LARGEST, digest
from proxy.config.references import MalformedError, MissingError, Surroundings, resolve


@pytest.fixture
def surroundings(tmp_path: Path) -> Surroundings:
    (tmp_path / "key").write_text("value\n")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "windows").write_bytes(b"two\r\nlines\r\n")
    return Surroundings(tmp_path, {"NAME": "word", "EMPTY": "", "BRACES": "${env:NAME}"})


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${env:NAME}", "word"),
        ("Bearer ${env:NAME}, ${file:key}!", "Bearer word, value!"),
        ("${env:NONE:-default}", "default"),
        ("${env:NONE:-}", ""),
        ("${env:EMPTY:-default}", "default"),
        ("${env:NONE:-a:-b, c}", "a:-b, c"),
        ("${file:key}", "value"),
        ("${file:sub/windows}", "two\r\nlines"),
        ("$${env:NAME}", "${env:NAME}"),
        ("$$${env:NAME}", "$${env:NAME}"),
        ("${env:BRACES}", "${env:NAME}"),
        ("$5 and {braces}", "$5 and {braces}"),
    ],
)
def test_a_reference_is_filled_in(surroundings: Surroundings, text: str, value: str) -> None:
    assert surroundings.resolve(text) == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("${env:NONE}", "the environment variable NONE is not set; set it, or write ${env:NONE:-default}"),
        ("${env:EMPTY}", "the environment variable EMPTY is empty"),
        ("${file:none}", "No such file or directory; create it, or correct ${file:none}"),
        ("${file:sub}", "Is a directory"),
        ("${file:a\0b}", "this is not a path"),
        ("${file:empty}", "is empty; write the value into it"),
        ("${file:binary}", "does not hold UTF-8 text"),
        ("${file:large}", "larger than 4 MiB"),
    ],
)
def test_a_reference_that_leads_nowhere_says_what_to_do(
    surroundings: Surroundings, tmp_path: Path, text: str, message: str
) -> None:
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "binary").write_bytes(b"\xff")
    (tmp_path / "large").write_bytes(b"x" * (LARGEST + 1))
    with pytest.raises(MissingError) as caught:
        surroundings.resolve(text)
    assert message in str(caught.value)


@pytest.mark.parametrize("text", ["${NAME}", "${env:}", "${env:no-dash}", "${vault:x}", "${file:}", "${", "${env:NAME"])
def test_what_only_looks_like_a_reference_is_refused_with_how_to_write_one(
    surroundings: Surroundings, text: str
) -> None:
    with pytest.raises(MalformedError, match=r"write \$\{env:NAME\}.*\$\$\{ stands for"):
        surroundings.resolve(text)


def test_every_file_that_was_looked_at_is_remembered_with_what_was_in_it(
    surroundings: Surroundings, tmp_path: Path
) -> None:
    surroundings.resolve("${file:key}")
    with pytest.raises(MissingError):
        surroundings.resolve("${file:none}")
    assert surroundings.find("sub/windows") == tmp_path / "sub" / "windows"
    assert surroundings.files == {
        tmp_path / "key": digest(b"value\n"),
        tmp_path / "none": ABSENT,
        tmp_path / "sub" / "windows": digest(b"two\r\nlines\r\n"),
    }


def test_what_came_from_elsewhere_is_secret_and_what_is_written_down_is_not(
    surroundings: Surroundings,
) -> None:
    surroundings.resolve("x-${env:NAME} ${file:key} ${env:NAME} ${env:NONE:-default} $${literal}")
    assert {secret.reveal() for secret in surroundings.secrets} == {"word", "value"}


def test_an_absolute_path_is_taken_as_it_is(surroundings: Surroundings, tmp_path: Path) -> None:
    assert surroundings.resolve(f"${{file:{tmp_path / 'key'}}}") == "value"


def test_the_references_of_a_tree_are_told_apart_by_what_became_of_them(surroundings: Surroundings) -> None:
    text = 'a: ${env:NAME}\nb: [x, "$${y}"]\nc: {d: "${env:NONE}", e: "${f}"}\ng: 5\n${env:NAME}: key\n'
    resolution = resolve(parse(text, lambda *_: None), surroundings)
    assert resolution.values == {("a",): "word"}
    assert resolution.escaped == {("b", 1): "${y}"}
    assert resolution.missing.keys() == {("c", "d")}
    assert resolution.malformed.keys() == {("c", "e")}
