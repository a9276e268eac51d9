"""What is sealed into a text opens for us alone, unchanged, and where it belongs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.seal import Seal, SealError
from proxy.users.identity import LONGEST_ID
from proxy.users.sealed_text import LONGEST, closed, opened

SEAL = Seal.of_this_process()
json_values = st.recursive(st.none() | st.booleans() | st.integers() | st.text(st.characters()), st.lists)


@given(json_values)
def test_a_value_comes_back_as_it_was(value: object) -> None:
    text = closed(SEAL, value, b"here")
    assert opened(SEAL, text, b"here") == value
    assert text.replace("-", "").replace("_", "").isalnum()


def test_a_user_of_the_longest_id_is_known_in_every_script() -> None:
    user = "\N{GRINNING FACE}" * LONGEST_ID
    text = closed(SEAL, ["t" * 16, "c" * 64, user, 1_800_000_000.5, "ops"], b"here")
    assert opened(SEAL, text, b"here")[2] == user
    assert len(text) < LONGEST - 200  # browsers keep no cookie that is longer with its name


@given(st.text(max_size=200))
def test_anything_else_is_not_ours(text: str) -> None:
    with pytest.raises(SealError):
        opened(SEAL, text, b"here")


@pytest.mark.parametrize("change", [lambda text: text[:-3], lambda text: text[:20] + "AAAA" + text[24:]])
def test_a_changed_text_does_not_open(change: object) -> None:
    text = closed(SEAL, ["ann", 7], b"here")
    with pytest.raises(SealError):
        opened(SEAL, change(text), b"here")  # type: ignore[operator]


def test_it_opens_neither_elsewhere_nor_with_another_key() -> None:
    text = closed(SEAL, "ann", b"here")
    with pytest.raises(SealError):
        opened(SEAL, text, b"there")
    with pytest.raises(SealError):
        opened(Seal.of_this_process(), text, b"here")
