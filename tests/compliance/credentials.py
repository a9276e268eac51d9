"""What every credential promises. A kind's test subclasses `CredentialCompliance` and gives it settings."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Annotated, Any, ClassVar

import pytest
from pydantic import TypeAdapter, ValidationError

from proxy.core.errors import FetchError
from proxy.core.kinds import OneOf
from proxy.core.secret import Secret
from proxy.credentials import KINDS
from proxy.credentials.base import Credential, CredentialSettings
from proxy.injectors import inject_all, make_injector
from proxy.net.endpoint import Endpoint
from tests.fakes.clock import FakeClock
from tests.fakes.token_server import TokenServer

AnyCredential: TypeAdapter[Any] = TypeAdapter(Annotated[CredentialSettings, OneOf(KINDS)])


class CredentialCompliance:
    """The suite."""

    word: ClassVar[str]
    """The kind's word in YAML."""
    secret: ClassVar[str]
    """What stands in the settings and must not be seen."""
    other_beginning: ClassVar[Mapping[str, Any] | None] = None
    """Settings that begin another lineage; None: each fetch of the kind stands alone."""
    same_lineage: ClassVar[Sequence[Mapping[str, Any]]] = ()
    """Settings of the kind's own, each of which leaves the lineage as it is."""

    def settings(self, server: TokenServer) -> dict[str, Any]:
        """Return the kind's settings, without `kind`; a kind that asks somebody asks this server."""
        raise NotImplementedError

    def parsed(self, server: TokenServer, **more: Any) -> CredentialSettings:
        """Return the settings as the configuration's reader makes them."""
        settings: CredentialSettings = AnyCredential.validate_python(
            {"kind": self.word, **self.settings(server), **more}
        )
        return settings

    @asynccontextmanager
    async def made(self) -> AsyncIterator[tuple[Credential, TokenServer]]:
        """Yield the credential under test and the server it may ask."""
        clock = FakeClock()
        endpoint = Endpoint(clock, jitter=lambda: 0.0)
        try:
            async with TokenServer(clock) as server:
                yield KINDS[self.word]("main", self.parsed(server), endpoint, clock), server
        finally:
            await endpoint.close()

    def test_its_word_names_its_class(self) -> None:
        assert KINDS[self.word].__name__.lower() == self.word.replace("_", "")
        assert KINDS[self.word].__module__ == f"proxy.credentials.{self.word}"

    async def test_a_token_is_new_and_dated(self) -> None:
        async with self.made() as (credential, server):
            token = await credential.fetch(None)
            assert token.generation == 0
            assert token.issued_at == server.clock.now()
            assert token.expires_at is None or token.expires_at > server.clock.now()

    async def test_fetching_again_renews_what_is_renewable(self) -> None:
        async with self.made() as (credential, _):
            first = await credential.fetch(None)
            second = await credential.fetch(first)
            assert (second.value == first.value) is not credential.renewable

    async def test_a_token_can_stand_where_it_goes_by_default(self) -> None:
        async with self.made() as (credential, _):
            token = await credential.fetch(None)
            injection = inject_all(map(make_injector, credential.settings.inject), token)
            assert token.value.reveal().encode() in injection.lines

    async def test_nothing_secret_is_printed(self) -> None:
        async with self.made() as (credential, server):
            token = await credential.fetch(None)
            printed = (
                f"{token!r} {token} {credential.settings!r} {credential.settings.model_dump_json()} {credential!r}"
            )
            assert self.secret not in printed
            assert token.value.reveal() not in printed
            assert server.count == len(server.issued)

    async def test_an_endpoint_that_fails_is_a_fetch_error(self) -> None:
        async with self.made() as (credential, server):
            server.knobs.status = 400
            server.knobs.body = self.secret
            if credential.renewable:
                with pytest.raises(FetchError) as caught:
                    await credential.fetch(None)
                assert self.secret not in str(caught.value)
            else:
                await credential.fetch(None)
                assert server.count == 0

    def lineage(self, **more: Any) -> Any:
        """Return the lineage of a credential with these settings."""
        clock = FakeClock()
        return KINDS[self.word]("any", self.parsed(TokenServer(), **more), Endpoint(clock), clock).lineage

    def test_only_what_a_first_fetch_begins_with_changes_its_lineage(self) -> None:
        lineage = self.lineage()
        for same in self.same_lineage:
            assert self.lineage(**same) == lineage
        assert self.lineage(inject=[{"kind": "query", "name": "key"}], safety_window="1s") == self.lineage() == lineage
        if self.other_beginning is None:
            assert lineage is None
        else:
            assert self.lineage(**self.other_beginning) not in (lineage, None)

    def test_its_settings_know_whether_it_has_a_lineage(self) -> None:
        assert self.parsed(TokenServer()).spends is (self.other_beginning is not None)

    def test_a_secret_in_its_lineage_is_a_secret(self) -> None:
        assert self.secret not in repr(self.lineage())
        if self.other_beginning is not None:
            assert any(isinstance(part, Secret) for part in self.lineage())

    def test_an_unknown_setting_is_refused(self) -> None:
        with pytest.raises(ValidationError, match="Extra inputs"):
            self.parsed(TokenServer(), colour="red")

    def test_two_tokens_cannot_go_to_one_place(self) -> None:
        places = [{"kind": "header", "name": "X-Key"}, {"kind": "header", "name": "x-key"}]
        with pytest.raises(ValidationError, match="header x-key twice"):
            self.parsed(TokenServer(), inject=places)
        with pytest.raises(ValidationError, match="at least 1"):
            self.parsed(TokenServer(), inject=[])
        assert len(self.parsed(TokenServer(), inject=[{"kind": "query", "name": "k"}, places[0]]).inject) == 2

    def test_every_setting_is_described(self) -> None:
        properties = KINDS[self.word].Settings.model_json_schema()["properties"]
        assert all(described.get("description") for described in properties.values())
