"""Killed while a person's tasks are forgotten: rows go together, and Slack is cleared of them."""

from collections.abc import Iterator

import pytest
from sqlalchemy import func, select

from agent_engine.types import UserId
from bot.inbound.sentences import NOTHING_LEFT
from bot.local_slack.errors import RefusedError
from bot.outbound.blocks import memory_ids
from storage.tables import audit_texts, memories, removals, runs, tasks
from tests.recovery.house import CHANNEL, PERSON, Builder, House
from tests.recovery.processes import BotProcess, DeathWish
from tests.recovery.sweep import PROBLEM, Outcome, both_sides, each
from tests.recovery.test_killed_while_remembering import UNANSWERED, Story

ADMIN = "grace"
"""Who may have somebody else's tasks forgotten."""
WRITES = (
    "SqlCommandStore.carry_out",
    "SqlPersonsTasks.erase_more",
    "SqlRemovalStore.done",
    "SqlAuditLog.forget_texts",
)
CALLS = ("chat.delete", "files.info", "files.delete")
FEWEST = 10
"""Points that there are at least: the command, and two of each removal."""
GONE = [select(func.count()).select_from(table) for table in (tasks, runs, memories, removals)]
WITH_WORDS = (
    select(func.count()).select_from(audit_texts).where(audit_texts.c.text.like("%answer.txt%"))
)
FORGOTTEN = "1 task with plans, results and files"
MORE = "1 more task will go"


@pytest.mark.parametrize("by", [PERSON, ADMIN])
async def test_all_of_it_is_gone_wherever_the_bot_dies(sqlite_builder: Builder, by: str):
    await _sweep(sqlite_builder, by=by)


async def test_the_same_holds_where_the_database_is_a_server(postgres_builder: Builder):
    await _sweep(postgres_builder, at_calls=False)


async def _sweep(builder: Builder, *, by: str = PERSON, at_calls: bool = True) -> None:
    async with builder.house("undisturbed", admin=ADMIN) as house:
        threads = await _asked(house)
        assert (await house.read(WITH_WORDS))[0][0]
        async with house.bot() as bot:
            await _forget(house, bot, by)
            await _until_gone(house, bot, threads)
            points = [write for write in bot.writes if write.startswith(WRITES)]
            if at_calls:
                points += [call for call in house.doorman.calls if call.startswith(CALLS)]
        assert list(await _wrong(house, by)) == []
        assert MORE in _told(house, by)[-1]
    assert len(points) >= FEWEST or not at_calls, points
    assert {point.partition("#")[0] for point in points} >= set(WRITES), points

    async def live(wish: DeathWish) -> Outcome:
        async with builder.house(f"{wish.side}-{wish.at}", admin=ADMIN) as house:
            threads = await _asked(house)
            at_write, at_call = (None, wish) if wish.at.startswith(CALLS) else (wish, None)
            async with house.bot(at_write=at_write, at_call=at_call) as bot:
                await _forget(house, bot, by)
                await _until_gone(house, bot, threads)
                died = bot.exit_code is not None
            async with house.bot() as bot:
                if not _told(house, by):
                    await _forget(house, bot, by)
                await _until_gone(house, bot, threads)
            return Outcome(died=died, wrong=list(await _wrong(house, by)))

    await each(both_sides(points), live)


async def _asked(house: House) -> list[str]:
    """Let there be a task with a plan, an answer and a file, and another; return their threads."""
    async with house.bot() as bot:
        await house.until_connected(bot)
        threads = [await house.ask(PROBLEM), await house.ask("calculate 2+2")]
        await house.until_settled(bot)
    house.doorman.calls.clear()
    return threads


async def _forget(house: House, bot: BotProcess, by: str) -> None:
    """Press the button; a bot that is dying does not answer."""
    await house.until_connected(bot)
    person = UserId(house.workspace.person(PERSON).id)
    action = memory_ids.ForgetPerson(person=person, with_tasks=True)
    try:
        await Story(house=house).press(action, person=by)
    except RefusedError as error:
        if error.code not in UNANSWERED:
            raise
        await bot.until_ended()


async def _until_gone(house: House, bot: BotProcess, threads: list[str]) -> None:
    """Wait until neither the tables nor Slack have any of it, or the bot is dead."""

    async def is_gone() -> bool:
        if bot.exit_code is not None:
            return True
        stands = [(await house.read(count))[0][0] for count in GONE]
        return not any(stands) and all(
            len(house.workspace.thread(CHANNEL, ts)) == 1 for ts in threads
        )

    await house.until(is_gone)


async def _wrong(house: House, by: str) -> Iterator[str]:
    wrong = []
    if (told := _told(house, by)) and not all(_fits(sentence) for sentence in told):
        wrong.append(f"people were told {told}")
    if len(told) not in range(1, house.lives):
        wrong.append(f"people were told {len(told)} times")
    if said := house.said():
        wrong.append(f"Slack still shows {[message.text for message in said]}")
    if files := house.workspace.core.files.files:
        wrong.append(f"there are still {len(files)} files")
    if with_words := (await house.read(WITH_WORDS))[0][0]:
        wrong.append(f"{with_words} entries of the audit log have words")
    return iter(wrong)


def _fits(sentence: str) -> bool:
    """Say whether it is an answer; one that is asked for again may find one task, or none."""
    return FORGOTTEN in sentence or sentence == NOTHING_LEFT


def _told(house: House, by: str) -> list[str]:
    """Return what the person who asked was told about forgetting."""
    found = house.workspace.person(by).ephemerals()
    words = ("orgotten", NOTHING_LEFT)
    return [message.text for message in found if any(word in message.text for word in words)]
