"""Whether records carry descriptions: by default they do, and `run` starts without."""

import subprocess
import sys

PROBE = """
from proxy.core import descriptions
descriptions.wanted = {wanted}
from proxy.core.breaker import BreakerSettings
print(BreakerSettings.model_fields["failures"].description)
"""


def described(*, wanted: bool) -> str:
    """Return what a fresh interpreter knows of a setting."""
    command = [sys.executable, "-c", PROBE.format(wanted=wanted)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_a_record_carries_its_descriptions_unless_nobody_wants_them() -> None:
    assert described(wanted=True).startswith("Opens at so many failures")
    assert described(wanted=False) == "None"
