"""Anybody on this machine."""

from typing import Any, ClassVar

import pytest
from pydantic import ValidationError

from proxy.core.message import RequestHead
from tests.compliance.callers import CallerCompliance
from tests.fakes.heads import head_of


class TestAnonymous(CallerCompliance):
    word: ClassVar[str] = "anonymous"
    settings: ClassVar[dict[str, Any]] = {}

    def proven(self) -> RequestHead:
        return head_of(peer="127.0.0.1")

    @pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1", ""])
    def test_a_caller_on_this_machine_needs_no_proof(self, peer: str) -> None:
        principal = self.made().authenticate(head_of(peer=peer))
        assert principal is not None
        assert principal.proof_headers == frozenset()

    @pytest.mark.parametrize("peer", ["192.0.2.7", "10.0.0.1", "::2", "::ffff:192.0.2.7", "128.0.0.1", "0.0.0.0"])
    def test_a_caller_on_another_machine_comes_in_only_when_remote_ones_are_allowed(self, peer: str) -> None:
        assert self.made().authenticate(head_of(peer=peer)) is None
        assert self.made(allow_remote=True).authenticate(head_of(peer=peer)) is not None

    def test_what_a_caller_says_of_its_address_is_not_believed(self) -> None:
        claims = (("X-Forwarded-For", "127.0.0.1"), ("Forwarded", "for=127.0.0.1"), ("Host", "localhost"))
        assert self.made().authenticate(head_of(headers=claims, host="localhost", peer="192.0.2.7")) is None

    def test_who_could_be_anybody_from_anywhere_is_not_every_user(self) -> None:
        with pytest.raises(ValidationError, match="could be any user"):
            self.made(allow_remote=True, acts_for="any")
        assert self.made(acts_for="any").authenticate(self.proven()) is not None
