"""What MCP servers said of their tools is kept, and changed by nobody but an operator."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from agent_engine.safeguards import PinStore, ToolPin
from agent_engine.tools.mcp.pins import MemoryPins
from storage.database import Database, open_database
from storage.inspection import read_pins
from storage.mcp_pins import SqlPinStore

MORNING = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
WORDS = {"description": "\x00 \ud800 ü", "parameters": {"type": "object"}}


def said(tool: str = "echo", digest: str = "d1") -> ToolPin:
    return ToolPin(tool=tool, digest=digest, definition=WORDS, first_seen_at=MORNING)


@pytest.fixture(params=["memory", "sqlite", "postgres"])
async def pins(request: pytest.FixtureRequest) -> AsyncIterator[PinStore]:
    if request.param == "memory":
        yield MemoryPins()
        return
    async with open_database(request.getfixturevalue(f"{request.param}_url")) as database:
        yield SqlPinStore(database)


async def test_what_was_said_first_holds(pins: PinStore) -> None:
    assert await pins.pin("wiki", [said()]) == {"echo": "d1"}
    assert await pins.pin("wiki", [said(digest="d2"), said("add")]) == {"echo": "d1", "add": "d1"}
    assert list(await pins.pins("wiki")) == [said("add"), said()]


async def test_servers_do_not_know_of_each_other(pins: PinStore) -> None:
    await pins.pin("wiki", [said()])
    assert await pins.pin("git", [said(digest="d2")]) == {"echo": "d2"}
    await pins.accept("git", [said(digest="d3")], gone=["echo-of-wiki"])
    assert await pins.pin("wiki", []) == {"echo": "d1"}


async def test_what_an_operator_accepts_holds_from_then_on(pins: PinStore) -> None:
    await pins.pin("wiki", [said(), said("add"), said("old")])
    accepted = replace(said(digest="d2"), accepted_at=MORNING)
    await pins.accept("wiki", [accepted], gone=["old", "never there"])
    assert await pins.pin("wiki", [said()]) == {"echo": "d2", "add": "d1"}
    assert list(await pins.pins("wiki")) == [said("add"), accepted]


async def test_of_a_server_with_ever_new_tools_only_so_many_are_kept(database: Database) -> None:
    pins = SqlPinStore(database, most=2)
    assert await pins.pin("wiki", [said("a"), said("b"), said("c")]) == {"a": "d1", "b": "d1"}
    assert await pins.pin("wiki", [said("d"), said("b")]) == {"a": "d1", "b": "d1"}
    assert await pins.pin("git", [said("a")]) == {"a": "d1"}


async def test_of_two_that_see_a_tool_first_at_once_both_hold_to_the_same(
    database: Database,
) -> None:
    pins = SqlPinStore(database)
    async with asyncio.TaskGroup() as group:
        seen = [group.create_task(pins.pin("wiki", [said(digest=f"d{n}")])) for n in range(8)]
    (digest,) = {task.result()["echo"] for task in seen}
    assert await pins.pin("wiki", []) == {"echo": digest}


async def test_pins_can_be_read_beside_the_bot(database: Database, database_url: str) -> None:
    assert await read_pins(database_url) == {}
    pins = SqlPinStore(database)
    await pins.pin("wiki", [said()])
    await pins.pin("git", [said("add")])
    assert await read_pins(database_url) == {"git": [said("add")], "wiki": [said()]}
