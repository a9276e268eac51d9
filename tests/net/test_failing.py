"""What is said of token endpoints that cannot be asked: real sockets, real certificates."""

import socket
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from proxy.core.symptom import Symptom, TokenRequestError
from proxy.net.endpoint import Endpoint, EndpointRequest
from proxy.net.session import open_session
from tests.fakes.certificates import shake
from tests.fakes.clock import FakeClock
from tests.fakes.raw_server import RawServer, head, send
from tests.fakes.token_server import TokenServer

YESTERDAY = datetime.now(UTC) - timedelta(days=1)
TOMORROW = datetime.now(UTC) + timedelta(days=1)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n"


class Room:
    """An endpoint that trusts one authority."""

    def __init__(self) -> None:
        self.authority = trustme.CA()
        self.trust = ssl.create_default_context()
        self.authority.configure_trust(self.trust)
        self.endpoint = Endpoint(FakeClock(), lambda: open_session(self.trust))

    async def failure(self, url: str, patience: float = 5.0) -> TokenRequestError:
        with pytest.raises(TokenRequestError) as caught:
            await self.endpoint.once(EndpointRequest("POST", f"{url}?k=s3cret", timeout=patience))
        assert "s3cret" not in str(caught.value)
        return caught.value

    async def seen(self, certificate: trustme.LeafCert | None, context: ssl.SSLContext | None = None) -> str:
        theirs = context or ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if certificate is not None:
            certificate.configure_cert(theirs)
        async with TokenServer(tls=theirs) as server:
            error = await self.failure(server.url)
            assert (server.count, error.unheeded) == (0, True)
        return f"{error.symptom.code}: {error.sentence.partition(' ')[2].partition(' ')[2]}"


@pytest.fixture
async def room() -> AsyncIterator[Room]:
    made = Room()
    yield made
    await made.endpoint.close()


def self_signed() -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, YESTERDAY, TOMORROW)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with trustme.Blob(private + certificate.public_bytes(serialization.Encoding.PEM)).tempfile() as path:
        context.load_cert_chain(path)
    return context


async def test_a_certificate_that_has_expired_is_called_so(room: Room) -> None:
    old = room.authority.issue_cert("127.0.0.1", not_before=YESTERDAY - timedelta(days=1), not_after=YESTERDAY)
    assert await room.seen(old) == "tls-expired: showed a certificate that has expired (certificate has expired)"


async def test_a_certificate_that_is_not_valid_yet_is_called_so(room: Room) -> None:
    early = room.authority.issue_cert("127.0.0.1", not_before=TOMORROW)
    said = "tls-expired: showed a certificate that is not valid yet (certificate is not yet valid)"
    assert await room.seen(early) == said


@pytest.mark.parametrize("name", ["auth.example", "127.0.0.2"])
async def test_a_certificate_of_another_host_is_called_so(room: Room, name: str) -> None:
    said = await room.seen(room.authority.issue_cert(name))
    assert said.startswith("tls-host: showed a certificate of another address (")


async def test_a_name_that_the_certificate_lacks_is_called_so(room: Room) -> None:
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    room.authority.issue_cert("auth.example").configure_cert(theirs)
    async with TokenServer(tls=theirs) as server:
        error = await room.failure(server.url.replace("127.0.0.1", "localhost"))
    assert error.symptom is Symptom.TLS_HOST
    assert " showed a certificate of another host (" in error.sentence


async def test_a_certificate_that_signed_itself_is_called_so(room: Room) -> None:
    said = "tls-self-signed: showed a certificate that it signed itself (self-signed certificate)"
    assert await room.seen(None, self_signed()) == said


async def test_a_chain_that_ends_at_an_unknown_root_is_called_so(room: Room) -> None:
    other = trustme.CA()
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    leaf = other.issue_cert("127.0.0.1")
    chain = leaf.private_key_and_cert_chain_pem.bytes() + other.cert_pem.bytes()
    with trustme.Blob(chain).tempfile() as path:
        theirs.load_cert_chain(path)
    said = await room.seen(None, theirs)
    assert said.startswith(
        "tls-self-signed: showed a certificate whose chain ends at a root that this machine does not"
    )


async def test_an_issuer_that_nobody_knows_is_called_so(room: Room) -> None:
    said = await room.seen(trustme.CA().issue_cert("127.0.0.1"))
    assert said == (
        "tls-issuer: showed a certificate of an issuer that this machine does not know"
        " (unable to get local issuer certificate)"
    )


async def test_a_service_that_wants_a_client_certificate_is_understood(room: Room) -> None:
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    theirs.verify_mode = ssl.CERT_REQUIRED
    theirs.maximum_version = ssl.TLSVersion.TLSv1_2  # over 1.3 the alert comes late, and not every loop passes it on
    room.authority.configure_trust(theirs)
    room.authority.issue_cert("127.0.0.1").configure_cert(theirs)
    async with RawServer(scripts=[[shake(theirs)]]) as server:
        error = await room.failure(server.url.replace("http:", "https:"))
    assert (error.symptom, error.unheeded) == (Symptom.TLS_CLIENT, True)
    assert error.sentence.endswith(
        " refused the TLS connection: most likely it wants a client certificate, or another one"
    )


async def test_a_service_that_speaks_no_tls_is_called_so(room: Room) -> None:
    async with TokenServer() as server:
        error = await room.failure(server.url.replace("http:", "https:"))
    assert (error.symptom, error.sentence.endswith(" did not agree on TLS")) == (Symptom.TLS, True)


async def test_a_connection_that_is_not_accepted_in_time_is_no_slow_answer(room: Room) -> None:
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for waiting in (first, second):  # the kernel lets these wait, and drops the packets of whoever comes then
            waiting.settimeout(0)
            waiting.connect_ex(full.getsockname())
        error = await room.failure(f"http://127.0.0.1:{full.getsockname()[1]}/", patience=0.2)
    assert (error.symptom, error.unheeded) == (Symptom.CONNECT_TIMEOUT, True)
    assert error.sentence.endswith(" did not accept a connection in time (0.2 s)")


async def test_a_service_that_says_nothing_of_tls_has_not_accepted_a_connection(room: Room) -> None:
    async with RawServer(scripts=[[]]) as server:
        error = await room.failure(server.url.replace("http:", "https:"), patience=0.2)
    assert error.symptom is Symptom.CONNECT_TIMEOUT


@pytest.mark.parametrize(
    ("begun", "said"),
    [
        (b"", "accepted the connection, but did not answer in time (0.2 s)"),
        (HEAD[:30], "accepted the connection, but did not answer in time (0.2 s)"),
        (HEAD + b"half", "answered 200, but did not end its answer in time (0.2 s)"),
    ],
)
async def test_a_timeout_says_how_far_the_answer_had_come(room: Room, begun: bytes, said: str) -> None:
    async with RawServer(scripts=[[head(), send(begun)]]) as server:
        error = await room.failure(server.url, patience=0.2)
    assert (error.symptom, error.unheeded) == (Symptom.TIMEOUT, False)
    assert error.sentence.endswith(said)
