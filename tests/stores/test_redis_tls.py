"""Redis proves itself and we prove ourselves, or there is no connection."""

import shutil
import ssl
from pathlib import Path
from typing import Any

import pytest

from proxy.stores.base import StoreError
from proxy.stores.redis_tls import RedisTlsSettings
from tests.compliance.stores import KEY, contents, record
from tests.fakes.redis import Certificates, RedisServer
from tests.stores.conftest import Opener


def tls_url(server: RedisServer, host: str = "127.0.0.1") -> str:
    return f"rediss://{host}:{server.tls_port}"


@pytest.fixture
def tls(certificates: Certificates) -> dict[str, Any]:
    return {"ca": certificates.ca, "certificate": certificates.client, "key": certificates.client_key}


async def test_a_server_of_the_wrong_authority_is_refused(
    opened: Opener, server: RedisServer, certificates: Certificates, tls: dict[str, Any]
) -> None:
    with pytest.raises(StoreError, match=r"shows a certificate that is not believed.*correct store\.tls\.ca"):
        await opened(tls_url(server), tls={**tls, "ca": certificates.other_ca}).load(KEY)


async def test_a_server_that_only_the_system_could_believe_is_refused(
    opened: Opener, server: RedisServer, tls: dict[str, Any]
) -> None:
    with pytest.raises(StoreError, match="shows a certificate that is not believed"):
        await opened(tls_url(server), tls={**tls, "ca": None}).load(KEY)


async def test_a_server_of_another_name_is_refused(opened: Opener, server: RedisServer, tls: dict[str, Any]) -> None:
    with pytest.raises(StoreError, match="shows a certificate that is not believed"):
        await opened(tls_url(server, "localhost"), tls=tls).load(KEY)


async def test_a_client_without_a_certificate_is_told_that_one_may_be_wanted(
    opened: Opener, server: RedisServer, tls: dict[str, Any]
) -> None:
    with pytest.raises(StoreError, match=r"store\.tls\.certificate|ended the connection"):
        await opened(tls_url(server), tls={"ca": tls["ca"]}).load(KEY)


async def test_tls_to_a_port_without_it_is_told(opened: Opener, server: RedisServer, tls: dict[str, Any]) -> None:
    with pytest.raises(StoreError, match=r"does not complete the TLS handshake|whether it speaks TLS there"):
        await opened(f"rediss://127.0.0.1:{server.port}", tls=tls).load(KEY)


async def test_a_port_with_tls_is_told_of_when_it_is_used_without(opened: Opener, server: RedisServer) -> None:
    with pytest.raises(StoreError, match=r"write rediss:// if it speaks TLS there|ended the connection"):
        await opened(f"redis://127.0.0.1:{server.tls_port}").load(KEY)


async def test_a_file_that_is_missing_is_told(opened: Opener, server: RedisServer, tls: dict[str, Any]) -> None:
    with pytest.raises(StoreError, match=r"a file that store\.tls names cannot be read"):
        await opened(tls_url(server), tls={**tls, "ca": Path("/nowhere/ca.pem")}).load(KEY)


async def test_files_that_were_replaced_are_read_again_for_the_next_connection(
    opened: Opener, server: RedisServer, certificates: Certificates, tls: dict[str, Any], tmp_path: Path
) -> None:
    ca = tmp_path / "ca.pem"
    shutil.copy(certificates.other_ca, ca)
    store = opened(tls_url(server), tls={**tls, "ca": ca})
    with pytest.raises(StoreError):
        await store.load(KEY)
    shutil.copy(certificates.ca, ca)
    await store.save(KEY, record())
    assert await contents(store) == (1, record().data)


def test_connections_share_a_context_that_verifies(certificates: Certificates) -> None:
    ours = {"ca": certificates.ca, "certificate": certificates.client, "key": certificates.client_key}
    context = RedisTlsSettings(**ours).context()
    assert context is RedisTlsSettings(**ours).context()
    assert context is not RedisTlsSettings(ca=certificates.ca).context()
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
