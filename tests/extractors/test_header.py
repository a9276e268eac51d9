"""Values in headers."""

from typing import Any, ClassVar

import pytest

from proxy.core.message import Reply
from proxy.extractors.base import ExtractError
from tests.compliance.extractors import ExtractorCompliance, reply_of


class TestHeader(ExtractorCompliance):
    word: ClassVar[str] = "header"
    settings: ClassVar[dict[str, Any]] = {"name": "X-Session"}

    def reply(self, value: str) -> Reply:
        return reply_of(b"", ("x-session", value))

    def test_a_repeated_header_is_not_one_value(self) -> None:
        with pytest.raises(ExtractError, match="2 lines"):
            self.made().extract(reply_of(b"", ("X-Session", "a"), ("x-session", "b")))
