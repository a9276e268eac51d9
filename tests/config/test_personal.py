"""A credential of users' own needs users, and users need a way to prove who they are."""

from typing import Any

import pytest

from proxy.config.check import check
from proxy.config.personal import mixable, personal_flaws
from proxy.config.schema import Config

SECRET = "0123456789abcdef0123456789abcdef"
PERSONAL = {
    "mine": {
        "kind": "http_request",
        "per_user": True,
        "request": {"url": "https://id.example/token", "form": {"user": "{{ USER_ID }}", "pin": "{{ PIN }}"}},
        "token": {"from": "json", "path": "token"},
    }
}


def found(**sections: Any) -> list[tuple[tuple[str | int, ...], str]]:
    return [(loc, message) for loc, message in personal_flaws(Config.model_validate(sections))]


def test_a_credential_of_users_own_needs_users() -> None:
    ((loc, message),) = found(credentials=PERSONAL)
    assert loc == ("credentials", "mine", "per_user")
    assert "add a section `users`" in message


def test_users_need_a_way_to_prove_who_they_are() -> None:
    ((loc, message),) = found(users={}, credentials=PERSONAL)
    assert loc == ("users",)
    assert "no user can prove who they are" in message


@pytest.mark.parametrize(
    "sections",
    [
        {},
        {"users": {"identity_secret": SECRET}, "credentials": PERSONAL},
        {"users": {}, "callers": {"app": {"kind": "anonymous", "acts_for": "any"}}, "credentials": PERSONAL},
        {
            "users": {
                "issuers": {"id": {"issuer": "https://id", "audience": "us", "jwks_url": "https://id.example/jwks"}}
            }
        },
    ],
)
def test_each_way_of_proving_will_do(sections: dict[str, Any]) -> None:
    assert found(**sections) == []


def test_what_a_user_brings_is_what_nobody_else_does() -> None:
    settings = Config.model_validate({"credentials": PERSONAL}).credentials["mine"]
    assert settings.user_variables == {"USER_ID", "PIN"}


@pytest.mark.parametrize("kind", [{"kind": "text", "value": "x"}, {"kind": "basic", "username": "a", "password": "b"}])
def test_a_token_that_is_written_down_is_everybodys(kind: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="has one token, which is written here"):
        Config.model_validate({"credentials": {"mine": {**kind, "per_user": True}}})


ROUTE: dict[str, Any] = {
    "upstream": "https://api.example",
    "callers": ["app"],
    "credential": "key",
    "require": [{"kind": "email_otp"}],
}
MAIL = {"host": "mail.example", "from": "no-reply@mail.example"}


@pytest.mark.parametrize(
    ("users", "why"),
    [
        (None, "add a section `users`"),
        ({"identity_secret": SECRET, "mail": MAIL}, "add `public_url`"),
        ({"identity_secret": SECRET, "public_url": "https://proxy.example"}, "add `mail`"),
    ],
)
def test_a_route_that_wants_codes_needs_users_a_page_and_mail(users: dict[str, Any] | None, why: str) -> None:
    ((loc, message),) = found(users=users, routes={"billing": ROUTE})
    assert loc == ("routes", "billing", "require")
    assert why in message


def test_with_all_of_them_codes_can_be_sent() -> None:
    users = {"identity_secret": SECRET, "public_url": "https://proxy.example", "mail": MAIL}
    assert found(users=users, routes={"billing": ROUTE}) == []


LINK = {"from": "json", "path": "link"}
BY_ADDRESS = {
    "kind": "authorization_code",
    "client_id": "me",
    "authorization_url": "https://one.example/authorize",
    "token_url": "https://api.one.example/token",
}
BY_ISSUER = {"kind": "authorization_code", "client_id": "me", "issuer": "https://two.example"}


def in_steps(**more: Any) -> dict[str, Any]:
    """Return a workflow for which people go to a third provider."""
    begin = {"name": "begin", "request": {"url": "https://api.three.example/link"}, "extract": {"LINK": LINK}}
    browser = {"url": "https://three.example/{{ LINK }}?state={{ STATE }}", **more}
    return {"kind": "workflow", "steps": [begin, {"name": "consent", "browser": browser}]}


def mixed(**credentials: dict[str, Any]) -> dict[tuple[str | int, ...], str]:
    config = Config.model_validate({"credentials": credentials})
    assert {flaw.loc for flaw in check(config, {}) if "mixed up" in flaw.message and flaw.warning} == {
        loc for loc, _ in mixable(config)
    }
    return dict(mixable(config))


def test_a_provider_that_cannot_be_told_from_another_one_at_the_same_address_is_warned_of() -> None:
    found = mixed(one=BY_ADDRESS, two=BY_ISSUER, three=in_steps())
    assert set(found) == {("credentials", "one"), ("credentials", "three", "steps", 1, "browser")}
    assert "from here and from three" in found["credentials", "one"]
    assert "callback: own" in found["credentials", "one"]
    assert "`issuer`" in found["credentials", "one"]
    assert "`issuer`" not in found["credentials", "three", "steps", 1, "browser"]


def test_who_may_be_sent_to_several_hosts_is_told_from_another_one_too() -> None:
    opened = in_steps(url=None, open="LINK", hosts=["one.example", "more.example"])
    opened["steps"][0]["request"]["query"] = {"state": "{{ STATE }}"}
    assert set(mixed(one=BY_ADDRESS, three=opened)) == {
        ("credentials", "one"),
        ("credentials", "three", "steps", 1, "browser"),
    }
    opened["steps"][1]["browser"]["hosts"] = ["one.example"]
    assert mixed(one=BY_ADDRESS, three=opened) == {}


@pytest.mark.parametrize(
    "credentials",
    [
        {"one": BY_ADDRESS, "again": {**BY_ADDRESS, "client_id": "other"}},
        {"one": {**BY_ADDRESS, "callback": "own"}, "two": BY_ISSUER, "three": in_steps(callback="own")},
        {"one": {**BY_ISSUER, "issuer": "https://one.example"}, "two": BY_ISSUER},
        {"one": BY_ADDRESS, "key": {"kind": "text", "value": "x"}},
    ],
)
def test_who_has_a_name_or_an_address_of_its_own_or_is_alone_is_not(credentials: dict[str, Any]) -> None:
    assert mixed(**credentials) == {}
