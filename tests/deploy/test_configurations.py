from pathlib import Path

import pytest

from proxy.config.load import examine
from tests.deploy.tools import DEPLOY

CONFIGURATIONS = (*sorted(DEPLOY.glob("kubernetes/*/countersign.yaml")), DEPLOY / "compose" / "countersign.yaml")


@pytest.mark.parametrize("path", CONFIGURATIONS, ids=lambda path: path.parent.name)
def test_countersign_accepts_what_we_deploy(path: Path) -> None:
    # Its secrets lead nowhere here; that is a warning.
    assert [str(problem) for problem in examine(path, {}, resolve=False).problems if not problem.warning] == []
