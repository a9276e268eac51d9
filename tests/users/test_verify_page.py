"""The page is sound HTML that can be used without scripts, with a keyboard, and by ear."""

import base64
import hashlib
import re
from html import unescape
from html.parser import HTMLParser
from urllib.parse import parse_qs

import pytest

from proxy.users.portal import Answer
from proxy.users.verify_page import View, asking, broken, done, entering

VIEW = View("a-handle", "a-token", "billing", "https://app.example/x")
PAGES = {
    "asking": asking(VIEW),
    "asking again": asking(VIEW, problem="No.", status=429),
    "entering": entering(VIEW),
    "entering again": entering(VIEW, problem="No.", status=403, is_wrong=True),
    "entering later": entering(VIEW, problem="Wait.", status=429),
    "entering another": entering(VIEW, is_another=True),
    "done": done(),
    "broken": broken("No."),
}
VOID = {"meta", "input"}


class Tree(HTMLParser):
    """Every element that was opened, in its order; whatever is opened is closed."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self._open: list[str] = []
        self.feed(answer.body.decode())
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        assert len(dict(attrs)) == len(attrs)
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def of(self, tag: str) -> list[dict[str, str | None]]:
        """Return the attributes of all elements of that name."""
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.mark.parametrize("answer", PAGES.values(), ids=PAGES)
def test_a_page_has_a_language_a_title_one_heading_and_fits_narrow_screens(answer: Answer) -> None:
    tree = Tree(answer)
    assert tree.of("html") == [{"lang": "en"}]
    assert [len(tree.of(tag)) for tag in ("title", "h1", "main")] == [1, 1, 1]
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in tree.of("meta")
    ids = [attributes["id"] for _, attributes in tree.elements if "id" in attributes]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("answer", PAGES.values(), ids=PAGES)
def test_a_page_runs_nothing_loads_nothing_and_its_style_is_the_one_that_is_allowed(answer: Answer) -> None:
    policy = answer.headers["Content-Security-Policy"]
    (style,) = re.findall(r"<style>(.*?)</style>", answer.body.decode(), re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in policy
    assert "script-src" not in policy
    tree = Tree(answer)
    assert not {"script", "link", "img", "iframe"} & {tag for tag, _ in tree.elements}
    assert not [attributes for _, attributes in tree.elements if any(name.startswith("on") for name in attributes)]
    assert not [attributes for _, attributes in tree.elements if "style" in attributes]


def test_the_field_for_the_code_is_labelled_and_helped() -> None:
    tree = Tree(PAGES["entering again"])
    (field,) = [one for one in tree.of("input") if one.get("type") == "text"]
    assert (
        field.items()
        >= {
            "id": "code",
            "name": "code",
            "inputmode": "numeric",
            "autocomplete": "one-time-code",
            "aria-describedby": "hint problem",
            "aria-invalid": "true",
        }.items()
    )
    assert "required" in field
    assert tree.of("label") == [{"for": "code"}]
    described = {attributes.get("id") for attributes in tree.of("p")}
    assert {"hint", "problem"} <= described
    assert [one for one in tree.of("p") if one.get("role") == "alert"]


def test_who_tabs_through_meets_the_field_then_its_button_then_the_other() -> None:
    order = [
        attributes.get("value") or attributes.get("name")
        for tag, attributes in Tree(PAGES["entering"]).elements
        if tag == "button" or (tag == "input" and attributes.get("type") != "hidden")
    ]
    assert order == ["code", "check", "again"]


def test_a_field_that_is_not_at_fault_is_not_called_wrong() -> None:
    for name in ("entering", "entering later", "entering another"):
        (field,) = [one for one in Tree(PAGES[name]).of("input") if one.get("type") == "text"]
        assert "aria-invalid" not in field
    assert [one for one in Tree(PAGES["entering another"]).of("p") if one.get("role") == "status"]


def test_who_has_a_code_already_finds_the_field_for_it() -> None:
    ((href, text),) = re.findall(r'<a href="([^"]*)">([^<]*)</a>', PAGES["asking again"].body.decode())
    assert text == "I have a code already"
    path, _, query = unescape(href).partition("?")
    assert (path, parse_qs(query)) == (
        "verify",
        {"handle": ["a-handle"], "return_to": ["https://app.example/x"], "sent": ["1"]},
    )


@pytest.mark.parametrize("name", ["asking", "entering"])
def test_every_form_is_posted_and_carries_what_ties_it_to_the_link(name: str) -> None:
    tree = Tree(PAGES[name])
    assert {(one["method"], one["action"]) for one in tree.of("form")} == {("post", "verify")}
    hidden = [(one["name"], one["value"]) for one in tree.of("input") if one.get("type") == "hidden"]
    ties = [("handle", "a-handle"), ("token", "a-token"), ("return_to", "https://app.example/x")]
    assert hidden == ties * len(tree.of("form"))


def test_what_is_shown_is_escaped() -> None:
    odd = View('"><b>', "'\"><b>", "<b>", "https://app.example/?\"'><b>")
    for answer in (asking(odd, problem="<b>"), entering(odd, problem="<b>"), broken("<b>")):
        assert "<b>" not in answer.body.decode()
        assert Tree(answer).of("b") == []


def test_forms_lead_here_and_to_where_the_browser_goes_afterwards() -> None:
    assert "form-action 'self' https://app.example" in PAGES["asking"].headers["Content-Security-Policy"]
    policy = asking(View("a", "b", "c")).headers["Content-Security-Policy"]
    assert re.search(r"form-action 'self'(;|$)", policy)


def test_browsers_say_of_our_own_forms_where_they_come_from() -> None:
    assert {answer.headers["Referrer-Policy"] for answer in PAGES.values()} == {"same-origin"}


def test_a_problem_stands_in_the_title_and_in_the_status() -> None:
    assert PAGES["entering again"].status == 403
    assert b"<title>Error: Type the code</title>" in PAGES["entering again"].body
    assert b"Error:" not in PAGES["entering"].body
