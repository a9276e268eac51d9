"""What the page on codes by e-mail tells apps to do works, and the numbers that it names are those of the code."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from urllib.error import HTTPError

import pytest

from proxy.users import codes, handles, mail, verification
from proxy.users.settings import VerificationSettings
from tests.docs.markdown import ROOT, fences
from tests.fakes import redis
from tests.fakes.mailboxes import mailboxes, proven

PAGE: Final = ROOT / "docs" / "how-to" / "verify-by-email.md"
SECURITY: Final = ROOT / "docs" / "explanation" / "security.md"


async def test_the_code_for_apps_has_a_user_verified_and_passes_other_refusals_on(tmp_path: Path) -> None:
    redis.needed()
    (snippet,) = [fence.text for fence in fences(PAGE) if fence.language == "python"]
    names: dict[str, Any] = {}
    exec(compile(snippet, str(PAGE), "exec"), names)
    get: Callable[..., bytes] = names["get"]
    loop = asyncio.get_running_loop()
    async with mailboxes(tmp_path) as world:
        await world.user("ann")
        url = f"{world.proxies[0].url}/billing/x"

        def ask_for_code() -> str:
            return asyncio.run_coroutine_threadsafe(world.mail.code_for("ann@mail.example"), loop).result(10)

        assert await asyncio.to_thread(get, url, proven("ann"), ask_for_code) == b"ok"
        assert await asyncio.to_thread(get, url, proven("ann"), lambda: "never asked for") == b"ok"
        with pytest.raises(HTTPError, match="400"):
            await asyncio.to_thread(get, url, {}, ask_for_code)


def test_the_numbers_of_the_page_are_those_of_the_code() -> None:
    text = " ".join(PAGE.read_text().split())
    waits = [f"{wait:g} s" for wait in mail.WAITS]
    for said in (
        f"{round(codes.LIFETIME / 60)} minutes",
        f"{round(codes.PAUSE)} s are not over",
        f"{codes.HOURLY} were sent within the hour",
        f"{codes.TRIES} wrong ones were tried",
        f"has to wait {round(codes.FIRST_LOCK / 60)} minutes, after the next five {round(codes.FIRST_LOCK / 30)}",
        f"go {verification.HOURLY_PER_ADDRESS} codes in an hour",
        f"{VerificationSettings().per_peer} in ten minutes",
        f"after {waits[0]}, {waits[1]} and {waits[2]}",
        f"up to {round(codes.LONGEST_VALID / 86_400)} days",
    ):
        assert said in text, said
    assert (codes.LONGEST_LOCK, handles.LIFETIME) == (86_400.0, 1800.0)  # a day, half an hour


def test_both_pages_say_what_a_code_by_mail_is_not() -> None:
    for page in (PAGE, SECURITY):
        assert "NIST SP 800-63B-4" in page.read_text()
        assert "authenticator" in page.read_text()
