"""Whatever the file holds, the answer is a configuration or problems at their places: never a traceback."""

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.config.json_schema import editor_schema
from proxy.config.load import Examined, examine
from proxy.config.schema import Config
from tests.config.conftest import ENVIRON, GOOD

SIGNS = [
    "[",
    "]",
    "{",
    "}",
    ",",
    "#",
    "&a",
    "*a",
    "!!map",
    "!!str",
    "'",
    '"',
    "<<:",
    "${env:STRIPE_KEY}",
    "${file:secret}",
    "${",
    "$${",
    "{{",
    "%%X%%",
    "'{{ X | md5 }}'",
    "'{{ now('",
    "[{from: json, path: a, default: 1}]",
]
TRAPS = [
    "yes",
    "no",
    "012",
    "1:30",
    "0x1f",
    "1e400",
    ".inf",
    "2026-01-01",
    "~",
    "null",
    "=",
    "kind:",
    "from:",
    "match:",
    "path:",
    "upstream:",
    "https://[",
    "'$['",
]
SPACES = ("\t", "\n", "  ", "- ", ": ", "? ", "|\n", ">\n", "---\n", "...\n", "%YAML 1.2\n", "<<: *a\n", "kind: text\n")
ODDITIES = ("\x00", "\x85", "\u2028", "\ufeff", "\ud7ff", "9" * 400)
SNIPPETS = (*SIGNS, *TRAPS, *SPACES, *ODDITIES)

texts = st.text(max_size=20) | st.sampled_from(SNIPPETS)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | texts


def words(schema: Any) -> set[str]:
    """Return every key and every fixed word of the configuration."""
    found: set[str] = set()
    if isinstance(schema, dict):
        found |= schema.get("properties", {}).keys()
        found |= {schema["const"]} if "const" in schema else set(schema.get("enum", ()))
        for child in schema.values():
            found |= words(child)
    elif isinstance(schema, list):
        found = {word for child in schema for word in words(child)}
    return found


WORDS = sorted(map(str, words(editor_schema())))
trees = st.recursive(
    scalars | st.sampled_from(WORDS),
    lambda children: (
        st.lists(children, max_size=4) | st.dictionaries(st.sampled_from(WORDS) | texts, children, max_size=6)
    ),
    max_leaves=30,
)


def look(content: bytes) -> Examined:
    """Examine the content twice, with and without its secrets; both must end in an answer."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "countersign.yaml"
        path.write_bytes(content)
        (path.parent / "secret").write_text("file-marker")
        lines = content.count(b"\n") + content.count(b"\r") + 3
        for environ, resolve in ((ENVIRON, True), ({}, False)):
            examined = examine(path, environ, resolve=resolve)
            assert (examined.config is None) <= bool(examined.problems), "no configuration, and no word why"
            for problem in examined.problems:
                assert 1 <= problem.line <= lines + content.count("\u2028".encode()) + content.count(b"\xc2\x85")
                assert problem.column >= 1
                assert problem.message
                assert "sk_live_marker" not in str(problem)
                assert "Traceback" not in str(problem)
        return examined


@given(st.binary(max_size=300))
def test_any_bytes(content: bytes) -> None:
    look(content)


@given(st.lists(st.text(max_size=10) | st.sampled_from(SNIPPETS), max_size=30).map("".join))
def test_any_text_made_of_what_yaml_is_made_of(text: str) -> None:
    look(text.encode("utf-8", "surrogatepass"))


@given(st.data())
def test_a_good_file_with_a_few_changes(data: st.DataObject) -> None:
    text = GOOD
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = start + data.draw(st.integers(0, 12))
        text = text[:start] + data.draw(texts) + text[end:]
    look(text.encode("utf-8", "surrogatepass"))


@given(st.data())
def test_a_good_file_with_lines_in_another_order(data: st.DataObject) -> None:
    lines = GOOD.splitlines(keepends=True)
    look("".join(data.draw(st.lists(st.sampled_from(lines), max_size=len(lines)))).encode())


@given(trees)
def test_any_tree_of_known_words(tree: object) -> None:
    look(json.dumps(tree).encode())


@given(st.data())
def test_a_good_tree_with_another_value_somewhere(data: st.DataObject) -> None:
    tree = Config.model_validate({}).model_dump(mode="json")
    tree |= {"routes": {"r": {"upstream": "https://a.example", "callers": ["c"], "credential": "t"}}}
    tree |= {"callers": {"c": {"kind": "anonymous"}}, "credentials": {"t": {"kind": "text", "value": "x"}}}
    node: Any = tree
    while True:
        key = data.draw(st.sampled_from(sorted(node) if isinstance(node, dict) else range(len(node))))
        if isinstance(node[key], dict | list) and node[key] and data.draw(st.booleans()):
            node = node[key]
            continue
        node[key] = data.draw(trees)
        break
    look(json.dumps(tree).encode())


@pytest.mark.parametrize("depth", [10, 31, 32, 33, 1_000, 200_000])
@pytest.mark.parametrize("shape", ["[", "{a: ", "- ", "? ", "&a [", "- - ", "[[", "!!seq [", "'", '"', "|\n", "# "])
def test_any_depth(shape: str, depth: int) -> None:
    look((shape * depth).encode())
