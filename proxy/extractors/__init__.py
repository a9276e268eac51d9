"""Extractors find one value in a token endpoint's reply. The family's table."""

from typing import Annotated, Final

from proxy.core.kinds import OneOf, Table
from proxy.extractors.base import Extractor, ExtractorSettings
from proxy.extractors.header import Header
from proxy.extractors.json import Json
from proxy.extractors.text import Text

KINDS: Final[Table[type[Extractor]]] = Table("proxy.extractors", {"json": Json, "header": Header, "text": Text})

AnyExtractor = Annotated[ExtractorSettings, OneOf(KINDS, told_apart_by="from")]
"""A settings field that takes any extractor."""


def make_extractor(settings: ExtractorSettings) -> Extractor:
    """Return the extractor that these settings describe."""
    return KINDS[settings.from_](settings)
