import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ADR = ROOT / "docs" / "adr"
PAGES = sorted((*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("deploy/**/*.md")))
DECISIONS = sorted(ADR.glob("[0-9]*.md"))
_LINK = re.compile(r"\]\(([^)\s]+)\)")


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def anchors(page: Path) -> set[str]:
    """Return what a link can point at within a page: its headings, spelled as renderers spell them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    for link in _LINK.findall(page.read_text()):
        if link.startswith(("https://", "http://")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_the_index_lists_every_decision_under_its_title() -> None:
    listed = dict(re.findall(r"^\| \[\d{4}\]\((\S+)\) \| (.+?) \|", (ADR / "README.md").read_text(), re.MULTILINE))
    titles = {path.name: path.read_text().partition("\n")[0] for path in DECISIONS}
    assert {name: f"# {name[:4]}: {title}" for name, title in listed.items()} == titles


@pytest.mark.parametrize("page", DECISIONS, ids=named)
def test_a_decision_says_what_else_was_possible_and_what_it_costs(page: Path) -> None:
    text = page.read_text()
    for part in ("- Status: ", "- Date: ", "## Context and problem", "## Options considered", "## Decision"):
        assert f"\n{part}" in text
    assert text.partition("\n## Options considered\n")[2].count("\n2. ") >= 1
    assert text.partition("\n## Consequences\n")[2].count("\n- Bad: ") >= 1
