"""TLS settings are found wherever they stand, and their files are looked at as often as the configuration is."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import Field

from proxy.config.outward import renew, tls_faults, tls_settings
from proxy.core.clock import SystemClock
from proxy.core.settings import Settings
from proxy.net.tls import TlsSettings
from proxy.users.mail import MailSettings
from tests.config.conftest import GOOD, Examine
from tests.fakes.certificates import Authority, Shown

TLS = "    tls: {ca: ca.pem, certificate: client.pem, key: client.key}\n"
ROUTED = GOOD.replace("    replay:", TLS + "    replay:", 1)


class Step(Settings):
    """Something with TLS settings of its own, under a key that is no name in Python."""

    from_: Annotated[TlsSettings | None, Field(alias="from")] = None


class Part(Settings):
    """Something in which they can stand anywhere."""

    steps: tuple[Step, ...] = ()
    named: Mapping[str, Any] = {}


def step(tls: TlsSettings) -> Step:
    return Step.model_validate({"from": tls})


def write(folder: Path, shown: Shown) -> None:
    (folder / "client.pem").write_bytes(shown.chain)
    (folder / "client.key").write_bytes(shown.key)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    authority = Authority(tmp_path)
    write(tmp_path, authority.client())
    return authority


def test_settings_are_found_wherever_they_stand(authority: Authority) -> None:
    tls = TlsSettings(ca=authority.file)
    part = Part(steps=(Step(), step(tls)), named={"x": [step(tls)], "y": step(TlsSettings())})
    assert list(tls_settings(part)) == [(("steps", 1, "from"), tls), (("named", "x", 0, "from"), tls)]


def test_the_authorities_of_the_mail_server_are_looked_at_too(tmp_path: Path, authority: Authority) -> None:
    said = {"host": "mail.example", "from": "a@mail.example"}
    sound, broken, none = (
        MailSettings.model_validate(said | {"ca": path}) for path in (authority.file, tmp_path / "gone.pem", None)
    )
    part = Part(named={"a": sound, "b": broken, "c": none})
    ((loc, fault),) = tls_faults(part, SystemClock.now())
    assert (loc, fault.absent) == (("named", "b", "ca"), True)


def test_what_is_wrong_with_files_is_told_at_its_place(tmp_path: Path, authority: Authority) -> None:
    (tmp_path / "client.key").write_bytes(authority.client().key)
    settings = TlsSettings(certificate=tmp_path / "client.pem", key=tmp_path / "client.key")
    ((loc, fault),) = tls_faults(Part(steps=(step(settings),)), SystemClock.now())
    assert loc == ("steps", 0, "from", "key")
    assert "is not that of the certificate" in fault.message


def test_a_configuration_names_each_file_that_cannot_be_used(
    tmp_path: Path, authority: Authority, examined: Examine
) -> None:
    assert examined(ROUTED).problems == ()
    (tmp_path / "client.key").write_bytes(authority.client().encrypted_key)
    (tmp_path / "ca.pem").unlink()
    first, second = (str(problem) for problem in examined(ROUTED).errors)
    assert ":27:15: routes.billing.tls.ca: this file cannot be read" in first
    assert ":27:53: routes.billing.tls.key: this private key is encrypted; give its password" in second


def test_a_certificate_for_a_plain_upstream_is_an_error(authority: Authority, examined: Examine) -> None:
    assert authority.file.exists()
    text = ROUTED.replace("upstream: https://api.example.com", "upstream: http://127.0.0.1")
    (error,) = examined(text).errors
    assert "nobody would be shown this certificate" in error.message


def test_a_password_that_is_not_here_is_no_wrong_password(
    tmp_path: Path, authority: Authority, examined: Examine
) -> None:
    (tmp_path / "client.key").write_bytes(authority.client().encrypted_key)
    text = ROUTED.replace("key: client.key}", "key: client.key, key_password: '${env:KEY_PASSWORD}'}")
    assert [problem.message for problem in examined(text, resolve=False).errors] == []


def test_files_that_are_elsewhere_are_a_warning_where_nothing_has_to_be_here(examined: Examine) -> None:
    assert [problem.warning for problem in examined(ROUTED, resolve=False).problems] == [True, True, True]
    assert [problem.warning for problem in examined(ROUTED).problems] == [False, False, False]


async def test_changed_files_are_taken_up_and_told_once(tmp_path: Path, authority: Authority) -> None:
    settings = TlsSettings(certificate=tmp_path / "client.pem", key=tmp_path / "client.key")
    part = Part(steps=(step(settings), step(settings)))
    before = settings.files.context
    assert await renew(part) == []
    new = authority.client()
    (tmp_path / "client.pem").write_bytes(new.chain)
    assert await renew(part) == []
    assert settings.files.context is before
    write(tmp_path, new)
    assert await renew(part) == ["steps.0.from, steps.1.from"]
    assert await renew(part) == []
    assert settings.files.context is not before
