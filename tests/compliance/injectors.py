"""What every injector promises. A kind's test subclasses one of the suites and says where the value is seen.

`InjectorCompliance` is for all of them, `PlacedCompliance` for those that put a value into a place, and
`SigningCompliance` for those that sign requests one by one.
"""

from dataclasses import replace
from typing import Any, ClassVar
from urllib.parse import unquote

import pytest
from multidict import CIMultiDict
from pydantic import TypeAdapter, ValidationError

from proxy.core.message import NOTHING, Injection
from proxy.core.moment import Moment
from proxy.core.secret import Secret
from proxy.core.tailored import Prepared, RequestSigner, Signed
from proxy.core.token import Token
from proxy.injectors import KINDS, AnyInjector, inject_all, make_injector
from proxy.injectors.base import InjectError, Injector

NOW = 1_800_000_000.0
EMPTY = bytes.fromhex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")


def token_of(value: str, **variables: str) -> Token:
    """Return a token of that value."""
    return Token(
        Secret(value), issued_at=NOW, variables={name: Secret(variable) for name, variable in variables.items()}
    )


def prepared_of(**more: Any) -> Prepared:
    """Return a request as it is signed."""
    usual: dict[str, Any] = {
        "method": "GET",
        "host": "api.example",
        "path": "/v2/x",
        "query": "b=2&a=1",
        "lines": ((b"host", b"api.example"), (b"content-type", b"text/plain")),
        "given": CIMultiDict(),
        "is_tls": True,
        "moment": Moment(NOW, "0b0c1d2e-0000-4000-8000-000000000000"),
        "body": b"",
        "digests": {"sha256": EMPTY},
    }
    return Prepared(**{**usual, **more})


class InjectorCompliance:
    """The suite for all."""

    word: ClassVar[str]
    """The kind's word in YAML."""
    settings: ClassVar[dict[str, Any]]
    """Settings, without `kind`."""
    templated: ClassVar[str] = "value"
    """A setting that is a template."""

    def made(self, **more: Any) -> Injector:
        """Return the injector under test."""
        return make_injector(TypeAdapter(AnyInjector).validate_python({"kind": self.word, **self.settings, **more}))

    def test_its_word_makes_it(self) -> None:
        assert type(self.made()) is KINDS[self.word]
        assert type(self.made()).__name__.lower() == self.word.replace("_", "")

    def test_an_injection_is_a_new_value(self) -> None:
        self.made().inject(NOTHING, token_of("abc"))
        assert Injection() == NOTHING

    def test_an_unknown_setting_is_refused(self) -> None:
        with pytest.raises(ValidationError, match="Extra inputs"):
            self.made(colour="red")

    def test_every_setting_is_described(self) -> None:
        properties = KINDS[self.word].Settings.model_json_schema()["properties"]
        assert all(described.get("description") for described in properties.values())

    def test_a_variable_that_is_missing_is_named(self) -> None:
        with pytest.raises(InjectError, match="the variable TENANT has no value"):
            self.made(**{self.templated: "{{ TENANT }}"}).inject(NOTHING, token_of("abc"))

    def test_the_variables_that_it_needs_are_known_beforehand(self) -> None:
        given = {"kind": self.word, **self.settings, self.templated: "{{ TENANT }}{{ TOKEN }}"}
        assert TypeAdapter(AnyInjector).validate_python(given).names == {"TENANT"}

    def test_nothing_that_it_holds_is_printed(self) -> None:
        injection = self.made().inject(NOTHING, token_of("the-token"))
        assert "the-token" not in repr(injection) + repr(injection.tailored)


