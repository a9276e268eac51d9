"""What the pages on sign-in tell applications to do works, and each test that they name is there."""

import re
from collections.abc import Callable
from typing import Any, Final

from proxy.users import attempts, tickets
from tests.docs.markdown import ROOT, fences
from tests.providers.clients import USER, Identities
from tests.providers.sign_in_world import APP, drive, in_browser, proven, signing_in
from tests.providers.visitor import Visitor

PAGE: Final = ROOT / "docs" / "how-to" / "sign-in.md"
SECURITY: Final = ROOT / "docs" / "explanation" / "security.md"


async def test_the_code_for_applications_sends_the_user_to_sign_in_and_asks_again(
    tmp_path_factory: Any,
) -> None:
    (snippet,) = [fence.text for fence in fences(PAGE) if fence.language == "python"]
    names: dict[str, Any] = {}
    exec(compile(snippet, str(PAGE), "exec"), names)
    get: Callable[..., bytes | None] = names["get"]
    identities = Identities(tmp_path_factory.mktemp("identities"))
    async with signing_in(identities, lambda provider: {"drive": drive(provider)}) as world:
        visitor, back = Visitor(), f"{APP}/settings?tab=1"
        ends: list[str] = []

        def send_to(url: str) -> None:
            ends.append(visitor.follow(visitor.get(url), until=APP).url)

        def ask() -> bytes | None:
            return get(f"{world.proxy.url}/drive/things", proven("ann"), send_to, back)

        assert await in_browser(ask) is None
        assert ends == [back]
        answer = await in_browser(ask)
        assert answer is not None
        assert USER.encode() in answer
        visitor.close()


def test_every_test_that_is_said_to_hold_a_rule_is_there() -> None:
    table = SECURITY.read_text().partition("### RFC 9700, line by line")[2].partition("\n## ")[0]
    named = set(re.findall(r"`(test_\w+)`", table))
    sources = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    assert len(named) > 15
    assert {name for name in named if f"def {name}(" not in sources} == set()
    rows = [line for line in table.splitlines() if re.match(r"\| \d", line)]
    assert all("`test_" in row for row in rows)


def test_the_numbers_of_the_pages_are_those_of_the_code() -> None:
    assert tickets.LIFETIME == attempts.LIFETIME == 600.0
    assert "ten minutes" in PAGE.read_text()
    assert "one use, ten minutes" in SECURITY.read_text()
