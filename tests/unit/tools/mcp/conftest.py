import asyncio
from contextlib import asynccontextmanager

import pytest

from tests.fakes.mcp_town import Notes, Town


@pytest.fixture
async def notes():
    async with Notes().open() as opened:
        yield opened


@pytest.fixture
def town(tmp_path):
    """Open a town with servers that are connected, as far as they can be."""

    @asynccontextmanager
    async def opened(*servers, **more):
        made = Town(*servers, folder=tmp_path, **more)
        async with asyncio.timeout(60), made.tools.running():
            await made.tools.settled(20)
            yield made

    return opened
