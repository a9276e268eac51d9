"""What every caller promises. A kind's test subclasses `CallerCompliance` and says what its proof looks like."""

from typing import Annotated, Any, ClassVar

import pytest
from pydantic import TypeAdapter, ValidationError

from proxy.callers import KINDS
from proxy.callers.base import Caller, CallerSettings
from proxy.core.kinds import OneOf
from proxy.core.message import RequestHead
from tests.fakes.heads import head_of

AnyCaller: TypeAdapter[CallerSettings] = TypeAdapter(Annotated[CallerSettings, OneOf(KINDS)])

ODD_HEADERS = (
    (),
    (("Authorization", ""), ("Proxy-Authorization", ""), ("X-Countersign-Key", "")),
    (("Authorization", "Bearer"), ("Proxy-Authorization", " "), ("X-Countersign-Key", "\xff\x00")),
    (("Authorization", "Basic"), ("Authorization", "Basic ===="), ("Authorization", "Basic \xff")),
    (("Authorization", "Bearer " + "x" * 60_000), ("AUTHORIZATION", "Basic /w=="), ("authorization", "Bearer  ")),
)
"""Headers in which nobody's proof is."""


class CallerCompliance:
    """The suite."""

    word: ClassVar[str]
    """The kind's word in YAML."""
    settings: ClassVar[dict[str, Any]]
    """Settings, without `kind`."""

    def proven(self) -> RequestHead:
        """Return a request with the proof that these settings accept."""
        raise NotImplementedError

    def unproven(self) -> list[RequestHead]:
        """Return requests that these settings do not accept."""
        return [head_of(headers=headers, peer="192.0.2.7") for headers in ODD_HEADERS]

    def made(self, **more: Any) -> Caller:
        """Return the caller under test, `backend`."""
        settings = AnyCaller.validate_python({"kind": self.word, **self.settings, **more})
        return KINDS[self.word]("backend", settings)

    def test_its_word_names_its_class(self) -> None:
        assert KINDS[self.word].__name__.lower() == self.word.replace("_", "")
        assert KINDS[self.word].__module__ == f"proxy.callers.{self.word}"

    def test_its_proof_makes_a_principal_of_its_name_and_kind(self) -> None:
        principal = self.made().authenticate(self.proven())
        assert principal is not None
        assert (principal.name, principal.kind) == ("backend", self.word)

    def test_the_same_proof_makes_the_same_principal_each_time(self) -> None:
        caller = self.made()
        assert caller.authenticate(self.proven()) == caller.authenticate(self.proven()) is not None

    def test_headers_that_carry_the_proof_are_in_the_request(self) -> None:
        principal = self.made().authenticate(self.proven())
        assert principal is not None
        assert principal.proof_headers <= {name.lower() for name, _ in self.proven().headers}

    def test_without_its_proof_it_knows_nobody_and_never_raises(self) -> None:
        caller = self.made()
        caller.authenticate(self.proven())
        assert [caller.authenticate(head) for head in self.unproven()] == [None] * len(self.unproven())

    @pytest.mark.parametrize(("acts_for", "believed"), [("any", True), (None, False)])
    def test_it_is_believed_whichever_user_it_names_only_where_that_is_configured(
        self, acts_for: str | None, believed: bool
    ) -> None:
        principal = self.made(acts_for=acts_for).authenticate(self.proven())
        assert principal is not None
        assert principal.acts_for_any is believed

    def test_an_unknown_setting_is_refused(self) -> None:
        with pytest.raises(ValidationError, match="Extra inputs"):
            self.made(colour="red")

    def test_every_setting_is_described(self) -> None:
        properties = KINDS[self.word].Settings.model_json_schema()["properties"]
        assert all(described.get("description") for described in properties.values())
