"""What the pages tell a newcomer to do works, with the real processes, as it is written."""

import asyncio
import json
import stat
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from tests.docs.markdown import ROOT
from tests.docs.session import Session
from tests.fakes.process import free_ports, listening

TUTORIAL = ROOT / "docs" / "tutorial" / "first-route.md"
TROUBLES = ROOT / "docs" / "how-to" / "troubleshoot-a-credential.md"


@asynccontextmanager
async def somebodys_api() -> AsyncIterator[str]:
    """Serve the demo API as if it were the newcomer's own."""
    [port] = free_ports(1)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "proxy", "demo", "--listen", f"127.0.0.1:{port}", cwd=ROOT
    )
    try:
        await listening(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        await process.wait()


async def key_of(api: str) -> str:
    """Return a token that the demo API takes."""
    form = {"client_id": "demo", "client_secret": "demo-secret"}
    async with aiohttp.ClientSession() as session, session.post(f"{api}/token", data=form) as answer:
        return str((await answer.json())["access_token"])


async def test_the_readme_leads_to_an_own_route(tmp_path: Path) -> None:
    async with somebodys_api() as api:
        instead = {"https://api.example.com": api, "the-key-of-your-api": await key_of(api)}
        async with Session(tmp_path, instead) as session:
            answer = await session.follow(ROOT / "README.md")
            assert json.loads(answer) == {"hello": "you are signed in"}
    assert '"replayed":true' in session.server_says()


async def test_the_readme_tells_to_type_what_make_run_prints(tmp_path: Path) -> None:
    script = (ROOT / "config" / "quickstart.sh").read_text()
    assert "\n  curl http://127.0.0.1:8080/demo/hello\n" in script
    assert "$ curl http://127.0.0.1:8080/demo/hello\n" in (ROOT / "README.md").read_text()
    assert "\nrun: .venv/.run\n\t@config/quickstart.sh\n" in (ROOT / "Makefile").read_text()


async def test_the_quickstart_seals_what_it_keeps_with_a_key_of_its_own_that_stays(tmp_path: Path) -> None:
    page, kept = tmp_path / "page.md", tmp_path / "config" / ".run"
    answer = '{"hello": "you are signed in"}'
    page.write_text(f"```console\n$ make run\n$ curl http://127.0.0.1:8080/demo/hello\n{answer}\n```\n")
    async with Session(tmp_path, {}) as session:
        await session.follow(page)
        key = (kept / "seal-key").read_bytes()
        files = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (kept, *kept.iterdir())}
        assert files.pop(".run") == 0o700
        assert {"seal-key", "countersign.db"} <= files.keys()
        assert set(files.values()) == {0o600}
        await session.follow(page)
        assert (kept / "seal-key").read_bytes() == key
    told = session.server_says()
    assert told.count('"reason":"first"') == 1, "the second start did not find the token of the first"
    assert '"event":"token_rejected","credential":"demo","generation":1' in told, "the demo API knows none of before"
    assert ".run/" in (ROOT / ".gitignore").read_text().splitlines()


async def test_the_tutorial_works_from_top_to_bottom(tmp_path: Path) -> None:
    async with Session(tmp_path, {}) as session:
        answer = await session.follow(TUTORIAL)
        assert json.loads(answer) == {"hello": "you are signed in"}
    told = session.server_says()
    for event in ("token_fetched", "token_rejected", "config_reloaded"):
        assert f'"event":"{event}"' in told
    assert '"replayed":true' in told


async def test_the_example_of_a_wrong_path_is_diagnosed_as_shown(tmp_path: Path) -> None:
    async with Session(tmp_path, {}) as session:
        await session.follow(TROUBLES)
        assert "countersign test billing --config countersign.yaml" in session.typed
