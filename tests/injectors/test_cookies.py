"""All cookies of a login, in every request."""

from typing import Any, ClassVar

import pytest
from pydantic import TypeAdapter, ValidationError

from proxy.core.message import NOTHING
from proxy.injectors import AnyInjector, inject_all, make_injector
from proxy.injectors.base import InjectError
from tests.compliance.injectors import InjectorCompliance, token_of


class TestCookies(InjectorCompliance):
    word: ClassVar[str] = "cookies"
    settings: ClassVar[dict[str, Any]] = {"value": "session={{ TOKEN }}"}

    def test_by_default_it_takes_what_a_workflow_kept(self) -> None:
        made = make_injector(TypeAdapter(AnyInjector).validate_python({"kind": "cookies"}))
        injection = made.inject(NOTHING, token_of("x", COOKIES='a=1; SAP_ID=x"y z'))
        assert injection.cookies == ((b"a", b"1"), (b"SAP_ID", b'x"y z'))
        assert injection.cookie_names == {b"a", b"SAP_ID"}

    def test_it_adds_to_what_others_added(self) -> None:
        cookie = make_injector(TypeAdapter(AnyInjector).validate_python({"kind": "cookie", "name": "mine"}))
        assert inject_all([cookie, self.made()], token_of("t")).cookies == ((b"mine", b"t"), (b"session", b"t"))

    @pytest.mark.parametrize("line", ["no-pair", "a=1; b", "=x", "a b=c", "a=é", "a=x\r\nX-Evil: 1"])
    def test_what_is_no_line_of_cookies_is_refused_and_not_shown(self, line: str) -> None:
        with pytest.raises(InjectError, match="these are no cookies") as caught:
            self.made(value="{{ COOKIES }}").inject(NOTHING, token_of("x", COOKIES=line))
        assert line not in str(caught.value)

    def test_where_it_puts_something_can_be_shown(self) -> None:
        settings = TypeAdapter(AnyInjector).validate_python({"kind": "cookies", "value": "a=secret"})
        assert make_injector(settings.masked).inject(NOTHING, token_of("x")).cookies == ((b"***", b"***"),)
        assert len(settings.places) == 1

    def test_a_template_cannot_say_the_time(self) -> None:
        with pytest.raises(ValidationError, match="once for each token"):
            self.made(value="a={{ timestamp }}")
