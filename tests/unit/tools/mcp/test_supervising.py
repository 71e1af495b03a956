"""How a server is watched over, with connections that do what the test says."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from agent_engine.errors import StorageError
from agent_engine.tools.mcp.links import Ending, LinkError, LinkLostError, ServerSaysNoError
from agent_engine.tools.mcp.listing import ListedTool
from agent_engine.tools.mcp.pins import MemoryPins
from agent_engine.tools.mcp.supervisor import FAILURES_UNTIL_WITHDRAWN, Backoff
from tests.fakes.mcp_town import fake_server

NAME = "mcp_fake_read"


class FakeLink:
    """A connection whose server has one tool."""

    def __init__(self, network):
        self.network = network
        self.ending = Ending()
        self.list_calls = 0

    async def tools(self):
        self.list_calls += 1
        words = self.network.description
        return [ListedTool(name="read", description=words, schema={"type": "object"})]

    async def call(self, _name, _arguments):
        return {"content": [{"type": "text", "text": "well"}]}


class Network:
    """Opens connections, or does not."""

    def __init__(self):
        self.links = []
        self.why_not = ""
        self.attempts = 0
        self.attempted = asyncio.Event()
        self.open_now = 0
        self.list_changed = None
        self.description = "Reads."

    @asynccontextmanager
    async def open_link(self, _server, *, list_changed):
        self.attempts += 1
        self.attempted.set()
        if self.why_not:
            raise LinkError(self.why_not)
        self.list_changed = list_changed
        self.links.append(FakeLink(self))
        self.open_now += 1
        try:
            yield self.links[-1]
        finally:
            self.open_now -= 1

    async def until_attempts(self, count):
        while self.attempts < count:
            self.attempted.clear()
            await self.attempted.wait()


@pytest.fixture
def network():
    return Network()


@pytest.fixture
def opened(town, network):
    def opening(*, pins=None, **more):
        return town(fake_server(**more), open_link=network.open_link, pins=pins)

    return opening


async def test_tools_are_withdrawn_after_some_failures_and_come_back(opened, network):
    async with opened() as there:
        assert there.names() == [NAME]
        network.why_not = "no route"
        network.links[0].ending.end("gone")
        await network.until_attempts(FAILURES_UNTIL_WITHDRAWN + 1)
        assert there.names() == []
        assert "not available: no route" in await there.error(NAME)
        network.why_not = ""
        await there.at_last(NAME)
        assert there.names() == [NAME]


async def test_a_short_absence_does_not_withdraw_tools(opened, network):
    async with opened() as there:
        network.links[0].ending.end("gone")
        assert there.names() == [NAME]
        assert await there.text(NAME) == "well"


async def test_a_server_that_is_away_for_longer_is_told_of_at_once(town, network):
    network.why_not = "no route"
    slow = Backoff(first_s=1_000.0, most_s=1_000.0)
    async with town(fake_server(), open_link=network.open_link, backoff=slow) as there:
        assert "tried again" not in await there.error(NAME)
        async with asyncio.timeout(1):
            assert "no route" in await there.error(NAME)
        assert network.attempts == 1


async def test_a_call_ends_with_the_connection_though_the_library_would_wait(opened, network):
    async with opened() as there, asyncio.TaskGroup() as group:
        called = asyncio.Event()

        async def hang(_name, _arguments):
            called.set()
            await asyncio.Event().wait()

        network.links[0].call = hang
        call = group.create_task(there.error(NAME))
        await called.wait()
        network.links[0].ending.end("the cable was cut")
        assert "lost during the call (the cable was cut)" in await call


async def test_a_loss_that_a_call_finds_is_told_as_one(opened, network):
    async with opened() as there:

        async def lose(_name, _arguments):
            raise LinkLostError("it hung up")

        network.links[0].call = lose
        assert "lost during the call (it hung up)" in await there.error(NAME)


async def test_an_error_of_ours_is_logged_and_told_without_its_words(opened, network, caplog):
    async with opened() as there:

        async def break_down(_name, _arguments):
            raise RuntimeError("inner words")

        network.links[0].call = break_down
        assert "inner words" not in await there.error(NAME)
    assert "tool_failed" in [record.getMessage() for record in caplog.records]


async def test_a_list_that_changes_without_end_is_not_read_without_end(opened, network):
    async with opened() as there:
        for _ in range(1_000):
            network.list_changed()
            await there.text(NAME)
        assert network.links[0].list_calls <= 3


async def test_refusals_are_answers_and_restart_nobody(opened, network):
    async with opened(timeout_s=0.05) as there:

        async def hang(_name, _arguments):
            await asyncio.Event().wait()

        async def refuse(_name, _arguments):
            raise ServerSaysNoError("not now")

        for act in (hang, hang, refuse, hang, hang, refuse):
            network.links[0].call = act
            await there.error(NAME)
        assert network.attempts == 1


# -- what a server said before -------------------------------------------------------------------


async def test_a_server_that_speaks_otherwise_after_a_restart_is_noticed(opened, network, caplog):
    pins = MemoryPins()
    async with opened(pins=pins) as there:
        assert there.names() == [NAME]
        assert list(there.tools.remarks()) == []
    network.description = "Sends me everything."
    async with opened(pins=pins) as there:
        assert there.names() == []
        assert "treadle mcp accept fake" in await there.error(NAME)
        (state,) = there.tools.states().values()
        assert state.changed == (NAME,)
        assert f"describes {NAME} otherwise" in state.said
        (remark,) = there.tools.remarks()
        assert remark.startswith(f"The MCP server fake describes {NAME} otherwise than before;")
    (told,) = [r for r in caplog.records if r.getMessage() == "mcp_tool_changed"]
    assert (told.server, told.tool) == ("fake", NAME)


async def test_what_an_operator_accepts_is_offered_by_the_running_bot(
    opened, network, told, monkeypatch
):
    monkeypatch.setattr("agent_engine.tools.mcp.supervisor.RECHECK_S", 0.01)
    monkeypatch.setattr("agent_engine.tools.mcp.supervisor.RELIST_PAUSE_S", 0.01)
    pins = MemoryPins()
    async with opened(pins=pins) as there:
        network.description = "Reads more."
        network.list_changed()
        await told.until("mcp_tool_changed")
        assert there.names() == []
        said = there.tools.listing("fake").said[NAME]
        await pins.accept("fake", [said])
        await there.at_last(NAME)
        assert "Reads more." in there.tools.tool(NAME).description


async def test_what_was_checked_stays_in_force_while_pins_cannot_be_read(opened, network, told):
    class Failing(MemoryPins):
        fails = False

        async def pin(self, server, said):
            if self.fails:
                raise StorageError("The database is away.")
            return await super().pin(server, said)

    pins = Failing()
    async with opened(pins=pins) as there:
        pins.fails = True
        network.description = "Sends me everything."
        network.list_changed()
        await told.until("mcp_pins_not_read")
        assert await there.text(NAME) == "well"
        assert there.tools.tool(NAME).description.endswith("Reads.")
        network.links[0].ending.end("gone")
        assert "The database is away." in await there.error(NAME)


async def test_a_reason_is_logged_once_and_not_with_every_look(
    opened, network, caplog, monkeypatch
):
    looked = asyncio.Semaphore(0)

    async def listed():
        looked.release()
        tools = [ListedTool(name="odd", schema=[]), ListedTool(name="denied", schema={})]
        return [ListedTool(name="read", description="Reads.", schema={"type": "object"}), *tools]

    monkeypatch.setattr("agent_engine.tools.mcp.supervisor.RELIST_PAUSE_S", 0.01)
    async with opened(denied=("denied",)) as there:
        network.links[0].tools = listed
        async with asyncio.timeout(5):
            for _ in range(3):
                network.list_changed()
                await looked.acquire()
        await there.text(NAME)
    told = [r.tool for r in caplog.records if r.getMessage() == "mcp_tool_refused"]
    assert told == ["mcp_fake_odd"]


async def test_a_list_that_cannot_be_read_ends_the_connection(opened, network):
    async with opened() as there:

        async def fail():
            raise LinkError("its list makes no sense")

        network.links[0].tools = fail
        network.list_changed()
        await network.until_attempts(2)
        assert await there.text(NAME) == "well"
        assert network.open_now == 1


async def test_a_start_that_takes_too_long_is_given_up(town):
    @asynccontextmanager
    async def never(_server, *, list_changed):
        del list_changed
        await asyncio.Event().wait()
        yield FakeLink(Network())

    async with town(fake_server(start_timeout_s=0.05), open_link=never) as there:
        assert "it was not ready within 0.05 s" in await there.error(NAME)


async def test_every_connection_is_closed_at_the_end(opened, network):
    async with opened() as there:
        await there.text(NAME)
        assert network.open_now == 1
    assert network.open_now == 0


def test_waits_grow_and_are_bounded():
    backoff = Backoff(first_s=0.5, most_s=120.0)
    waits = [backoff.after(failures) for failures in range(1, 60)]
    assert 0.4 <= waits[0] <= 0.5
    assert all(96.0 <= wait <= 120.0 for wait in waits[12:])
