"""One text is put into a JSON document; the rest of it stays as it was."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.json_edit import Mode, UnreadableError, put


@pytest.mark.parametrize(
    ("document", "path", "mode", "edited"),
    [
        ("{}", "k", "replace", '{"k":"v"}'),
        (" { } ", "k", "replace", ' {"k":"v" } '),
        ('{"a":1}', "k", "replace", '{"a":1,"k":"v"}'),
        ('{"a":1\n}', "k", "replace", '{"a":1,"k":"v"\n}'),
        ('{"k":1}', "k", "replace", '{"k":"v"}'),
        ('{"k":{"x":[]} ,"a":1.00}', "k", "replace", '{"k":"v" ,"a":1.00}'),
        ('{"k":1,"a":0,"k":2}', "k", "replace", '{"k":"v","a":0,"k":"v"}'),
        ('{"\\u006b":1}', "k", "replace", '{"\\u006b":"v"}'),
        ("{}", "a.b.k", "replace", '{"a":{"b":{"k":"v"}}}'),
        ('{"a":{}}', "a.k", "replace", '{"a":{"k":"v"}}'),
        ('{"a":{"k":1},"a":{}}', "a.k", "replace", '{"a":{"k":"v"},"a":{"k":"v"}}'),
        ('{"k":1}', "k", "keep", '{"k":1}'),
        ("{}", "k", "keep", '{"k":"v"}'),
        ("{}", "k", "append", '{"k":["v"]}'),
        ('{"k":[]}', "k", "append", '{"k":["v"]}'),
        ('{"k":[ 1, [2] ]}', "k", "append", '{"k":[ 1, [2] ,"v"]}'),
    ],
)
def test_the_text_stands_where_it_should_and_nothing_else_changed(
    document: str, path: str, mode: Mode, edited: str
) -> None:
    assert put(document, tuple(path.split(".")), "v", mode) == edited


@pytest.mark.parametrize(
    ("document", "path", "mode", "why"),
    [
        ("", "k", "replace", "it is not JSON"),
        ('{"k":1', "k", "replace", "it is not JSON"),
        ('{"k":NaN}', "k", "replace", "it is not JSON"),
        ("{}{}", "k", "replace", "it is not JSON"),
        ("[" * 100_000, "k", "replace", "it is not JSON"),
        ("[]", "k", "replace", r"stands at \$ is no object"),
        ('{"a":1}', "a.k", "replace", r"stands at \$\.a is no object"),
        ('{"a":{"b":null}}', "a.b.k", "replace", r"stands at \$\.a\.b is no object"),
        ('{"k":1}', "k", "append", r"stands at \$\.k is no list"),
    ],
)
def test_what_cannot_take_it_is_refused(document: str, path: str, mode: Mode, why: str) -> None:
    with pytest.raises(UnreadableError, match=why):
        put(document, tuple(path.split(".")), "v", mode)


values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=3), children, max_size=3),
    max_leaves=8,
)


@given(
    document=st.dictionaries(st.sampled_from(["k", "a", "é", '"']), values, max_size=4),
    value=st.text(),
    indent=st.none() | st.integers(0, 2),
    plain=st.booleans(),
)
def test_any_document_reads_as_if_the_value_had_been_set(
    document: dict[str, Any], value: str, indent: int | None, plain: bool
) -> None:
    text = json.dumps(document, indent=indent, ensure_ascii=plain)
    assert json.loads(put(text, ("k",), value, "replace")) == {**document, "k": value}
