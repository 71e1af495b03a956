"""Dying once is the easy case: bots that die one after the other still get the task done once."""

import random

import pytest

from tests.recovery.house import Builder, House
from tests.recovery.processes import DeathWish
from tests.recovery.sweep import PROBLEM, differences, undisturbed
from tests.recovery.workspace import AFTER, BEFORE

MOST_LIVES = 40
SHORTEST, LONGEST = 8, 16
"""How many writes a life has: its start needs seven or so."""


@pytest.mark.parametrize("seed", [1, 2])
async def test_a_task_on_which_one_bot_after_the_other_dies_is_done_once(
    builder: Builder, seed: int
):
    plain = await undisturbed(builder)
    chance = random.Random(seed)  # noqa: S311 - no secret
    async with builder.house("again") as house:
        ts = ""
        for _ in range(MOST_LIVES):
            at = f"any#{chance.randint(SHORTEST, LONGEST)}"
            wish = DeathWish(at=at, side=chance.choice([BEFORE, AFTER]))
            ts = await _live(house, wish, ts)
            if ts and await house.is_settled():
                break
        async with house.bot() as bot:
            await house.until_connected(bot)
            ts = ts or await house.ask(PROBLEM)
            await house.until_settled(bot)
        assert await differences(house, ts, plain.remains) == []
        assert house.lives > 3


async def _live(house: House, wish: DeathWish, ts: str) -> str:
    async with house.bot(at_write=wish) as bot:
        await house.until_connected(bot)
        if not ts and bot.exit_code is None:
            ts = await house.ask(PROBLEM)
        if ts:
            await house.until_over(bot)
    return ts
