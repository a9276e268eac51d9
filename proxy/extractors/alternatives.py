"""Several places for one value: the first that has something wins."""

from collections.abc import Sequence

from proxy.core.message import Reply
from proxy.extractors.base import ExtractError, Extractor, FormatError, Found, NotFoundError, is_blank


class Alternatives(Extractor):
    """Extractors in the order in which they are asked."""

    def __init__(self, places: Sequence[Extractor]) -> None:
        self.places = places
        self.place = " or ".join(one.place for one in places)
        self._default = None

    def find(self, reply: Reply) -> Found:
        """Return what the first place has that has something."""
        return self.first(reply)[2]

    def found(self, reply: Reply) -> tuple[str, Found]:
        """Return which place has something, and what."""
        _, place, found = self.first(reply)
        return place, found

    def first(self, reply: Reply) -> tuple[Extractor, str, Found]:
        """Return the first extractor that finds something, where, and what it is.

        Raises:
            NotFoundError: none does; the message names every place.
            FormatError: the body is in none of the formats that are looked into.
            ExtractError: the first place that has something has several things, or no text or number.
        """
        errors: list[ExtractError] = []
        for one in self.places:
            try:
                place, found = one.found(reply)
            except (NotFoundError, FormatError) as error:
                errors.append(error)
                continue
            if not is_blank(found):
                return one, place, found
            errors.append(NotFoundError(f"an empty text stands at {place}"))
        said = "; ".join(dict.fromkeys(map(str, errors)))
        raise (FormatError if all(isinstance(error, FormatError) for error in errors) else NotFoundError)(said)
