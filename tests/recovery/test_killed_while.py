"""Killed while something goes on that takes its time: a tool, a question, a stop, a catch-up."""

from collections.abc import Callable

import psutil
import pytest
from sqlalchemy import select

from agent_engine.types import EndReason, TaskStatus
from storage.tables import channels, posts, runs, steps, tasks
from tests.recovery import rows
from tests.recovery.house import CHANNEL, PERSON, Builder, House
from tests.recovery.processes import BotProcess, DeathWish
from tests.recovery.sweep import PROBLEM, Outcome, each
from tests.recovery.workspace import AFTER, BEFORE

SLOW = "calculate 17*23 then run this\n```bash\nsleep {seconds}\necho slept\n```"
STARTED = select(steps.c.number).where(steps.c.number == 2, steps.c.status == "started")
ENDED = select(runs.c.status, runs.c.end_reason).where(runs.c.end_reason.is_not(None))
QUESTION = select(posts.c.ts).where(posts.c.kind == "question", posts.c.state == "posted")


@pytest.mark.parametrize(("end", "code"), [(BotProcess.kill, -9), (BotProcess.terminate, 0)])
async def test_a_tool_that_was_running_is_stopped_and_run_once_more(
    builder: Builder, end: Callable[[BotProcess], None], code: int
):
    async with builder.house("tool") as house:
        async with house.bot() as bot:
            await house.until_connected(bot)
            await house.ask(SLOW.format(seconds=4))
            await house.until_any(STARTED)
            running = await _programs_of(house, bot)
            end(bot)
            assert await bot.until_ended() == code, bot.last_words()

            async def all_stopped() -> bool:
                return not any(process.is_running() for process in running)

            await house.until(all_stopped)
        async with house.bot() as bot:
            await house.until_settled(bot)
        assert await house.read(ENDED) == [(TaskStatus.COMPLETED, EndReason.ANSWERED)]
        assert await rows.starts(house.database) == {"step 1": 1, "step 2": 2}
        assert await rows.repeated_steps(house.database) == []


@pytest.mark.parametrize(("choice", "attempts"), [("repeat", 2), ("skip", 1)])
async def test_a_step_that_may_have_happened_is_asked_about_and_the_question_survives(
    sqlite_builder: Builder, choice: str, attempts: int
):
    async with sqlite_builder.house("question") as house:
        in_step_2 = DeathWish(at="SqlRunStore.commit#2", side=AFTER)
        async with house.bot(at_write=in_step_2, harmful=["file_operations"]) as bot:
            await house.until_connected(bot)
            ts = await house.ask(PROBLEM)
            assert await bot.until_ended() == -9
        async with house.bot(harmful=["file_operations"]) as bot:
            await house.until_any(QUESTION)
            await house.until_any(select(runs.c.id).where(runs.c.status == "waiting"))
            bot.kill()
            await bot.until_ended()
        async with house.bot(harmful=["file_operations"]) as bot:
            await house.until_connected(bot)
            await house.press(ts, choice)
            await house.until_settled(bot)
        [(status, _)] = await house.read(ENDED)
        assert status == TaskStatus.COMPLETED
        assert await rows.starts(house.database) == {"step 1": 1, "step 2": attempts}
        assert await rows.repeated_steps(house.database) == []
        assert len(await house.read(QUESTION)) == 1


@pytest.mark.parametrize("side", [BEFORE, AFTER])
async def test_a_stop_that_was_asked_for_is_carried_out_by_the_next_process(
    sqlite_builder: Builder, side: str
):
    async with sqlite_builder.house("stop") as house:
        async with house.bot(at_write=DeathWish(at="SqlRunStore.commit#3", side=side)) as bot:
            await house.until_connected(bot)
            ts = await house.ask(SLOW.format(seconds=60))
            await house.until_any(STARTED)
            await house.workspace.person(PERSON).stop_session(house.channel_id, ts)
            assert await bot.until_ended() == -9
        async with house.bot() as bot:
            await house.until_settled(bot)
        assert await house.read(ENDED) == [(TaskStatus.CANCELLED, EndReason.STOPPED)]
        assert await rows.starts(house.database) == {"step 1": 1, "step 2": 1}
        assert "391" in str(house.workspace.snapshot_thread(CHANNEL, ts))


async def test_what_is_said_while_nobody_listens_is_answered_once_even_if_catching_up_is_cut(
    sqlite_builder: Builder,
):
    async def live(wish: DeathWish) -> Outcome:
        async with sqlite_builder.house(f"down-{wish.side}-{wish.at}") as house:
            await _one_task_then_silence(house)
            at_call, at_write = (None, wish) if wish.at.startswith("Sql") else (wish, None)
            async with house.bot(at_call=at_call, at_write=at_write) as bot:
                died = await bot.until_ended() == -9
            async with house.bot() as bot:
                await house.until_settled(bot)
            found = sorted(text for (text,) in await house.read(select(tasks.c.description)))
            answers = [m.text for m in house.said() if "=" in m.text]
        expected = ["calculate 1+1", "calculate 2+2", "calculate 3+3"]
        wrong = [] if found == expected else [f"the tasks are {found}"]
        if sorted(answers) != ["`1+1` = *2*", "`2+2` = *4*", "`3+3` = *6*"]:
            wrong.append(f"the answers are {answers}")
        return Outcome(died=died, wrong=wrong)

    await each(
        [
            DeathWish(at=at, side=side)
            for at in ("conversations.history#1", "SqlCommandStore.carry_out#2")
            for side in (BEFORE, AFTER)
        ],
        live,
    )


# ------------------------------------------------------------------------------------------------


async def _programs_of(house: House, bot: BotProcess) -> list[psutil.Process]:
    """Wait until the bot runs programs, and return them."""
    found: list[psutil.Process] = []

    async def any_runs() -> bool:
        found[:] = psutil.Process(bot.pid).children(recursive=True)
        return bool(found)

    await house.until(any_runs)
    return found


async def _one_task_then_silence(house: House) -> None:
    """Have one task done, kill the bot once it has noted so, and speak when nobody listens."""
    async with house.bot() as bot:
        await house.until_connected(bot)
        ts = await house.ask("calculate 1+1")
        await house.until_settled(bot)
        await house.until_any(select(channels.c.name).where(channels.c.last_seen_ts >= ts))
        bot.kill()
        await bot.until_ended()
    house.workspace.faults.ack_timeout_retries = False  # Slack gives up, too
    await house.ask("calculate 2+2")
    await house.ask("calculate 3+3")
    await house.until_undelivered()
