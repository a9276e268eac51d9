"""Extractors find one value in a token endpoint's reply. The family's table."""

from typing import Annotated, Final

from pydantic import AfterValidator

from proxy.core.kinds import OneOf, Table
from proxy.extractors.alternatives import Alternatives
from proxy.extractors.base import Extractor, ExtractorSettings
from proxy.extractors.cookie import Cookie
from proxy.extractors.form import Form
from proxy.extractors.header import Header
from proxy.extractors.json import Json
from proxy.extractors.text import Text
from proxy.extractors.xml import Xml

KINDS: Final[Table[type[Extractor]]] = Table(
    "proxy.extractors",
    {"json": Json, "xml": Xml, "form": Form, "text": Text, "header": Header, "cookie": Cookie},
)

Places = ExtractorSettings | tuple[ExtractorSettings, ...]
"""Where one value may stand: one place, or several in the order in which they are asked."""


def default_last(places: Places) -> Places:
    """Return the places.

    Raises:
        ValueError: one before the last has a default, so that those behind it would never be asked.
    """
    if isinstance(places, tuple) and any(place.default is not None for place in places[:-1]):
        raise ValueError("a default ends the search: give it to the last of the alternatives")
    return places


AnyExtractor = Annotated[Places, OneOf(KINDS, told_apart_by="from", or_several=True), AfterValidator(default_last)]
"""A settings field that takes any extractor, or a list of alternatives."""


def make_extractor(settings: Places) -> Extractor:
    """Return the extractor that these settings describe."""
    if isinstance(settings, tuple):
        return Alternatives([make_extractor(one) for one in settings])
    return KINDS[settings.from_](settings)
