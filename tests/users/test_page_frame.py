"""The frame of all pages lets in what stands in it, and nothing else, and says first what went wrong."""

import re

from proxy.users.page_frame import STYLE, digest, framed


def test_a_page_is_allowed_its_own_style_and_nothing_else() -> None:
    answer = framed("Title", "<p>Text</p>")
    policy = dict(one.split(" ", 1) for one in answer.headers["Content-Security-Policy"].split("; "))
    assert policy == {
        "default-src": "'none'",
        "frame-ancestors": "'none'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "style-src": digest(STYLE),
    }
    assert f"<style>{STYLE}</style>".encode() in answer.body


def test_forms_and_a_script_are_let_in_when_they_are_named() -> None:
    policy = framed("Title", "", forms="'self'", script=digest("go()")).headers["Content-Security-Policy"]
    assert "form-action 'self'" in policy
    assert f"script-src {digest('go()')}" in policy


def test_a_digest_is_written_as_policies_want_it() -> None:
    # SHA-256 of nothing, in base64
    assert digest("") == "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"


def test_what_went_wrong_stands_in_the_title_and_before_all_else() -> None:
    html = framed("Title", "<p>Text</p>", problem="<b>No", status=403).body.decode()
    assert "<title>Error: Title</title>" in html
    assert re.search(r'</h1>\n<p class="alarm" role="alert" id="problem">&lt;b&gt;No</p>\n<p>Text', html)
    assert "Error" not in framed("Title", "").body.decode()


def test_a_title_is_text_and_stands_twice() -> None:
    html = framed("A <b>", "", head='<meta name="x">\n').body.decode()
    assert html.count("A &lt;b&gt;") == 2
    assert '<meta name="x">\n<title>' in html


def test_our_own_forms_say_where_they_come_from() -> None:
    assert framed("Title", "", status=400).headers["Referrer-Policy"] == "same-origin"
    assert framed("Title", "", status=400).status == 400
