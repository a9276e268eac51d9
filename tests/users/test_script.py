"""The script is served to pages of any origin, is cached by its hash, is small, and is the one that npm gets."""

import base64
import gzip
import hashlib
import json
from pathlib import Path
from typing import Final

import pytest

from proxy.users.portal import SAFE, Answer, Call, Portal
from proxy.users.script import script_entries
from tests.fakes.heads import head_of

CLIENT: Final = Path(__file__).parents[2] / "clients" / "js"
SERVED: Final = Path(__file__).parents[2] / "proxy" / "users" / "countersign.js"
SMALL: Final = 3000
"""Bytes, compressed."""
PORTAL: Final = Portal(script_entries(), "https://proxy.example", ("https://app.example",))


async def served(path: str = "countersign.js", method: str = "GET", **headers: str) -> Answer:
    lines = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return await PORTAL.answer(Call(head_of(f"/.countersign/{path}", method=method, headers=lines)))


def test_the_script_is_the_one_of_the_package_for_npm_byte_by_byte() -> None:
    assert SERVED.read_bytes() == (CLIENT / "countersign.js").read_bytes()


def test_the_script_is_small() -> None:
    assert len(gzip.compress(SERVED.read_bytes(), 9)) < SMALL


def test_the_package_for_npm_is_whole_and_needs_no_other() -> None:
    package = json.loads((CLIENT / "package.json").read_text())
    assert not {"dependencies", "peerDependencies"} & package.keys()
    for name in (*package["files"], package["main"], package["types"], "README.md", "LICENSE"):
        assert (CLIENT / name).is_file()


@pytest.mark.parametrize("origin", ["https://app.example", "https://anything.example", "null"])
async def test_pages_of_any_origin_get_it(origin: str) -> None:
    answer = await served(Origin=origin)
    assert (answer.status, answer.body) == (200, SERVED.read_bytes())
    assert answer.headers["Content-Type"].startswith("text/javascript")
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert answer.headers["X-Content-Type-Options"] == SAFE["X-Content-Type-Options"]
    assert "public" in answer.headers["Cache-Control"]


async def test_who_has_it_is_told_that_it_is_the_same() -> None:
    tag = (await served()).headers["ETag"]
    for known in (tag, f"W/{tag}", f'"other", {tag}'):
        answer = await served(If_None_Match=known)
        assert (answer.status, answer.body, answer.headers["ETag"]) == (304, b"", tag)
    assert (await served(If_None_Match='"other"')).status == 200


async def test_a_page_can_say_which_script_it_expects() -> None:
    told = json.loads((await served("integrity")).body)
    digest = base64.b64encode(hashlib.sha384(SERVED.read_bytes()).digest()).decode()
    assert told == {"countersign.js": f"sha384-{digest}"}
