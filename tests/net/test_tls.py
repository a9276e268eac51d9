"""Files become a context, equal settings share one, and what the files hold later takes its place only if it works."""

import gc
import ssl
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from proxy.core.secret import Secret
from proxy.core.settings import Settings
from proxy.net.tls import TlsError, TlsSettings
from tests.fakes.certificates import PASSWORD, Authority


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def written(folder: Path, authority: Authority, **more: Any) -> TlsSettings:
    """Write a new client certificate; return settings that name it."""
    shown = authority.client()
    (folder / "client.pem").write_bytes(shown.chain)
    (folder / "client.key").write_bytes(shown.key)
    return TlsSettings(ca=authority.file, certificate=folder / "client.pem", key=folder / "client.key", **more)


def test_a_context_verifies_and_speaks_no_old_tls(tmp_path: Path, authority: Authority) -> None:
    for settings in (TlsSettings(), written(tmp_path, authority)):
        context = settings.files.context
        assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
        assert context.minimum_version is ssl.TLSVersion.TLSv1_2


def test_an_own_authority_stands_in_place_of_the_systems(authority: Authority) -> None:
    assert len(TlsSettings(ca=authority.file).files.context.get_ca_certs()) == 1


def test_equal_settings_share_a_context_and_others_do_not(tmp_path: Path, authority: Authority) -> None:
    one, same = written(tmp_path, authority), written(tmp_path, authority)
    assert one.files is same.files
    assert one.files is not TlsSettings(ca=authority.file).files
    assert one.files is not written(tmp_path, authority, server_name="api.example").files


def test_that_a_context_was_made_changes_nothing_about_the_settings(authority: Authority) -> None:
    used, unused = TlsSettings(ca=authority.file), TlsSettings(ca=authority.file)
    assert used.files.server_name is None
    assert (used, hash(used), repr(used)) == (unused, hash(unused), repr(unused))
    assert used.model_dump() == unused.model_dump()


def test_nothing_is_kept_of_settings_that_nobody_holds_any_more(authority: Authority) -> None:
    settings = TlsSettings(ca=authority.file, server_name="gone.example")
    settings.files.context.options |= ssl.OP_NO_TICKET
    gc.disable()
    try:
        del settings
        fresh = TlsSettings(ca=authority.file, server_name="gone.example").files.context
        assert not fresh.options & ssl.OP_NO_TICKET
    finally:
        gc.enable()


def test_files_that_did_not_change_make_no_new_context(tmp_path: Path, authority: Authority) -> None:
    files = written(tmp_path, authority).files
    before = files.context
    (tmp_path / "client.pem").touch()
    assert not files.renew()
    assert files.context is before


@pytest.mark.parametrize("name", ["ca.pem", "client.pem"])
def test_files_that_hold_something_else_make_a_new_context(tmp_path: Path, authority: Authority, name: str) -> None:
    files = written(tmp_path, authority).files
    before = files.context
    if name == "ca.pem":
        Authority(tmp_path)
    else:
        written(tmp_path, authority)
    assert files.renew()
    assert files.context is not before
    assert not files.renew()


def test_a_new_certificate_beside_the_old_key_leaves_the_former_in_use(tmp_path: Path, authority: Authority) -> None:
    files = written(tmp_path, authority).files
    before, new = files.context, authority.client()
    (tmp_path / "client.pem").write_bytes(new.chain)
    for _ in range(2):
        with pytest.raises(TlsError, match=r"the key in \S*client\.key is not that of the certificate in \S*client"):
            files.renew()
        assert files.context is before
    (tmp_path / "client.key").write_bytes(new.key)
    assert files.renew()
    assert files.context is not before


@pytest.mark.parametrize("name", ["ca.pem", "client.pem", "client.key"])
@pytest.mark.parametrize("content", [None, b"", b"-----BEGIN CERTIFICATE-----\ns3cret\n"], ids=["gone", "empty", "cut"])
def test_files_that_cannot_be_used_are_named_and_leave_the_former_in_use(
    tmp_path: Path, authority: Authority, name: str, content: bytes | None
) -> None:
    files = written(tmp_path, authority).files
    before = files.context
    if content is None:
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(TlsError, match=name.replace(".", r"\.")) as caught:
        files.renew()
    assert "s3cret" not in str(caught.value)
    assert files.context is before


def test_an_encrypted_key_is_opened_with_its_password_and_nobody_is_asked_at_the_terminal(
    tmp_path: Path, authority: Authority
) -> None:
    settings = written(tmp_path, authority)
    shown = authority.client()
    (tmp_path / "client.pem").write_bytes(shown.chain)
    (tmp_path / "client.key").write_bytes(shown.encrypted_key)
    for wrong in (None, Secret(""), Secret("wrong"), Secret("x" * 2000)):
        with pytest.raises(TlsError, match="cannot be used as a certificate and its key"):
            _ = settings.model_copy(update={"key_password": wrong}).files
    assert settings.model_copy(update={"key_password": Secret(PASSWORD)}).files.context is not None


def test_certificate_and_key_may_stand_in_one_file(tmp_path: Path, authority: Authority) -> None:
    shown, both = authority.client(), tmp_path / "both.pem"
    for content in (shown.chain + shown.key, shown.key + shown.chain):
        both.write_bytes(content)
        assert TlsSettings(certificate=both).files.context is not None


@pytest.mark.parametrize("alone", [{"key": "client.key"}, {"key_password": "x" * 9}, {"server_name": "a b"}])
def test_settings_that_make_no_sense_are_refused(alone: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        TlsSettings.model_validate(alone)


def test_nothing_shows_the_password(tmp_path: Path, authority: Authority) -> None:
    settings = written(tmp_path, authority, key_password=PASSWORD)
    assert PASSWORD not in f"{settings!r} {settings.files!r} {settings.model_dump_json()}"


def test_settings_that_are_a_default_go_on_to_be_one_once_they_are_in_use() -> None:
    class Holder(Settings):
        tls: TlsSettings = TlsSettings()

    assert Holder().tls.files is Holder().tls.files
    assert Holder().tls == TlsSettings()
