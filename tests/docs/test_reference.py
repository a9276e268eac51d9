"""The generated reference is what the code says now, and covers all of it."""

import json
import os
import re
from pathlib import Path

import pytest

from docs.blocks import event_meanings
from docs.generate import blocks, named_in, pages, written
from proxy.core.errors import ProxyError, Reason
from proxy.telemetry.events import EventName
from proxy.telemetry.logs import configure
from tests.docs.markdown import ROOT
from tests.fakes.clock import FakeClock

REFERENCE = ROOT / "docs" / "reference"
REMEDY = "the code has changed; run `make docs`"


@pytest.mark.parametrize("page", list(pages()), ids=lambda page: page.name)
def test_a_generated_page_is_what_the_code_says_now(page: Path) -> None:
    text = page.read_text()
    assert written(text, blocks()) == text, REMEDY


def test_everything_that_can_be_generated_stands_on_one_page() -> None:
    asked = [name for page in pages() for name in named_in(page.read_text())]
    assert sorted(asked) == sorted(blocks()), "a block is missing, or stands twice"


def test_every_error_has_a_section_under_its_code() -> None:
    sections = re.findall(r"^## (\S+)$", (REFERENCE / "errors.md").read_text(), re.MULTILINE)
    assert sections == [error.code for error in ProxyError.__subclasses__()]


def test_the_errors_name_every_reason_for_a_missing_token() -> None:
    reasons = re.findall(r"^\| `(\w+)` \|", (REFERENCE / "errors.md").read_text(), re.MULTILINE)
    assert reasons == [reason.value for reason in Reason]


def test_an_event_is_described_if_and_only_if_something_records_it() -> None:
    sources = [path for path in (ROOT / "proxy").rglob("*.py") if path.name != "events.py"]
    recorded = {name for path in sources for name in re.findall(r"\bEventName\.([A-Z_]+)", path.read_text())}
    assert recorded <= EventName.__members__.keys()
    assert set(event_meanings()) == recorded


def test_the_log_of_a_request_has_the_documented_fields() -> None:
    receiver, sender = os.pipe()
    with os.fdopen(receiver) as lines, os.fdopen(sender, "w") as stream:
        logs = configure(stream, clock=FakeClock())
        logs.requests.write(
            request_id="1",
            route=None,
            caller=None,
            status=200,
            duration=0.1,
            upstream=None,
            credential=None,
            generation=None,
            reason=None,
            replayed=False,
        )
        logs.close()
        line = json.loads(lines.readline())
    page = (REFERENCE / "logs.md").read_text()
    assert re.findall(r"^\| `(\w+)` \|", page.partition("### Reasons")[0], re.MULTILINE) == list(line)
    [example] = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    assert list(json.loads(example)) == list(line)
