"""What a configuration may write into a header line."""

import pytest

from proxy.core.headers import check_name, encode_value


@pytest.mark.parametrize("name", ["Authorization", "x-api-key", "X_Odd!#$%&'*+-.^`|~9"])
def test_a_token_is_a_header_name(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize("name", ["", "X Key", "X-Key:", "X-Key\r\nHost", "Schlüssel", "X\x00"])
def test_what_is_no_token_is_no_header_name(name: str) -> None:
    with pytest.raises(ValueError, match="letters, digits"):
        check_name(name)


@pytest.mark.parametrize("name", ["Host", "content-length", "Transfer-Encoding", "CONNECTION", "TE", "Upgrade"])
def test_what_the_connection_needs_cannot_be_set(name: str) -> None:
    with pytest.raises(ValueError, match="belongs to the connection"):
        check_name(name)


def test_a_value_is_encoded_as_latin_1() -> None:
    assert encode_value("Bearer a\tb é") == b"Bearer a\tb \xe9"


@pytest.mark.parametrize("value", ["a\rb", "a\nb", "a\x00b", "a\x1bb", "a\x7fb", "a\x85b", "a€", "a\udc80"])
def test_a_value_that_could_end_its_line_is_refused_without_being_shown(value: str) -> None:
    with pytest.raises(ValueError, match="cannot hold") as caught:
        encode_value(value)
    assert "a" + value[1:] not in str(caught.value)
