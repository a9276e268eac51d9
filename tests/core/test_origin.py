"""An upstream's address is taken apart once, and what could be read in two ways is refused."""

import pytest
from pydantic import TypeAdapter, ValidationError

from proxy.core.origin import Origin, UpstreamUrl, parse_upstream


@pytest.mark.parametrize(
    ("text", "origin", "base"),
    [
        ("https://api.example", Origin("https", "api.example", 443), ""),
        ("https://api.example/", Origin("https", "api.example", 443), ""),
        ("https://api.example/v2", Origin("https", "api.example", 443), "/v2"),
        ("https://api.example/v2/", Origin("https", "api.example", 443), "/v2"),
        ("https://api.example/a%2Fb//c/", Origin("https", "api.example", 443), "/a%2Fb//c"),
        ("https://API.Example:8443/V2", Origin("https", "api.example", 8443), "/V2"),
        ("HTTPS://api.example", Origin("https", "api.example", 443), ""),
        ("http://127.0.0.1:9000/x", Origin("http", "127.0.0.1", 9000), "/x"),
        ("http://[::1]/x", Origin("http", "::1", 80), "/x"),
        ("http://[FE80::1]:9000", Origin("http", "fe80::1", 9000), ""),
        ("http://my_service.internal:1", Origin("http", "my_service.internal", 1), ""),
        (f"http://{'a' * 63}.example.", Origin("http", f"{'a' * 63}.example.", 80), ""),
        ("http://x:65535", Origin("http", "x", 65535), ""),
    ],
)
def test_an_address_is_an_origin_and_a_base_path(text: str, origin: Origin, base: str) -> None:
    assert parse_upstream(text) == (origin, base)


@pytest.mark.parametrize(
    ("origin", "authority"),
    [
        (Origin("https", "api.example", 443), "api.example"),
        (Origin("https", "api.example", 80), "api.example:80"),
        (Origin("http", "api.example", 80), "api.example"),
        (Origin("http", "api.example", 443), "api.example:443"),
        (Origin("https", "::1", 443), "[::1]"),
        (Origin("http", "::1", 9000), "[::1]:9000"),
    ],
)
def test_the_authority_names_the_port_only_when_it_is_not_the_scheme_s_own(origin: Origin, authority: str) -> None:
    assert origin.authority == authority


def test_only_https_is_encrypted() -> None:
    assert parse_upstream("https://api.example")[0].is_tls
    assert not parse_upstream("http://api.example")[0].is_tls


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "127.0.0.1", "127.9.9.9", "::1"])
def test_this_machine_is_known_by_its_names(host: str) -> None:
    assert Origin("http", host, 80).is_loopback


@pytest.mark.parametrize("host", ["localhost.example", "128.0.0.1", "10.0.0.1", "0.0.0.0", "::2", "127.0.0.1.example"])
def test_any_other_machine_is_not_this_one(host: str) -> None:
    assert not Origin("http", host, 80).is_loopback


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("", "https://"),
        ("api.example", "https://"),
        ("//api.example", "https://"),
        ("ftp://api.example", "https://"),
        ("unix:/run/api.sock", "https://"),
        ("https://user:password@api.example", "credential of kind basic"),
        ("https://user@api.example", "credential of kind basic"),
        ("https://api.example@evil.example/", "credential of kind basic"),
        ("https://api.example/?key=1", "inject"),
        ("https://api.example/?", "inject"),
        ("https://api.example/#top", "inject"),
        ("https://api.example#", "inject"),
        ("https://api.example:0", "1 to 65535"),
        ("https://api.example:65536", "1 to 65535"),
        ("https://api.example:https", "1 to 65535"),
        ("https://api.example:-1", "1 to 65535"),
        ("https://", "host name"),
        ("https:///v2", "host name"),
        ("https://:443", "host name"),
        ("https://api.example:/", "host name"),
        ("https://api example/", "host name"),
        ("https://-api.example", "host name"),
        ("https://api-.example", "host name"),
        ("https://api..example", "host name"),
        ("https://.api.example", "host name"),
        (f"https://{'a' * 64}.example", "host name"),
        ("https://api.example\\evil.example/", "host name"),
        ("https://bücher.example/", "host name"),
        ("https://::1/", "1 to 65535"),
        ("https://api.example/a b", "printable ASCII"),
        ("https://api.example/ä", "printable ASCII"),
        ("https://api.example/a\\b", "printable ASCII"),
        ("https://api.example/a\tb", "printable ASCII"),
        ("https://api.ex\nample/", "printable ASCII"),
        (" https://api.example/", "https://|printable ASCII"),
        ("https://api.example/v2\n", "printable ASCII"),
        ("https://api.example/\x7f", "printable ASCII"),
    ],
)
def test_any_other_address_is_refused_with_the_remedy(text: str, remedy: str) -> None:
    with pytest.raises(ValueError, match=remedy):
        parse_upstream(text)


@pytest.mark.parametrize("text", ["https://[::1", "https://[nonsense]/", "https://[::1]x/"])
def test_half_an_ip_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_upstream(text)


def test_a_setting_keeps_the_text_and_refuses_a_bad_one() -> None:
    adapter = TypeAdapter(UpstreamUrl)
    assert adapter.validate_python("https://API.example/v2/") == "https://API.example/v2/"
    assert adapter.json_schema() == {"type": "string", "format": "uri", "pattern": "^https?://"}
    with pytest.raises(ValidationError, match="credential of kind basic"):
        adapter.validate_python("https://user:password@api.example")
