"""Killed between a thumb and what is learned from it: lessons and examples are kept once."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from sqlalchemy import Select, func, select

from storage.tables import lessons, memories, memory_shelves
from tests.fakes.openai_server import OpenAIServer, Says, as_json
from tests.recovery.house import CHANNEL, PERSON, Builder, House, Remains
from tests.recovery.processes import DeathWish
from tests.recovery.sweep import Outcome, both_sides, differences, each

PROBLEM = "What is the revenue?"
OURS = "Sql"
"""Deaths at writes of dbos are the same for every run, and tried with others."""
ANSWER, LESSON = "It is 12.", "Subtract refunds."
HELD = select(memories.c.text).join(lessons, lessons.c.memory_id == memories.c.id)
EXAMPLES = (
    select(func.count())
    .select_from(memories)
    .join(memory_shelves, memory_shelves.c.id == memories.c.shelf_id)
    .where(memory_shelves.c.kind == "example", memories.c.state == "held")
)
DOWN, UP = "-1", "+1"
LOOKS = {
    "step": 1,
    "description": "Look it up",
    "action": "recall",
    "tool": "",
    "arguments": [{"name": "query", "value": "orders"}],
    "depends_on": [],
    "expected_outcome": "",
    "check": "succeeds",
    "check_value": "",
}


def script(body: Mapping[str, Any], _index: int) -> Says:
    """Answer directly, and learn always the same."""
    if "rated the work" in body["messages"][0]["content"]:
        return as_json({"wrong": "", "next_time": LESSON, "applies_when": ""})
    return as_json({"mode": "answer", "answer": ANSWER, "question": "", "choices": [], "steps": []})


def planning(body: Mapping[str, Any], _index: int) -> Says:
    """Make a plan of one step, and answer when it is done."""
    told = {"answer": "", "question": "", "choices": [], "steps": []}
    if "You make the plan" in body["messages"][0]["content"]:
        return as_json({**told, "mode": "plan", "steps": [LOOKS]})
    if "You go on with a task" in body["messages"][0]["content"]:
        return as_json({**told, "mode": "done"})
    return Says(text=ANSWER)


@pytest.fixture
async def planning_url() -> AsyncIterator[str]:
    async with OpenAIServer(planning).running() as url:
        yield url


@pytest.fixture
async def model_url() -> AsyncIterator[str]:
    async with OpenAIServer(script).running() as url:
        yield url


async def test_a_lesson_is_kept_and_told_once_wherever_the_bot_dies(
    builder: Builder, model_url: str
):
    remains, writes = await _undisturbed(builder, model_url)
    assert any("carry_out" in point for point in writes), writes
    assert any("commit" in point for point in writes), writes
    told = [message for message in remains.thread if LESSON in str(message["blocks"])]
    assert len(told) == 1, remains.thread

    async def live(wish: DeathWish) -> Outcome:
        async with builder.house(f"{wish.side}-{wish.at}", model_url=model_url) as house:
            outcome = await _die_and_go_on(house, remains, wish)
            return await _checked(house, outcome, HELD, [(LESSON,)])

    await each(both_sides(writes), live)


async def test_a_plan_is_an_example_once_wherever_the_bot_dies(builder: Builder, planning_url: str):
    remains, writes = await _undisturbed(builder, planning_url, UP)
    assert any("carry_out" in point for point in writes), writes

    async def live(wish: DeathWish) -> Outcome:
        name = f"up-{wish.side}-{wish.at}"
        async with builder.house(name, model_url=planning_url) as house:
            outcome = await _die_and_go_on(house, remains, wish, UP)
            return await _checked(house, outcome, EXAMPLES, [(1,)])

    await each(both_sides(writes), live)


async def _undisturbed(
    builder: Builder, model_url: str, choice: str = DOWN
) -> tuple[Remains, tuple[str, ...]]:
    """Learn with a bot that lives; return what is left, and what was written since the rating."""
    async with builder.house("undisturbed", model_url=model_url) as house, house.bot() as bot:
        await house.until_connected(bot)
        ts = await house.ask(PROBLEM)
        await house.until_settled(bot)
        before = len(bot.writes)
        await _rate(house, choice)
        await house.until_settled(bot)
        ours = (point for point in bot.writes[before:] if point.startswith(OURS))
        return await house.remains(ts), tuple(ours)


async def _die_and_go_on(
    house: House, expected: Remains, wish: DeathWish, choice: str = DOWN
) -> Outcome:
    """Rate with a bot that dies then, or before: chores are counted too, and come by the clock."""
    ts, is_rated = "", False
    async with house.bot(at_write=wish) as bot:
        await house.until_connected(bot)
        if bot.exit_code is None:
            ts = await house.ask(PROBLEM)
            await house.until_over(bot)
        if bot.exit_code is None:
            is_rated = True
            await _rate(house, choice)
            await house.until_over(bot)
        died = bot.exit_code is not None
    async with house.bot() as bot:
        await house.until_connected(bot)
        ts = ts or await house.ask(PROBLEM)
        await house.until_settled(bot)
        if not is_rated:
            await _rate(house, choice)
            await house.until_settled(bot)
    return Outcome(died=died, wrong=list(await differences(house, ts, expected)))


async def _checked(
    house: House, outcome: Outcome, statement: Select[Any], expected: list[Any]
) -> Outcome:
    """Say, too, whether what was to be learned is held, once."""
    held = await house.read(statement)
    wrong = [] if held == expected else [f"held is {held}"]
    return Outcome(died=outcome.died, wrong=[*outcome.wrong, *wrong])


async def _rate(house: House, choice: str) -> None:
    """Give the answer a thumb."""
    answer = house.said()[-1]
    await house.workspace.person(PERSON).react(CHANNEL, answer.ts, choice)
