"""What every injector promises. A kind's test subclasses `InjectorCompliance` and says where the value is seen."""

from typing import Any, ClassVar

import pytest
from pydantic import TypeAdapter, ValidationError

from proxy.core.message import NOTHING, Injection
from proxy.core.secret import Secret
from proxy.core.token import Token
from proxy.injectors import KINDS, AnyInjector, inject_all, make_injector
from proxy.injectors.base import InjectError, Injector


def token_of(value: str) -> Token:
    """Return a token of that value."""
    return Token(Secret(value), issued_at=1_800_000_000.0)


class InjectorCompliance:
    """The suite."""

    word: ClassVar[str]
    """The kind's word in YAML."""
    settings: ClassVar[dict[str, Any]]
    """Settings, without `kind`."""

    def seen(self, injection: Injection) -> list[str]:
        """Return the values that the upstream will find, decoded as it decodes them."""
        raise NotImplementedError

    def made(self, **more: Any) -> Injector:
        """Return the injector under test."""
        return make_injector(TypeAdapter(AnyInjector).validate_python({"kind": self.word, **self.settings, **more}))

    def test_its_word_makes_it(self) -> None:
        assert type(self.made()) is KINDS[self.word]
        assert type(self.made()).__name__.lower() == self.word

    @pytest.mark.parametrize("value", ["abc", "a.b-c_d~e", "eyJ/+==", "!#$%&'()*:<>?@[]^`{|}"])
    def test_the_upstream_sees_the_very_value(self, value: str) -> None:
        assert self.seen(self.made().inject(NOTHING, token_of(value))) == [value]

    def test_it_adds_to_what_others_added(self) -> None:
        twice = inject_all([self.made(), self.made(name="other")], token_of("abc"))
        assert self.seen(twice) == ["abc", "abc"]

    def test_an_injection_is_a_new_value(self) -> None:
        self.made().inject(NOTHING, token_of("abc"))
        assert Injection() == NOTHING

    @pytest.mark.parametrize(
        "value", ["a\r\nX-Evil: 1", "a\nb", "a\rb", "a\x00b", "a\x1b[0m", "a\x7f", "a\u2028b", "a\udc80", "\x85"]
    )
    def test_a_value_that_could_break_out_is_refused_or_encoded_and_never_shown(self, value: str) -> None:
        told = ""
        injection = NOTHING
        try:
            injection = self.made().inject(NOTHING, token_of(value))
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

    def test_an_unknown_setting_is_refused(self) -> None:
        with pytest.raises(ValidationError, match="Extra inputs"):
            self.made(colour="red")

    def test_every_setting_is_described(self) -> None:
        properties = KINDS[self.word].Settings.model_json_schema()["properties"]
        assert all(described.get("description") for described in properties.values())
