"""What an operator may say of a route, and what is refused with the remedy."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from proxy.gateway.settings import DrainSettings, RouteSettings

LEAST = {"upstream": "https://api.example/v2", "callers": ["backend"]}


def route(**more: Any) -> RouteSettings:
    return RouteSettings.model_validate(LEAST | more)


def test_the_least_that_can_be_said_of_a_route_is_safe() -> None:
    settings = route()
    assert settings.match.path == "/"
    assert settings.strip_prefix
    assert not settings.allow_plain_http
    assert (settings.dot_segments, settings.cookies) == ("refuse", "drop")
    assert (settings.replay.memory, settings.replay.disk) == (256 * 1024, 64 * 1024 * 1024)
    assert (settings.timeouts.connect, settings.timeouts.response, settings.timeouts.idle) == (5.0, 60.0, 300.0)
    assert settings.timeouts.keepalive == 4.0
    assert (settings.limits.in_flight, settings.limits.body) == (4096, None)
    assert settings.tls.ca is None
    assert settings.credential_names == ()


def test_everything_can_be_said_as_it_stands_in_yaml() -> None:
    settings = route(
        match={"host": "*.example", "path": "/billing/", "methods": ["GET", "POST"]},
        credentials=["a", "b"],
        strip_prefix=False,
        breaker={"failures": 3, "ratio": 0.25, "window": "10s", "cooldown": "1m"},
        replay={"memory": "1KiB", "disk": "1MiB"},
        timeouts={"connect": "500ms", "response": "2m", "idle": "1h", "keepalive": "0s"},
        limits={"in_flight": 1, "body": "10MiB"},
        dot_segments="pass",
        cookies="pass",
    )
    assert settings.credential_names == ("a", "b")
    assert settings.callers == ("backend",)
    assert settings.timeouts.connect == 0.5
    assert settings.timeouts.keepalive == 0.0
    assert settings.limits.body == 10 * 1024 * 1024
    assert settings.replay.memory == 1024


def test_one_credential_and_several_are_two_spellings_of_the_same() -> None:
    assert route(credential="a").credential_names == route(credentials=["a"]).credential_names == ("a",)
    with pytest.raises(ValidationError, match="both credential and credentials are given; keep one"):
        route(credential="a", credentials=["b"])


@pytest.mark.parametrize(
    ("more", "place"),
    [
        ({"upstream": "api.example"}, ("upstream",)),
        ({"upstream": 5}, ("upstream",)),
        ({"callers": []}, ("callers",)),
        ({"callers": "backend"}, ("callers",)),
        ({"upstreams": "https://api.example"}, ("upstreams",)),
        ({"timeouts": {"connect": "0s"}}, ("timeouts", "connect")),
        ({"timeouts": {"response": 5}}, ("timeouts", "response")),
        ({"timeouts": {"idle": "-1s"}}, ("timeouts", "idle")),
        ({"timeouts": {"total": "1s"}}, ("timeouts", "total")),
        ({"limits": {"in_flight": 0}}, ("limits", "in_flight")),
        ({"limits": {"in_flight": "5"}}, ("limits", "in_flight")),
        ({"limits": {"body": "10"}}, ("limits", "body")),
        ({"replay": {"memory": -1}}, ("replay", "memory")),
        ({"tls": {"verify": False}}, ("tls", "verify")),
        ({"dot_segments": "collapse"}, ("dot_segments",)),
        ({"cookies": True}, ("cookies",)),
        ({"strip_prefix": "no"}, ("strip_prefix",)),
        ({"credential": ["a"]}, ("credential",)),
    ],
)
def test_anything_else_is_refused_where_it_stands(more: dict[str, Any], place: tuple[str, ...]) -> None:
    with pytest.raises(ValidationError) as caught:
        route(**more)
    assert place in [error["loc"][: len(place)] for error in caught.value.errors()]


def test_settings_do_not_change_once_they_are_read() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        route().strip_prefix = False


def test_the_file_with_the_authorities_is_a_path() -> None:
    assert route(tls={"ca": "/etc/ssl/internal.pem"}).tls.ca == Path("/etc/ssl/internal.pem")


def test_draining_waits_for_nobody_to_notice_unless_told_to() -> None:
    settings = DrainSettings()
    assert (settings.delay, settings.timeout) == (0.0, 30.0)
    assert DrainSettings.model_validate({"delay": "5s", "timeout": "1m"}).delay == 5.0
    with pytest.raises(ValidationError):
        DrainSettings.model_validate({"timeout": "0s"})


def test_every_setting_says_what_it_is() -> None:
    schema = RouteSettings.model_json_schema()
    records = [schema, *schema["$defs"].values(), DrainSettings.model_json_schema()]
    silent = [
        name
        for record in records
        for name, field in record.get("properties", {}).items()
        if not {"description", "$ref"} & field.keys()  # a reference leads to a record that describes itself
    ]
    assert silent == []
    assert all(record.get("description") for record in records if "properties" in record)
