"""Values in XML bodies."""

import time
from typing import Any, ClassVar
from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from proxy.core.message import Reply
from proxy.extractors.base import ExtractError, FormatError, NotFoundError
from proxy.extractors.xml import DEEPEST, LARGEST, MOST_ELEMENTS, Xml, XmlSettings
from tests.compliance.extractors import ExtractorCompliance, reply_of

SOAP = b"""<?xml version="1.0"?>
<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" xmlns="urn:login" xmlns:o="urn:other">
  <s:Header><token>wrong</token></s:Header>
  <s:Body>
    <loginResponse id="42" o:kind="full">
      <token><!-- secret -->
        a&lt;b&#x41;<![CDATA[<c>]]>
      </token>
      <item><name>first</name></item><other/><item><name>second</name><name>third</name></item>
      <empty/><blank>  </blank>
    </loginResponse>
  </s:Body>
</s:Envelope>"""


class TestXml(ExtractorCompliance):
    word: ClassVar[str] = "xml"
    settings: ClassVar[dict[str, Any]] = {"path": "/session/token"}
    other: ClassVar[bytes] = b"<session><s3cret>s3cret</s3cret></session>"

    def reply(self, value: str) -> Reply:
        return reply_of(f"<session><token>{escape(value)}</token></session>".encode())


def at(path: str) -> Xml:
    return Xml(XmlSettings.model_validate({"from": "xml", "path": path}))


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/Envelope/Body/loginResponse/token", "a<bA<c>"),
        ("/soap:Envelope/soap:Body/loginResponse/token", "a<bA<c>"),
        ("/Envelope/Body/loginResponse/@id", "42"),
        ("/Envelope/Body/loginResponse/@o:kind", "full"),
        ("/Envelope/Body/loginResponse/@kind", "full"),
        ("/Envelope/Body/loginResponse/item[1]/name", "first"),
        ("/Envelope/Body/loginResponse/item[2]/name[2]", "third"),
        ("/Envelope[1]/Header/token", "wrong"),
    ],
)
def test_a_path_names_elements_without_their_namespaces(path: str, found: str) -> None:
    assert at(path).extract(reply_of(SOAP)) == found


@pytest.mark.parametrize(
    "path",
    [
        "/Envelope/token",
        "/Body/loginResponse/token",
        "/envelope/Body/loginResponse/token",
        "/Envelope/Body/loginResponse/empty",
        "/Envelope/Body/loginResponse/blank",
        "/Envelope/Body/loginResponse/@nothing",
        "/Envelope/Body/loginResponse/item[3]/name",
        "/Envelope/Body/loginResponse/token/@id",
    ],
)
def test_where_nothing_stands_nothing_is_found(path: str) -> None:
    with pytest.raises(NotFoundError, match="nothing stands at xml /"):
        at(path).extract(reply_of(SOAP))


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/Envelope/Body/loginResponse/item/name", "3 values stand at"),
        ("/Envelope/Body/loginResponse/item[2]/name", "2 values stand at"),
        ("/Envelope/Body/loginResponse/item[1]", "an element with others in it stands at"),
    ],
)
def test_what_is_not_one_text_is_an_error_that_shows_none(path: str, message: str) -> None:
    with pytest.raises(ExtractError, match=message) as caught:
        at(path).extract(reply_of(SOAP))
    assert not isinstance(caught.value, NotFoundError | FormatError)
    assert "second" not in str(caught.value)


@pytest.mark.parametrize(
    "body",
    [
        "<?xml version='1.0' encoding='iso-8859-1'?><a>ü</a>".encode("latin-1"),
        "<a>ü</a>".encode("utf-16"),
        "\ufeff<a>ü</a>".encode(),
    ],
)
def test_the_encoding_that_the_document_names_is_read(body: bytes) -> None:
    assert at("/a").extract(reply_of(body, ("Content-Type", "text/html"))) == "ü"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{}", "the body is not XML but text/html$"),
        (b"", "the body is not XML but text/html$"),
        (b"<a>s3cret", "the body is not XML but"),
        (b"<a>s3cret</b>", "the body is not XML but"),
        (b"<a>s3cret</a><a/>", "the body is not XML but"),
        (b"<a>\x00</a>", "the body is not XML but"),
        (b"<a b='" + b"x" * LARGEST + b"'/>", "larger than 1024 KiB"),
        (b"<a>" * (DEEPEST + 1) + b"s3cret" + b"</a>" * (DEEPEST + 1), "or 100 in each other"),
        (b"<a>" + b"<b/>" * MOST_ELEMENTS + b"s3cret</a>", "more than 20000 elements"),
        (b"<!DOCTYPE a><a>s3cret</a>", "XML with a DTD, which is not read"),
        (b"<!DOCTYPE a [<!ENTITY b 's3cret'>]><a>&b;</a>", "XML with a DTD, which is not read"),
        (b"<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/hostname'>]><a>&b;</a>", "XML with a DTD"),
    ],
)
def test_what_is_not_plain_xml_within_bounds_is_refused_and_not_shown(body: bytes, message: str) -> None:
    with pytest.raises(FormatError, match=message) as caught:
        at("/a").extract(reply_of(body, ("Content-Type", "text/html")))
    assert "s3cret" not in str(caught.value)


def test_a_body_at_every_bound_is_read_in_time() -> None:
    long = b" xmlns='" + b"n" * (LARGEST // 2) + b"' xmlns:p='" + b"n" * (LARGEST // 4) + b"'"
    long += b"".join(b" p:a%d=''" % number for number in range(8_000))
    body = (
        b"<a%s>" % long
        + b"<a>" * (DEEPEST - 3)
        + b"<b/>" * (MOST_ELEMENTS - DEEPEST)
        + b"<c>x</c>"
        + b"</a>" * (DEEPEST - 2)
    )
    began = time.monotonic()
    assert at("/a" * (DEEPEST - 2) + "/c").extract(reply_of(body)) == "x"
    assert time.monotonic() - began < 2


@pytest.mark.parametrize(
    "path",
    [
        "",
        "token",
        "/",
        "//token",
        "/a//b",
        "/a/",
        "/a[0]",
        "/a[-1]",
        "/a[b]",
        "/@id",
        "/a/@b/c",
        "/*",
        "/a/text()",
        "/1",
    ],
)
def test_a_path_of_more_than_names_is_refused_when_it_is_loaded(path: str) -> None:
    with pytest.raises(ValidationError, match="write it as /Envelope/Body/token"):
        at(path)


TREES = st.recursive(
    st.sampled_from(["x", "", " ", "&lt;", "<!-- c -->"]),
    lambda inner: st.lists(st.tuples(st.sampled_from("ab"), inner), max_size=4).map(
        lambda children: "".join(f"<{name}>{content}</{name}>" for name, content in children)
    ),
    max_leaves=12,
)


@given(TREES, st.sampled_from(["/r", "/r/a", "/r/a/b", "/r/a[2]", "/r/b[1]/a", "/r/a/a/a", "/r[2]"]))
def test_it_finds_what_the_standard_library_finds(tree: str, path: str) -> None:
    import xml.etree.ElementTree as ElementTree  # noqa: PLC0415 - the oracle

    root = ElementTree.fromstring(f"<r>{tree}</r>")
    holder = ElementTree.Element("holder")
    holder.append(root)
    theirs = holder.findall(path.removeprefix("/"))
    texts = [text for element in theirs if (text := (element.text or "").strip())]
    try:
        found = at(path).extract(reply_of(f"<r>{tree}</r>".encode()))
    except ExtractError:
        assert len(texts) != 1 or any(len(element) for element in theirs)
    else:
        assert [found] == texts