class PlacedCompliance(InjectorCompliance):
    """The suite for those that put a value into a place."""

    another: ClassVar[dict[str, Any]] = {"name": "other"}
    """What makes it another place."""

    def seen(self, injection: Injection) -> list[str]:
        """Return the values that the upstream will find, decoded as it decodes them."""
        raise NotImplementedError

    @pytest.mark.parametrize("value", ["abc", "a.b-c_d~e", "eyJ/+==", "!#$%&'()*:<>?@[]^`{|}"])
    def test_the_upstream_sees_the_very_value(self, value: str) -> None:
        assert self.seen(self.made().inject(NOTHING, token_of(value))) == [value]

    def test_it_adds_to_what_others_added(self) -> None:
        twice = inject_all([self.made(), self.made(**self.another)], token_of("abc"))
        assert self.seen(twice) == ["abc", "abc"]

    def test_a_template_may_use_what_came_with_the_token(self) -> None:
        made = self.made(value="{{ TENANT }}:{{ TOKEN }}")
        assert self.seen(made.inject(NOTHING, token_of("abc", TENANT="acme"))) == ["acme:abc"]

    def test_a_template_may_use_what_the_credential_has_and_what_came_with_the_token_counts_more(self) -> None:
        settings = TypeAdapter(AnyInjector).validate_python(
            {"kind": self.word, **self.settings, "value": "{{ A }}{{ B }}"}
        )
        made = make_injector(settings, {"A": Secret("a"), "B": Secret("b")})
        assert self.seen(made.inject(NOTHING, token_of("abc", B="newer"))) == ["anewer"]

    def test_the_token_is_never_taken_from_a_variable(self) -> None:
        assert self.seen(self.made(value="{{ TOKEN }}").inject(NOTHING, token_of("abc", TOKEN="x"))) == ["abc"]

    def test_a_template_that_leaves_nothing_is_refused(self) -> None:
        with pytest.raises(InjectError, match="empty"):
            self.made(value="{{ TENANT }}").inject(NOTHING, token_of("abc", TENANT=""))

    def test_a_template_cannot_say_the_time(self) -> None:
        with pytest.raises(ValidationError, match="once for each token"):
            self.made(value="{{ timestamp }}")

    def test_it_takes_its_place_for_itself_unless_it_appends(self) -> None:
        def places(**more: Any) -> Any:
            return TypeAdapter(AnyInjector).validate_python({"kind": self.word, **self.settings, **more}).places

        assert len(places()) == len(places(mode="keep")) == 1
        assert places(mode="append") == ()

    @pytest.mark.parametrize(
        "value", ["a\r\nX-Evil: 1", "a\nb", "a\rb", "a\x00b", "a\x1b[0m", "a\x7f", "a\u2028b", "a\udc80", "\x85"]
    )
    @pytest.mark.parametrize("template", [None, "{{ V }}"])
    def test_a_value_that_could_break_out_is_refused_or_encoded_and_never_shown(
        self, value: str, template: str | None
    ) -> None:
        told = ""
        injection = NOTHING
        try:
            injection = self.made(value=template).inject(NOTHING, token_of("abc" if template else value, V=value))
        except InjectError as error:
            told = str(error)
        assert value not in told
        self.assert_one_line(injection)
        assert self.seen(injection) == ([] if told else [value])

    def assert_one_line(self, injection: Injection) -> None:
        """Fail unless the wire form holds printable ASCII only."""
        cookies = b"".join(name + value for name, value in injection.cookies)
        wire = injection.lines.removesuffix(b"\r\n") + injection.query + cookies
        assert all(0x20 < byte < 0x7F for byte in wire)


class SigningCompliance(InjectorCompliance):
    """The suite for those that sign requests one by one."""

    def signer(self, token: Token | None = None, **more: Any) -> RequestSigner:
        """Return what signs requests with that token."""
        injection = self.made(**more).inject(NOTHING, token or token_of("abc"))
        assert injection.tailored is not None
        (signer,) = injection.tailored.signers
        return signer

    def signed(self, **more: Any) -> Signed:
        """Return the signature of the usual request."""
        return self.signer().sign(prepared_of(**more))

    def test_the_same_request_at_the_same_moment_has_the_same_signature(self) -> None:
        assert self.signed() == self.signed()

    @pytest.mark.parametrize(
        "other", [{"path": "/v2/y"}, {"query": "b=2&a=2"}, {"method": "PUT"}, {"digests": {"sha256": b"x" * 32}}]
    )
    def test_another_request_has_another_signature(self, other: dict[str, Any]) -> None:
        assert self.signed(**other) != self.signed()

    def test_another_moment_and_another_token_have_another_signature(self) -> None:
        later = self.signed(moment=replace(prepared_of().moment, now=NOW + 1))
        assert len({self.signed(), later, self.signer(token_of("abd")).sign(prepared_of())}) == 3

    def test_it_adds_what_it_says_and_drops_the_callers_own_of_that(self) -> None:
        injection = self.made().inject(NOTHING, token_of("abc"))
        signed = self.signer().sign(prepared_of())
        headers = [line.partition(b":")[0].decode() for line in signed.lines.split(b"\r\n")[:-1]]
        parameters = [unquote(part.partition("=")[0]) for part in signed.query.decode().split("&") if part]
        said = self.signer().adds
        assert (sorted(said[0]), sorted(said[1])) == (sorted(headers), sorted(parameters))
        assert {name.lower().encode() for name in headers} <= injection.replaces
        assert {name.encode() for name in parameters} <= injection.query_names

    def test_the_key_is_not_sent(self) -> None:
        signed = self.signer(token_of("the-secret-key")).sign(prepared_of())
        assert b"the-secret-key" not in signed.lines + signed.query

    def test_signatures_are_not_printed(self) -> None:
        assert repr(self.signed()) == "<Signed>"
        assert "api.example" in repr(prepared_of())
        assert "a=1" not in repr(prepared_of())
