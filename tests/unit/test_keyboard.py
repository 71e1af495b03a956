"""Reading what is typed: the loop goes on meanwhile, and who is cancelled leaves nothing broken."""

import asyncio
import io
import os

import pytest
from rich.console import Console

from bot.keyboard import Keyboard


class Screen(io.StringIO):
    """Remembers what was printed, and lets a test wait for the next thing."""

    def __init__(self):
        super().__init__()
        self.wrote = asyncio.Event()

    def write(self, text):
        self.wrote.set()
        return super().write(text)

    async def prompts(self, words):
        async with asyncio.timeout(5):
            while not self.getvalue().endswith(words):
                self.wrote.clear()
                await self.wrote.wait()


@pytest.fixture
async def terminal():
    """A keyboard that a test types on, and what was printed."""
    reading, writing = os.pipe()
    printed = Screen()
    keyboard = Keyboard(Console(file=printed, width=80), fd=reading)

    def types(text):
        os.write(writing, text.encode())

    yield keyboard, types, printed
    os.close(writing)


async def test_other_work_goes_on_while_a_line_is_waited_for(terminal):
    keyboard, types, printed = terminal
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        line = group.create_task(keyboard.read("[b]name> "))
        await printed.prompts("[b]name> ")
        assert not line.done()
        types("Ada\n")
    assert line.result() == "Ada"


async def test_lines_that_are_pasted_together_are_read_one_by_one(terminal):
    keyboard, types, _ = terminal
    types("one\ntwo\r\n\nlast")
    async with asyncio.timeout(5):
        assert [await keyboard.read("> ") for _ in range(3)] == ["one", "two", ""]
        types(" words\n")
        assert await keyboard.read("> ") == "last words"


async def test_the_end_of_what_is_typed_is_told():
    reading, writing = os.pipe()
    keyboard = Keyboard(Console(file=io.StringIO()), fd=reading)
    os.close(writing)
    async with asyncio.timeout(5):
        with pytest.raises(EOFError):
            await keyboard.read("> ")


async def test_who_is_cancelled_leaves_the_next_line_to_the_next_question(terminal):
    keyboard, types, printed = terminal
    async with asyncio.timeout(5):
        async with asyncio.TaskGroup() as group:
            first = group.create_task(keyboard.read("first> "))
            await printed.prompts("first> ")
            first.cancel()
        async with asyncio.TaskGroup() as group:
            second = group.create_task(keyboard.read("second> "))
            await printed.prompts("second> ")
            types("for the second\n")
    assert second.result() == "for the second"
