"""Browsers are sent back to pages of the configured origins, and nowhere else."""

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.errors import RequestInvalidError
from proxy.users.return_to import checked, origin_of

ORIGINS = ("https://app.example", "http://127.0.0.1:8000")


@pytest.mark.parametrize(
    "address", ["https://app.example", "https://app.example/a/b?c=d#e", "http://127.0.0.1:8000/x?y=%0d%0a"]
)
def test_a_page_of_a_configured_origin_is_taken(address: str) -> None:
    assert checked(address, ORIGINS) == address
    assert origin_of(address) in ORIGINS


@pytest.mark.parametrize(
    "address",
    [
        "", "/", "//app.example/", "app.example", "https://", "https:///app.example", "https://evil.example/",
        "https://app.example.evil.example/", "https://app.example@evil.example/", "https://app.example:443@evil.example",
        "https://u@app.example/", "https://app.example\\@evil.example", "https:\\\\app.example/", "http://app.example/",
        "https://app.example:8443/", "javascript:https://app.example", "https://[app.example/",
        "https://app.example/\n", "\thttps://app.example/", " https://app.example/", "https://app.example/ä",
        "https://app.example/" + "a" * 3000, "data:text/html,x", "https://app.example\x00.evil.example",
    ],
)  # fmt: skip
def test_anything_else_is_refused(address: str) -> None:
    with pytest.raises(RequestInvalidError):
        checked(address, ORIGINS)


@given(st.text(alphabet="htps:/\\@.#?appexmlvi%0 \t", max_size=60))
def test_whatever_is_taken_leads_to_a_configured_origin(address: str) -> None:
    try:
        taken = checked(address, ORIGINS)
    except RequestInvalidError:
        return
    assert urlsplit(taken).hostname in {"app.example", "127.0.0.1"}
