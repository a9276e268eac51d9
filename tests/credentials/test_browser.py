"""What a person opens is an address whose host is configured."""

import pytest
from pydantic import ValidationError

from proxy.credentials.browser import MADE, BrowserSettings


def test_it_is_asked_for_as_a_browser_does() -> None:
    settings = BrowserSettings.model_validate({"url": "https://login.example/start?state={{ STATE }}"})
    assert settings.as_request.method == "GET"
    assert settings.as_request.names == {"STATE"}
    assert settings.as_request.names <= MADE
    assert (settings.callback, settings.service) == ("shared", "")


@pytest.mark.parametrize("url", ["https://{{ HOST }}/start", "javascript:alert(1)", "/start", "https://a.example/#x"])
def test_no_variable_decides_whom_the_person_is_sent_to(url: str) -> None:
    with pytest.raises(ValidationError):
        BrowserSettings.model_validate({"url": url})
