"""An authority of a test's own: certificates of servers and clients as files, and the TLS contexts of its servers."""

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import trustme
from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from tests.fakes.raw_server import Link, Step

PASSWORD: Final = "open-sesame-4711"


@dataclass(frozen=True)
class Shown:
    """A client certificate as PEM, and its key."""

    chain: bytes
    key: bytes
    serial: str
    """In upper-case hexadecimal digits, as nginx writes it."""

    @property
    def encrypted_key(self) -> bytes:
        """The key, encrypted with `PASSWORD`."""
        key = load_pem_private_key(self.key, None)
        return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(PASSWORD.encode()))


class Authority:
    """Signs whatever a test asks for. Its own certificate stands in a file."""

    def __init__(self, folder: Path, name: str = "ca") -> None:
        self._ca = trustme.CA()
        self.file = folder / f"{name}.pem"
        self._ca.cert_pem.write_to_path(self.file)

    def client(self, *, expires_in: timedelta = timedelta(days=30)) -> Shown:
        """Issue a client's certificate."""
        issued = self._ca.issue_cert("client.example", not_after=datetime.now(UTC) + expires_in)
        chain = b"".join(part.bytes() for part in issued.cert_chain_pems)
        serial = x509.load_pem_x509_certificate(chain).serial_number
        return Shown(chain, issued.private_key_pem.bytes(), _even(f"{serial:X}"))

    def server(self, *names: str, asks: bool = False) -> ssl.SSLContext:
        """Return what a server of these names needs; `asks`: only clients with a certificate of ours may come in."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._ca.issue_cert(*names).configure_cert(context)
        if asks:
            self._ca.configure_trust(context)
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def write_server(self, folder: Path, name: str) -> None:
        """Write a server's certificate and key into the folder, as `server.pem` and `server.key`."""
        issued = self._ca.issue_cert(name)
        (folder / "server.pem").write_bytes(b"".join(part.bytes() for part in issued.cert_chain_pems))
        issued.private_key_pem.write_to_path(folder / "server.key")


def shake(context: ssl.SSLContext) -> Step:
    """Do a TLS handshake and nothing more, whatever comes of it: an alert is sent, and can be read."""
    arrived, leaving = ssl.MemoryBIO(), ssl.MemoryBIO()
    shaking = context.wrap_bio(arrived, leaving, server_side=True)

    async def step(link: Link) -> None:
        read = 0
        while True:
            await link.until(lambda: len(link.received) > read)  # noqa: B023 - it is awaited before more is read
            read += arrived.write(bytes(link.received[read:]))
            try:
                shaking.do_handshake()
            except ssl.SSLWantReadError:
                await link.send(leaving.read())
                continue
            except ssl.SSLError:
                pass  # the alert that says so waits to be sent
            return await link.send(leaving.read())

    return step


def _even(digits: str) -> str:
    return digits if len(digits) % 2 == 0 else f"0{digits}"
