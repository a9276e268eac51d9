"""What is wrong with certificate and key is said of the setting that has to change, without showing either."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from proxy.core.clock import SystemClock
from proxy.core.secret import Secret
from proxy.net.certificates import Fault, faults
from proxy.net.tls import TlsSettings
from tests.fakes.certificates import PASSWORD, Authority, Shown

DAY = 86_400


class Folder:
    """A folder with a client's files in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.authority = Authority(path)
        self.write(self.authority.client())

    def write(self, shown: Shown) -> None:
        self.put("client.pem", shown.chain)
        self.put("client.key", shown.key)

    def put(self, name: str, content: bytes) -> None:
        (self.path / name).write_bytes(content)

    def faults(self, *, days: float = 0, **other: Any) -> list[Fault]:
        """Return what is wrong, so many days from now."""
        named = {"ca": "ca.pem", "certificate": "client.pem", "key": "client.key"} | other
        password = named.pop("key_password", None)
        paths: dict[str, Any] = {name: self.path / path for name, path in named.items() if path}
        settings = TlsSettings(**paths, key_password=Secret(password) if password else None)
        return list(faults(settings, SystemClock.now() + days * DAY))

    def one(self, **other: Any) -> tuple[str, str, bool]:
        """Return the only one, which shows nothing of any file."""
        (fault,) = self.faults(**other)
        assert "s3cret" not in fault.message
        return fault.field, fault.message, fault.warning


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_a_certificate_and_its_key_are_sound(folder: Folder) -> None:
    assert folder.faults() == []
    assert folder.faults(ca=None) == []
    shown = folder.authority.client()
    for both in (shown.chain + shown.key, shown.key + shown.chain):
        folder.put("client.pem", both)
        assert folder.faults(key=None) == []
    folder.put("client.key", shown.encrypted_key)
    assert folder.faults(key_password=PASSWORD) == []


def test_a_password_for_a_key_that_needs_none_does_no_harm(folder: Folder) -> None:
    assert folder.faults(key_password=PASSWORD) == []


@pytest.mark.parametrize(
    ("name", "field", "message"),
    [
        ("ca.pem", "ca", "cannot be read as PEM certificates"),
        ("client.pem", "certificate", "cannot be read as PEM certificates"),
        ("client.key", "key", "no PEM private key"),
    ],
)
@pytest.mark.parametrize("content", [b"", b"s3cret", b"\xff\x00s3cret"], ids=["empty", "text", "bytes"])
def test_a_file_that_holds_something_else_is_told(
    folder: Folder, name: str, field: str, message: str, content: bytes
) -> None:
    folder.put(name, content)
    assert folder.one()[0] == field
    assert message in folder.one()[1]


@pytest.mark.parametrize("field", ["ca", "certificate", "key"])
def test_a_file_that_is_not_there_is_told(folder: Folder, field: str) -> None:
    told = folder.one(**{field: "none.pem"})
    assert told[0] == field
    assert "correct the path" in told[1]


def test_a_key_that_is_missing_beside_the_certificate_is_asked_for(folder: Folder) -> None:
    assert folder.one(key=None)[:2] == (
        "certificate",
        "there is no PEM private key in this file; name the key's file under `key`",
    )


@pytest.mark.parametrize("begins", ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"])
def test_a_damaged_key_is_told_and_not_shown(folder: Folder, begins: str) -> None:
    folder.put("client.key", f"-----BEGIN {begins}-----\ns3cret\n-----END {begins}-----\n".encode())
    assert folder.one()[0] == "key"
    assert "damaged" in folder.one()[1]


def test_the_key_of_another_certificate_is_told(folder: Folder) -> None:
    folder.put("client.key", folder.authority.client().key)
    assert folder.one()[0] == "key"
    assert "is not that of the certificate" in folder.one()[1]


def test_an_encrypted_key_wants_its_password_and_no_other(folder: Folder) -> None:
    shown = folder.authority.client()
    folder.write(shown)
    folder.put("client.key", shown.encrypted_key)
    assert folder.one()[:2] == ("key", "this private key is encrypted; give its password under `key_password`")
    assert folder.one(key_password="s3cret")[0] == "key_password"


def test_a_certificate_out_of_its_time_is_a_warning(folder: Folder) -> None:
    folder.write(folder.authority.client(expires_in=timedelta(days=2)))
    assert folder.faults(days=1.9) == []
    field, message, warning = folder.one(days=2.1)
    assert (field, warning) == ("certificate", True)
    assert "expired on" in message
    field, message, warning = folder.one(days=-36_500)
    assert (field, warning) == ("certificate", True)
    assert "counts from" in message


def test_what_openssl_does_not_take_is_told_before_anybody_connects(folder: Folder) -> None:
    key = rsa.generate_private_key(65537, 1024)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "client.example")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
    folder.put("client.pem", builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM))
    folder.put("client.key", key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    field, message, warning = folder.one()
    assert (field, warning) == ("certificate", False)
    assert message.endswith("cannot be used as a certificate and its key (ee key too small)")
