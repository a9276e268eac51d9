"""The pages themselves: found from the index, within the width of a page, without a loud voice."""

import re
from pathlib import Path

import pytest

from docs.wrapping import WIDTH
from tests.docs.markdown import PAGES, ROOT

INDEX = ROOT / "docs" / "README.md"
_CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)


def named(page: Path) -> str:
    return str(page.relative_to(ROOT))


def test_the_index_leads_to_every_page() -> None:
    text = INDEX.read_text() + (ROOT / "docs" / "adr" / "README.md").read_text()
    links = {link.partition("#")[0].removeprefix("adr/") for link in re.findall(r"\]\(([^)]+)\)", text)}
    pages = {page.relative_to(INDEX.parent).as_posix().removeprefix("adr/") for page in PAGES[1:] if page != INDEX}
    assert pages - links == set()


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_lines_stay_within_the_width(page: Path) -> None:
    rows = [line for line in page.read_text().splitlines() if not line.startswith("|")]
    assert [line for line in rows if len(line) > WIDTH] == []


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_nothing_is_shouted(page: Path) -> None:
    assert "!" not in _CODE.sub("", page.read_text()).replace("<!--", "")


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_a_page_begins_with_its_title(page: Path) -> None:
    assert page.read_text().startswith("# ")
