import asyncio
import logging
from contextlib import asynccontextmanager

import pytest

from tests.fakes.mcp_town import Notes, Town


class Told(logging.Handler):
    """The events that were logged, and a way to wait for one."""

    def __init__(self):
        super().__init__()
        self.events = []
        self._news = asyncio.Event()

    def emit(self, record):
        self.events.append(record.getMessage())
        self._news.set()

    async def until(self, event):
        async with asyncio.timeout(5):
            while event not in self.events:
                self._news.clear()
                await self._news.wait()


@pytest.fixture
def told():
    handler = Told()
    logging.getLogger("agent_engine").addHandler(handler)
    yield handler
    logging.getLogger("agent_engine").removeHandler(handler)


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
