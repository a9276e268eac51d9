"""The pages say what is meant, show strangers little, and run nothing but what stands in them."""

import base64
import hashlib
import re

import pytest

from proxy.users import login_pages
from proxy.users.login_pages import Question, masked, masked_email, masked_name
from proxy.users.portal import Answer
from proxy.users.registry import User

ANN = User("ann-1", "annabel@mail.example", "Annabel Lee")
QUESTION = Question("The <Drive>", ANN, "", "t1cket", "t0ken", "https://app.example/?a=1&b=2")


def text(answer: Answer) -> str:
    return answer.body.decode()


def policy(answer: Answer) -> str:
    return answer.headers["Content-Security-Policy"]


def test_the_question_names_the_service_and_whose_access_it_is() -> None:
    page = text(login_pages.asking(QUESTION))
    assert "<title>Sign in to The &lt;Drive&gt;?</title>" in page
    assert "An… Le…, an…@mail.example" in page
    assert "Annabel" not in page
    assert 'name="return_to" value="https://app.example/?a=1&amp;b=2"' in page
    assert "Somebody else" not in page


@pytest.mark.parametrize(
    ("user", "shown"),
    [(User("ann-1"), "an…"), (User("zq"), "z…"), (None, "everybody"), (User("x-1", name="Bo"), "B…")],
)
def test_of_whom_little_is_known_little_is_shown(user: User | None, shown: str) -> None:
    page = text(login_pages.asking(Question("Drive", user, "", "t", "k")))
    assert f"<dd>{shown}" in page
    assert user is None or user.id not in page


def test_a_browser_of_somebody_else_is_warned_of_and_an_operator_is_named() -> None:
    page = text(login_pages.asking(Question("Drive", None, "ops", "t", "k", is_another=True)))
    assert "Somebody else has signed in" in page
    assert "<dd>ops</dd>" in page


@pytest.mark.parametrize(
    ("given", "shown"), [("", "…"), ("a", "a…"), ("ab", "a…"), ("abc", "ab…"), ("abcdefgh", "ab…")]
)
def test_a_mask_leaves_the_beginning(given: str, shown: str) -> None:
    assert masked(given) == shown


def test_names_and_addresses_keep_what_their_owner_knows_them_by() -> None:
    assert masked_name("Ada  King Lovelace") == "Ad… Ki… Lo…"
    assert masked_email("ada@mail.example") == "ad…@mail.example"
    assert masked_email('"a@b"@mail.example') == '"a…@mail.example'


def test_a_page_that_leads_on_shows_its_address_safely() -> None:
    page = text(login_pages.leaving("Drive", 'https://login.example/?a=1&b="><script>'))
    assert page.count("https://login.example/?a=1&amp;b=&quot;&gt;&lt;script&gt;") == 2
    assert "<script>" not in page
    assert "url=https://app.example/&quot;" in text(login_pages.going_back('https://app.example/"'))
    assert "refresh" not in text(login_pages.signed_in())


def test_a_refusal_says_why_and_leads_back() -> None:
    answer = login_pages.refused("No <such> thing.", return_to="https://app.example/x", status=403)
    assert answer.status == 403
    assert "No &lt;such&gt; thing." in text(answer)
    assert ">Back to https://app.example<" in text(answer)
    assert "<a " not in text(login_pages.refused("No."))


@pytest.mark.parametrize(
    "answer",
    [
        login_pages.asking(QUESTION),
        login_pages.leaving("Drive", "https://login.example/"),
        login_pages.signed_in(),
        login_pages.going_back("https://app.example/"),
        login_pages.refused("No."),
        login_pages.fragment(),
    ],
)
def test_nothing_runs_and_nothing_is_styled_but_what_stands_there(answer: Answer) -> None:
    page = text(answer)
    for tag, directive in (("style", "style-src"), ("script", "script-src")):
        found = re.findall(f"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        hashes = [f"'sha256-{base64.b64encode(hashlib.sha256(one.encode()).digest()).decode()}'" for one in found]
        assert (f"{directive} {' '.join(hashes)}" in policy(answer)) if found else (directive not in policy(answer))
    assert "default-src 'none'" in policy(answer)
    assert "unsafe" not in policy(answer)
    assert not re.search(r'\son[a-z]+="|style="|src="|href="http:', page)
    assert ("form-action 'self'" in policy(answer)) is ("<form" in page)
    assert '<html lang="en">' in page
    assert page.count("<h1>") == 1
