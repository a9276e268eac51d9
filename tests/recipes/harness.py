"""Runs an example of `config/examples` as it stands, but for the addresses, in the real process before a stand-in.

A recipe says what the example is given: values for `${env:…}`, files for `${file:/run/secrets/…}`, and where the
vendor's addresses lead instead. In a test:

    async with Zoom() as zoom, running(recipe(zoom)) as example:
        answer = await example.ask("/zoom/users/me")

`explained` leaves the addresses as they are, and returns what `countersign explain` prints.
"""

import json
import re
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import aiohttp
from click.testing import CliRunner
from multidict import CIMultiDictProxy

from proxy import cli
from tests.fakes.process import Swift
from tests.fakes.vendors.vendor import Vendor

EXAMPLES: Final = Path(__file__).parents[2] / "config" / "examples"
SECRETS: Final = "/run/secrets/"
_CREDENTIAL: Final = re.compile(
    r"^( +)kind: (?:http_request|workflow|client_credentials|password|refresh_token|jwt_bearer|token_exchange)\b.*\n"
    r"(?!\1allow_plain_http)",
    re.MULTILINE,
)
"""Where a credential says its kind, and not next that it may go by plain http."""


@dataclass(frozen=True)
class Recipe:
    """An example, and what it is given."""

    name: str
    """Of the file, without its ending."""
    environment: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    """What stands in the files below /run/secrets/."""
    addresses: Mapping[str, str] = field(default_factory=dict)
    """What stands in the example, and what stands there in its place."""

    @property
    def path(self) -> Path:
        """Return the example itself."""
        return EXAMPLES / f"{self.name}.yaml"

    def text(self) -> str:
        """Return the example with the stand-in's addresses, which are plain http."""
        text = self.path.read_text()
        for there, here in self.addresses.items():
            assert there in text, f"{self.name} does not mention {there}"
            text = text.replace(there, here)
        return _CREDENTIAL.sub(r"\g<0>\1allow_plain_http: true\n", text).replace(SECRETS, "")

    def put_files(self, folder: Path) -> None:
        """Write the files below that folder."""
        for name, content in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)

    def given(self, *, files: Mapping[str, str] | None = None, **environment: str) -> "Recipe":
        """Return the same with other values: a wrong secret, say."""
        return replace(self, environment={**self.environment, **environment}, files={**self.files, **(files or {})})


@dataclass(frozen=True)
class Answer:
    """What came through Countersign."""

    status: int
    headers: CIMultiDictProxy[str]
    body: bytes

    @property
    def document(self) -> Any:
        """The body, which is JSON."""
        return json.loads(self.body)


class Example(Swift):
    """The process with the example, its files beside it."""

    start_limit = 60.0

    def __init__(self, recipe: Recipe, *, expected_errors: tuple[str, ...] = ()) -> None:
        super().__init__(recipe.text(), expected_errors=expected_errors, environment=recipe.environment)
        recipe.put_files(self.config_file.parent)

    async def ask(self, path: str, method: str = "GET", **options: Any) -> Answer:
        """Send a request through it, as a caller without credentials."""
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, self.url + path, allow_redirects=False, **options) as answer,
        ):
            return Answer(answer.status, answer.headers, await answer.read())

    def write_config(self, config: str) -> None:
        """Write it with listeners and admin key; with a store, unless it has one itself."""
        super().write_config(config)
        if re.search(r"^store:", config, re.MULTILINE):
            text = self.config_file.read_text().replace(f"\nstore: {self.store}\n", "\n", 1)
            self.config_file.write_text(text)


@asynccontextmanager
async def running(recipe: Recipe, *, expected_errors: tuple[str, ...] = ()) -> AsyncIterator[Example]:
    """Start Countersign with the recipe's example."""
    async with Example(recipe, expected_errors=expected_errors) as example:
        yield example


def explained(recipe: Recipe, method: str, url: str, *headers: str) -> str:
    """Return what `countersign explain` prints of the example with its own addresses, once its secrets are there."""
    options = [option for header in headers for option in ("--header", header)]
    with tempfile.TemporaryDirectory(prefix="countersign-") as folder:
        recipe.put_files(Path(folder))
        copy = Path(folder) / recipe.path.name
        copy.write_text(recipe.path.read_text().replace(SECRETS, ""))
        command = ["explain", method, url, "--config", str(copy), *options]
        called = CliRunner().invoke(cli.main, command, env=dict(recipe.environment))
    assert called.exit_code == 0, called.output
    return called.output


async def renews(example: Example, vendor: Vendor, path: str, **options: Any) -> Answer:
    """Ask, let the vendor take its tokens back, and ask again: both are answered 200. Returns the second answer.

    A vendor that takes a token back refuses it once, so one more token was issued for the second request.
    """
    first = await example.ask(path, **options)
    assert first.status == 200, (first.status, first.body, example.story())
    before, replays = len(vendor.issued), await _replays(example)
    vendor.revoke_all()
    second = await example.ask(path, **options)
    assert second.status == 200, (second.status, second.body, example.story())
    assert len(vendor.issued) == before + 1
    assert await _replays(example) == replays + 1
    return second


async def _replays(example: Example) -> float:
    return (await example.metrics()).of("countersign_replays_total", outcome="succeeded")


async def refused(recipe: Recipe, path: str) -> tuple[str, str]:
    """Ask with the example of a recipe whose secrets are wrong; return the error's code and its reason."""
    async with running(recipe, expected_errors=("refresh_failed", "credential_needs_person")) as example:
        answer = await example.ask(path)
    problem = answer.document
    assert (answer.status, problem["status"]) == (502, 502)
    secrets = [value for value in (*recipe.environment.values(), *recipe.files.values()) if len(value) > 5]
    assert not any(value in answer.body.decode() for value in secrets)
    return str(problem["type"]).rpartition("/")[2], str(problem["reason"])
