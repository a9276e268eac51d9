"""Raw requests and what must become of each, one module per part of a request."""

from tests.e2e.requests import chunks, connections, fields, framing, hosts, lines, targets
from tests.e2e.requests.case import Case

CASES: tuple[Case, ...] = (
    *framing.CASES,
    *chunks.CASES,
    *fields.CASES,
    *hosts.CASES,
    *lines.CASES,
    *targets.CASES,
    *connections.CASES,
)
