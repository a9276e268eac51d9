"""What a person opens is an address whose host is configured."""

from typing import Any

import pytest
from pydantic import ValidationError

from proxy.credentials.browser import LONGEST_ADDRESS, MADE, BrowserSettings

HOSTS = ["Consent.archive.example", "other.example:8443", "[::1]:8443", "other.example:444"]


def opening(**more: Any) -> BrowserSettings:
    return BrowserSettings.model_validate({"open": "LINK", "hosts": HOSTS, **more})


def test_it_is_asked_for_as_a_browser_does() -> None:
    settings = BrowserSettings.model_validate({"url": "https://login.example/start?state={{ STATE }}"})
    assert settings.as_request.method == "GET"
    assert settings.as_request.names == {"STATE"}
    assert settings.as_request.names <= MADE
    assert (settings.callback, settings.service, settings.called) == ("shared", "", "login.example")
    assert settings.place == "https://login.example/start"
    assert settings.origins == {"https://login.example"}


@pytest.mark.parametrize("url", ["https://{{ HOST }}/start", "javascript:alert(1)", "/start", "https://a.example/#x"])
def test_no_variable_decides_whom_the_person_is_sent_to(url: str) -> None:
    with pytest.raises(ValidationError):
        BrowserSettings.model_validate({"url": url})


def test_a_variable_may_hold_the_whole_address() -> None:
    settings = opening()
    assert settings.as_request.names == {"LINK"}
    assert (settings.called, opening(service="The Archive").called) == ("consent.archive.example", "The Archive")
    assert settings.place == "https://consent.archive.example"
    assert settings.origins == {f"https://{host.lower()}" for host in HOSTS}


@pytest.mark.parametrize(
    "url",
    [
        "https://consent.archive.example/s/abc?x=y&z=%2F",
        "https://consent.archive.example",
        "https://CONSENT.archive.example:443/s/#/consent/abc?x",
        "https://other.example:8443/s",
        "https://other.example:444/s",
        "https://[::1]:8443/s",
        "https://consent.archive.example/" + "a" * (LONGEST_ADDRESS - 32),
    ],
)
def test_an_address_of_a_host_that_is_named_is_opened_as_it_is(url: str) -> None:
    assert opening().check_opened(url, plain=False) == url


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("https://evil.example/s?t=s3cret", "evil.example is none of its `hosts`"),
        ("https://consent.archive.example.evil.example/", "consent.archive.example.evil.example is none"),
        ("https://evil-consent.archive.example/", "none of its `hosts`"),
        ("https://consent.archive.example./", "none of its `hosts`"),
        ("https://consent.archive.example:8443/", "consent.archive.example:8443 is none"),
        ("https://consent.archive.example:0/", "none of its `hosts`"),
        ("https://other.example/", "none of its `hosts`"),
        ("http://consent.archive.example/", "not https"),
        ("ftp://consent.archive.example/", "not a whole address"),
        ("javascript://consent.archive.example/%0aalert(1)", "not a whole address"),
        ("javascript:alert(1)", "not a whole address"),
        ("//consent.archive.example/", "not a whole address"),
        ("/s/abc", "not a whole address"),
        ("", "not a whole address"),
        ("https:/consent.archive.example/", "not a whole address"),
        ("https:\\\\consent.archive.example/", "not a whole address"),
        ("https://me:s3cret@consent.archive.example/", "not a whole address"),
        ("https://consent.archive.example@evil.example/", "not a whole address"),
        ("https://consent.archive.example\\@evil.example/", "not a whole address"),
        ("https://evil.example\\.consent.archive.example/", "not a whole address"),
        ("https://evil.example%2f.consent.archive.example/", "not a whole address"),
        ("https://consent.archive.example:70000/", "not a whole address"),
        ("https://consent.archive.example:443:443/", "not a whole address"),
        ("https://consent.archive.example/\r\nSet-Cookie: s3cret=1", "not a whole address"),
        ("https://consent.archive.example/\r", "not a whole address"),
        ("https://consent.archive.example/\0", "not a whole address"),
        ("\thttps://consent.archive.example/", "not a whole address"),
        ("https://consent.archive.example/ s3cret", "not a whole address"),
        ("https://consent.archive.example/s3crét", "not a whole address"),
        ("https://consent.archive.éxample/", "not a whole address"),
        ("https://consent.archive.example/#s3cret\r\nX: y", "behind its `#`"),
        ("https://consent.archive.example/#é", "behind its `#`"),
        ("https://consent.archive.example/" + "a" * LONGEST_ADDRESS, "longer than 8192"),
    ],
)
def test_nothing_else_is_opened_and_what_else_stands_there_is_not_told(url: str, why: str) -> None:
    with pytest.raises(ValueError, match=why) as caught:
        opening().check_opened(url, plain=False)
    assert "s3cr" not in str(caught.value)


def test_http_is_opened_where_it_may_be_and_only_by_a_port_of_its_own() -> None:
    settings = opening()
    assert settings.check_opened("http://consent.archive.example:80/", plain=True)
    assert settings.check_opened("http://other.example:8443/", plain=True)
    with pytest.raises(ValueError, match="none of its `hosts`"):
        settings.check_opened("http://consent.archive.example:443/", plain=True)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "either a `url`, or `open`"),
        ({"url": "https://a.example/", "open": "LINK", "hosts": ["a.example"]}, "not both"),
        ({"open": "LINK"}, "name under `hosts` what may be opened"),
        ({"open": "LINK", "hosts": []}, "name under `hosts` what may be opened"),
        ({"url": "https://a.example/", "hosts": ["a.example"]}, "so take them out"),
        ({"open": "{{ LINK }}", "hosts": ["a.example"]}, "pattern"),
        ({"open": "LINK", "hosts": ["https://a.example"]}, "a host is a name such as"),
        ({"open": "LINK", "hosts": ["*.a.example"]}, "a host is a name such as"),
        ({"open": "LINK", "hosts": ["a.example:0"]}, "a host is a name such as"),
        ({"open": "LINK", "hosts": ["a.example/x"]}, "a host is a name such as"),
        ({"open": "LINK", "hosts": ["me@a.example"]}, "a host is a name such as"),
        ({"open": "LINK", "hosts": [""]}, "a host is a name such as"),
    ],
)
def test_an_address_is_either_written_or_brought_and_then_of_hosts_that_are_named(
    given: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        BrowserSettings.model_validate(given)
