"""Finds a value in an XML body by a path of names, without building a tree of it.

A path is a small part of XPath: `/Envelope/Body/token`, `/list/item[2]/token`, `/session/@id`. Names are compared
without their namespaces, which the parser does not resolve: a long one would stand in every name anew. A body with a
DTD is refused, and so are entities with it: they are how a short document becomes a large one, and how it asks for
files. Depth, size and number of elements are bounded.
"""

import re
from typing import Annotated, Final, Literal, NamedTuple
from xml.sax import SAXException
from xml.sax.handler import ContentHandler
from xml.sax.xmlreader import AttributesImpl

from defusedxml import DefusedXmlException
from defusedxml.expatreader import create_parser
from pydantic import AfterValidator, Field

from proxy.core.message import Reply
from proxy.extractors.base import ExtractError, Extractor, ExtractorSettings, FormatError, NotFoundError

DEEPEST: Final = 100
"""Elements within each other."""
MOST_ELEMENTS: Final = 20_000
LARGEST: Final = 1024 * 1024
"""Bytes of a body."""

_NAME: Final = r"(?:[^\W\d][\w.-]*:)?[^\W\d][\w.-]*"
_PATH: Final = re.compile(rf"(?:/{_NAME}(?:\[[1-9][0-9]{{0,5}}\])?){{1,{DEEPEST}}}(?:/@{_NAME})?")
_STEP: Final = re.compile(r"/(@?)(?:[^/:\[]+:)?([^/:\[]+)(?:\[([0-9]+)\])?")
_REMEDY: Final = "write it as /Envelope/Body/token, /list/item[1]/token or /session/@id"


class Step(NamedTuple):
    """One name of a path."""

    name: str
    position: int | None = None
    """Counted from 1 among its parent's children of that name; None: any."""


def _checked(path: str) -> str:
    if not _PATH.fullmatch(path):
        raise ValueError(f"{path!r} is not a path to a value; {_REMEDY}")
    return path


class XmlSettings(ExtractorSettings):
    """A value in an XML body."""

    from_: Literal["xml"] = Field(alias="from")
    """Look into the body, which is XML whatever its Content-Type says."""
    path: Annotated[str, AfterValidator(_checked)]
    """The names of the elements from the root, such as `/Envelope/Body/token`; an attribute last: `/session/@id`."""


class Xml(Extractor):
    """One place in an XML document."""

    Settings = XmlSettings

    def __init__(self, settings: XmlSettings) -> None:
        super().__init__(settings)
        steps = [(mark, Step(name, int(at) if at else None)) for mark, name, at in _STEP.findall(settings.path)]
        self._steps = tuple(step for mark, step in steps if not mark)
        self._attribute = next((step.name for mark, step in steps if mark), None)
        self.place = f"xml {settings.path}"

    def find(self, reply: Reply) -> str:
        """Return the text of the element, without the white space around it, or of the attribute."""
        search = _Search(self._steps, self._attribute)
        _parse(reply, search)
        found = [text for text in search.found if text]
        if not found:
            raise NotFoundError(f"nothing stands at {self.place}")
        if len(found) > 1:
            raise ExtractError(f"{len(found)} values stand at {self.place}, not one")
        if search.is_parent:
            raise ExtractError(f"an element with others in it stands at {self.place}, not a text")
        return found[0]


class _TooMuchError(Exception):
    """The document is over a bound."""


class _Search(ContentHandler):
    """Follows a path while a document is parsed. What has been passed is forgotten."""

    def __init__(self, steps: tuple[Step, ...], attribute: str | None) -> None:
        super().__init__()
        self.found: list[str] = []
        self.is_parent = False
        """True: there are elements in one that was found."""
        self._steps = steps
        self._attribute = attribute
        self._depth = 0
        self._matched = 0
        """How many elements, from the root to the one that is open, are those of the path."""
        self._counts = [0] * len(steps)
        """How many children of the path's name there have been so far, at each depth."""
        self._text: list[str] = []
        self._elements = 0

    def startElement(self, name: str, attrs: "AttributesImpl[str]") -> None:  # noqa: N802 - SAX calls it so
        self._elements += 1
        self._depth += 1
        if self._depth > DEEPEST or self._elements > MOST_ELEMENTS:
            raise _TooMuchError
        at = self._depth - 1
        if self._matched == len(self._steps):
            self.is_parent = self.is_parent or self._attribute is None
        elif self._matched == at and _local(name) == self._steps[at].name:
            self._counts[at] += 1
            if self._steps[at].position in (None, self._counts[at]):
                self._enter(attrs)

    def _enter(self, attributes: "AttributesImpl[str]") -> None:
        self._matched += 1
        if self._matched < len(self._steps):
            self._counts[self._matched] = 0
        elif self._attribute is not None:
            self.found += [value for name, value in attributes.items() if _local(name) == self._attribute]

    def characters(self, content: str) -> None:
        if self._matched == len(self._steps) and self._attribute is None:
            self._text.append(content)

    def endElement(self, name: str) -> None:  # noqa: N802 - SAX calls it so
        if self._matched == self._depth:
            if self._matched == len(self._steps) and self._attribute is None:
                self.found.append("".join(self._text).strip())
                self._text.clear()
            self._matched -= 1
        self._depth -= 1


def _local(name: str) -> str:
    return name.rpartition(":")[2]


def _parse(reply: Reply, search: _Search) -> None:
    """Parse the body, in the encoding that it names.

    Raises:
        FormatError: it is not XML, or more or deeper than is read, or it has a DTD.
    """
    if len(reply.body) > LARGEST:
        raise FormatError(f"the body is larger than {LARGEST // 1024} KiB")
    parser = create_parser(forbid_dtd=True)
    parser.setContentHandler(search)
    try:
        parser.feed(reply.body)
        parser.close()
    except _TooMuchError:
        raise FormatError(f"the body has more than {MOST_ELEMENTS} elements, or {DEEPEST} in each other") from None
    except DefusedXmlException:
        raise FormatError("the body is XML with a DTD, which is not read") from None
    except (SAXException, ValueError, LookupError):
        raise FormatError(f"the body is not XML but {reply.media_type}") from None
