import pytest

from proxy.config.document import DEEPEST, UnreadableError, parse
from proxy.config.positions import Place, plain

Noted = list[tuple[int, int, str]]


def parsed(text: str) -> tuple[object, Noted]:
    """Return the document as plain data, and what was noted of it."""
    noted: Noted = []
    try:
        root = parse(text, lambda place, message: noted.append((place.line, place.column, message)))
    except UnreadableError:
        assert noted, "it gave up without a word"
        return None, noted
    return plain(root, {}), noted


def one_note(text: str) -> tuple[int, int, str]:
    _, noted = parsed(text)
    assert len(noted) == 1, noted
    return noted[0]


def test_a_document_becomes_dicts_lists_and_scalars() -> None:
    text = "a: [1, 2.5, true, null, text, 'quoted', \"1\", !!str 2]\nb: {c: ~}\n"
    assert parsed(text) == ({"a": [1, 2.5, True, None, "text", "quoted", "1", "2"], "b": {"c": None}}, [])


def test_keys_are_texts_however_they_look() -> None:
    assert parsed("200: ok\ntrue: 1\n'no': 2\n") == ({"200": "ok", "true": 1, "no": 2}, [])


def test_every_part_knows_its_line_and_column() -> None:
    root = parse("é: 1\nlist:\n  - x\n  - {k: v}\n", lambda *_: None)
    assert isinstance(root.value, dict)
    assert root.value["é"].node.place == Place(1, 4)
    items = root.value["list"].node.value
    assert isinstance(items, tuple)
    assert items[0].place == Place(3, 5)
    assert isinstance(items[1].value, dict)
    assert (items[1].value["k"].place, items[1].value["k"].node.place) == (Place(4, 6), Place(4, 9))


def test_a_duplicate_key_is_noted_where_it_stands_again_and_the_first_one_counts() -> None:
    data, noted = parsed("a: 1\nb: 2\na: 3\na: 4\n")
    assert data == {"a": 1, "b": 2}
    assert [(line, column) for line, column, _ in noted] == [(3, 1), (4, 1)]
    assert "'a' stands twice, first on line 1" in noted[0][2]


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("a: yes\n", (1, 4), 'write true, or "yes"'),
        ("a:\n  - 1:30\n", (2, 5), "base 60"),
        ("no: 1\n", (1, 1), "write false"),
        ("a: {<<: {b: 1}}\n", (1, 5), "merge keys are not supported"),
        ("? [a]\n: b\n", (1, 3), "a key is a plain word"),
        ("a: {{ NAME }}\n", (1, 5), "put quotes around"),
        ("a: !foo b\n", (1, 4), "tags have no meaning here"),
        ("a: !!python/object:os.system {}\n", (1, 4), "tags have no meaning here"),
        ("a: *b\n", (1, 4), "*b names nothing"),
        ("a: &a [*a]\n", (1, 8), "*a names nothing"),
        ("a: 1\n---\nb: 1\n", (2, 1), "a second document"),
    ],
)
def test_what_can_be_read_past_is_noted_at_its_place(text: str, place: tuple[int, int], message: str) -> None:
    line, column, said = one_note(text)
    assert (line, column) == place
    assert message in said


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("", (1, 1), "the file is empty"),
        ("# only a comment\n", (1, 1), "the file is empty"),
        ("a:\n\t- b\n", (2, 1), "a tab cannot indent"),
        ("a: {b: ${env:X}}\n", (1, 9), "put quotes around"),
        ("a: [1, 2\nb: 3\n", (2, 2), "this is not YAML"),
        ("a: 'open\n", (2, 1), "this is not YAML"),
        ("a: b: c\n", (1, 5), "this is not YAML"),
        ("%YAML 3.0\n---\na: 1\n", (1, 1), "this is not YAML"),
        ("a: 1\nb: x\x07y\n", (2, 5), "U+0007"),
        ("é: \x00", (1, 4), "U+0000"),
    ],
)
def test_what_cannot_be_read_is_noted_where_it_breaks(text: str, place: tuple[int, int], message: str) -> None:
    data, noted = parsed(text)
    assert data is None
    assert [(line, column) for line, column, _ in noted] == [place]
    assert message in noted[0][2]


def test_what_stands_before_a_break_is_noted_too() -> None:
    _, noted = parsed("a: yes\nb: no\nc: [\n")
    assert [line for line, _, _ in noted] == [1, 2, 4]


def test_aliases_stand_for_what_they_name() -> None:
    assert parsed("a: &x {k: [1]}\nb: *x\nc: [*x]\n") == ({"a": {"k": [1]}, "b": {"k": [1]}, "c": [{"k": [1]}]}, [])


def test_a_billion_laughs_are_stopped_before_they_are_written_out() -> None:
    lines = ["a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 20)]
    data, noted = parsed("\n".join(lines))
    assert data is None
    assert "aliases make this" in noted[0][2]


def test_a_ladder_of_aliases_is_no_deeper_than_a_document_may_be() -> None:
    ladder = "\n".join(["a0: &a0 [x]", *(f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 100))])
    data, noted = parsed(ladder)
    assert data is None
    assert noted[0][:2] == (DEEPEST, 6)
    assert "aliases make this deeper" in noted[0][2]


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? "])
def test_deep_nesting_is_refused_before_it_costs_anything(opening: str) -> None:
    data, noted = parsed(opening * 100_000)
    assert data is None
    assert f"deeper than {DEEPEST} levels" in noted[0][2]
