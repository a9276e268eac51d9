"""Finds a value in a JSON body by its JSONPath."""

import json
from typing import Annotated, Any, Literal, NoReturn

from pydantic import AfterValidator, Field

from proxy.core.json_path import JsonPath
from proxy.core.message import Reply
from proxy.extractors.base import (
    BooleanError,
    ExtractError,
    Extractor,
    ExtractorSettings,
    FormatError,
    Found,
    NotFoundError,
)


def _checked(path: str) -> str:
    JsonPath(path)
    return path


class JsonSettings(ExtractorSettings):
    """A value in a JSON body."""

    from_: Literal["json"] = Field(alias="from")
    """Look into the body, which is JSON whatever its Content-Type says."""
    path: Annotated[str, AfterValidator(_checked)]
    """The value's JSONPath, such as `$.data.token`; a bare key, `token`, means `$.token`."""


class Json(Extractor):
    """One place in a JSON document."""

    Settings = JsonSettings

    def __init__(self, settings: JsonSettings) -> None:
        super().__init__(settings)
        self._path = JsonPath(settings.path)
        self.place = f"json {self._path.text}"

    def find(self, reply: Reply) -> Found:
        """Return the text or number at the path; a boolean is neither."""
        found = self._path.find(parse(reply))
        if not found or found == [None]:
            raise NotFoundError(f"nothing stands at {self.place}")
        if len(found) > 1:
            raise ExtractError(f"{len(found)} values stand at {self.place}, not one")
        value = found[0]
        if isinstance(value, bool):
            raise BooleanError(f"a boolean stands at {self.place}, not a text or number", value)
        if not isinstance(value, str | int | float):
            raise ExtractError(f"a {_NAMES[type(value)]} stands at {self.place}, not a text or number")
        return value


_NAMES: dict[type, str] = {dict: "JSON object", list: "list", type(None): "null"}


def parse(reply: Reply) -> Any:
    """Return the reply's body as JSON (RFC 8259: no NaN, no Infinity).

    Raises:
        FormatError: it is not JSON; the message names the Content-Type.
    """
    try:
        return json.loads(reply.text(), parse_constant=_refuse)
    except (ValueError, RecursionError):  # a number of 5 000 digits is a ValueError, a thousand brackets recursion
        raise FormatError(f"the body is not JSON but {reply.media_type}") from None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)
