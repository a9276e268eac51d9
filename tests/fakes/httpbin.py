"""The real httpbin as a second API, in a process of its own."""

import sys
from collections.abc import Sequence

from tests.fakes.program import Program


class Httpbin(Program):
    """Runs while its block runs."""

    def command(self) -> Sequence[str]:
        """Return how Flask serves it."""
        return sys.executable, "-m", "flask", "--app", "httpbin", "run", "-p", str(self.port)
