"""What is wrong with the files of a TLS setting, in the words of whoever has to set it right."""

import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from proxy.net.tls import TlsError, TlsSettings, load_certificate, read

Field = Literal["ca", "certificate", "key", "key_password"]
_RELATIVE: Final = "correct the path, relative to the configuration file"


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one of the files. Shows nothing of their content."""

    field: Field
    """The setting to change."""
    message: str
    warning: bool = False
    absent: bool = False
    """True: there is no such file here; there may be elsewhere."""


def faults(settings: TlsSettings, now: float) -> Iterator[Fault]:
    """Yield what is wrong with the files as they are at that time, in Unix seconds."""
    found = list(_each(settings, now))
    yield from found
    if all(fault.warning for fault in found):
        try:
            load_certificate(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), settings)
        except TlsError as error:
            yield Fault("certificate", str(error))


def _each(settings: TlsSettings, now: float) -> Iterator[Fault]:
    if settings.ca is not None and not _is_believable(settings.ca):
        yield _no_certificates("ca", settings.ca)
    if settings.certificate is None:
        return
    shown = _certificate(settings.certificate)
    if shown is None:
        yield _no_certificates("certificate", settings.certificate)
    elif now > shown.not_valid_after_utc.timestamp():
        day = shown.not_valid_after_utc.date().isoformat()
        yield Fault("certificate", f"this certificate expired on {day}; have a new one issued", warning=True)
    elif now < shown.not_valid_before_utc.timestamp():
        day = shown.not_valid_before_utc.date().isoformat()
        yield Fault("certificate", f"this certificate counts from {day}; check this machine's clock", warning=True)
    key = _key(settings, settings.key or settings.certificate)
    if isinstance(key, Fault):
        yield key
    elif shown is not None and _is_anothers(shown, key):
        yield Fault(
            "key" if settings.key else "certificate",
            "this key is not that of the certificate; name the two that were made for each other, the client's "
            "certificate before those of its authorities",
        )


def _no_certificates(field: Field, path: Path) -> Fault:
    return Fault(field, f"this file cannot be read as PEM certificates; {_RELATIVE}", absent=not path.exists())


def _is_believable(path: Path) -> bool:
    """Return True when OpenSSL finds authorities in the file, which is less strict than others about old ones."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except OSError:
        return False
    return True


def _certificate(path: Path) -> x509.Certificate | None:
    """Return the first one in the file: that of the client."""
    try:
        return x509.load_pem_x509_certificate(read(path))
    except (OSError, ValueError):
        return None


def _key(settings: TlsSettings, path: Path) -> PrivateKeyTypes | Fault:
    """Return the private key, or why there is none. The library's words may show content, and are not repeated."""
    field: Field = "key" if settings.key else "certificate"
    password = settings.key_password
    try:
        content = read(path)
    except TlsError:
        return Fault(field, f"this file cannot be read; {_RELATIVE}", absent=not path.exists())
    begins = content.find(b"-----BEGIN", max(0, content.find(b"PRIVATE KEY-----") - 30))
    if begins < 0 or b"PRIVATE KEY-----" not in content:
        remedy = _RELATIVE if settings.key else "name the key's file under `key`"
        return Fault(field, f"there is no PEM private key in this file; {remedy}")
    is_encrypted = b"ENCRYPTED" in content[begins : begins + 120]
    if is_encrypted and password is None:
        return Fault(field, "this private key is encrypted; give its password under `key_password`")
    secret = password.reveal().encode() if is_encrypted and password is not None else None
    try:
        return load_pem_private_key(content[begins:], secret)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        if is_encrypted:
            return Fault("key_password", "this password does not open the private key; correct it")
        return Fault(field, "the private key in this file is damaged, or of a kind that is not supported")


def _is_anothers(certificate: x509.Certificate, key: PrivateKeyTypes) -> bool:
    """Return True when the certificate is about another key."""
    theirs, ours = (
        public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        for public in (certificate.public_key(), key.public_key())
    )
    return theirs != ours
