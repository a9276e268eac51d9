"""Tokens that a client gets for itself."""

from typing import Any, ClassVar

import pytest
from pydantic import ValidationError

from proxy.credentials.client_credentials import ClientCredentials, ClientCredentialsSettings
from proxy.net.endpoint import Endpoint
from tests.compliance.credentials import CredentialCompliance
from tests.fakes.authorization_server import CLIENT, SECRET, AuthorizationServer
from tests.fakes.clock import FakeClock
from tests.fakes.token_server import TokenServer


class TestClientCredentials(CredentialCompliance):
    word: ClassVar[str] = "client_credentials"
    secret: ClassVar[str] = "s3cret-of-the-client"

    def settings(self, server: TokenServer) -> dict[str, Any]:
        return {"token_url": server.url, "client_id": "me", "client_secret": self.secret, "allow_plain_http": True}


async def test_each_fetch_asks_anew() -> None:
    clock = FakeClock()
    async with AuthorizationServer(clock) as server:
        given = {"token_url": server.url, "client_id": CLIENT, "client_secret": SECRET, "allow_plain_http": True}
        settings = ClientCredentialsSettings.model_validate({"kind": "client_credentials", **given})
        credential = ClientCredentials("main", settings, endpoint := Endpoint(clock), clock)
        first = await credential.fetch(None)
        second = await credential.fetch(first)
        await endpoint.close()
        assert first.value != second.value
        assert server.is_valid(second.value.reveal())
        assert server.counts == {("client_credentials", "issued"): 2}


def test_a_client_has_an_id() -> None:
    with pytest.raises(ValidationError, match="client_id"):
        ClientCredentialsSettings.model_validate({"kind": "client_credentials", "token_url": "https://auth.example/t"})
