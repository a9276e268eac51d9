"""Raw answers of an upstream and what the caller must make of each, one module per part of an answer."""

from tests.e2e.answers import connections, fields, framing, lines
from tests.e2e.answers.case import Case

CASES: tuple[Case, ...] = (*framing.CASES, *lines.CASES, *fields.CASES, *connections.CASES)
