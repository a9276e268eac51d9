"""What the tests of this directory share: both providers, and one Countersign before their APIs."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.providers.cases import PROVIDERS
from tests.providers.clients import Identities
from tests.providers.world import World, running


@pytest.fixture(scope="package")
def identities(tmp_path_factory: pytest.TempPathFactory) -> Identities:
    """Keys and certificates of everybody."""
    return Identities(tmp_path_factory.mktemp("identities"))


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def world(identities: Identities) -> AsyncIterator[World]:
    """Everything, with every provider that can run here."""
    names = [name for name, provider in PROVIDERS.items() if provider.is_here()]
    async with running(identities, *names) as world:
        yield world


@pytest.fixture(params=sorted(PROVIDERS))
def provider(request: pytest.FixtureRequest) -> str:
    """The name of each provider; skipped where it cannot run."""
    name: str = request.param
    PROVIDERS[name].needed()
    return name
