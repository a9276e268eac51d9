from proxy.config.known import families, keys_at


def test_the_keys_of_a_mapping_are_found_along_pydantics_way() -> None:
    assert {"listen", "routes"} <= keys_at(()).keys()
    assert "upstream" in keys_at(("routes", "any"))
    assert "window" in keys_at(("routes", "any", "breaker"))
    assert {"kind", "value"} <= keys_at(("credentials", "any", "text")).keys()
    assert "path" in keys_at(("credentials", "any", "http_request", "expiry", 0, "json"))
    assert "prefix" in keys_at(("credentials", "any", "text", "inject", 0, "header"))


def test_a_mapping_that_takes_any_key_has_none_to_list() -> None:
    assert keys_at(("routes",)) == {}
    assert keys_at(("credentials", "any", "http_request", "request", "form")) == {}


def test_every_family_lists_its_kinds_with_their_settings() -> None:
    listed = families()
    assert listed.keys() == {"callers", "credentials", "stores", "extractors", "injectors"}
    assert "value" in listed["credentials"]["text"]["properties"]
    assert "from" in listed["extractors"]["json"]["properties"]
