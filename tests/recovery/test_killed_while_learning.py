"""Killed between a thumb down and the line that tells its lesson: there is one lesson, told once."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from sqlalchemy import select

from storage.tables import lessons, memories
from tests.fakes.openai_server import OpenAIServer, Says, as_json
from tests.recovery.house import CHANNEL, PERSON, Builder, House, Remains
from tests.recovery.processes import BotProcess, DeathWish
from tests.recovery.sweep import Outcome, both_sides, differences, each

ANSWER, LESSON = "It is 12.", "Subtract refunds."
HELD = select(memories.c.text).join(lessons, lessons.c.memory_id == memories.c.id)


def script(body: Mapping[str, Any], _index: int) -> Says:
    """Answer directly, and learn always the same."""
    if "rated the work" in body["messages"][0]["content"]:
        return as_json({"wrong": "", "next_time": LESSON, "applies_when": ""})
    return as_json({"mode": "answer", "answer": ANSWER, "question": "", "choices": [], "steps": []})


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
            return await _die_and_go_on(house, remains, wish)

    await each(both_sides(writes), live)


async def _undisturbed(builder: Builder, model_url: str) -> tuple[Remains, tuple[str, ...]]:
    """Learn with a bot that lives; return what is left, and what was written since the rating."""
    async with builder.house("undisturbed", model_url=model_url) as house, house.bot() as bot:
        await house.until_connected(bot)
        ts = await house.ask("What is the revenue?")
        before = await _rate(house, bot)
        await house.until_settled(bot)
        return await house.remains(ts), tuple(bot.writes[before:])


async def _die_and_go_on(house: House, expected: Remains, wish: DeathWish) -> Outcome:
    async with house.bot(at_write=wish) as bot:
        await house.until_connected(bot)
        ts = await house.ask("What is the revenue?")
        await _rate(house, bot)
        await house.until_over(bot)
        died = bot.exit_code is not None
    async with house.bot() as bot:
        await house.until_settled(bot)
    wrong = list(await differences(house, ts, expected))
    if (held := await house.read(HELD)) != [(LESSON,)]:
        wrong.append(f"held is {held}")
    return Outcome(died=died, wrong=wrong)


async def _rate(house: House, bot: BotProcess) -> int:
    """Give the answer a thumb down once it is there; return how much was written before."""
    await house.until_settled(bot)
    [answer] = house.said()
    before = len(bot.writes)
    await house.workspace.person(PERSON).react(CHANNEL, answer.ts, "-1")
    return before
