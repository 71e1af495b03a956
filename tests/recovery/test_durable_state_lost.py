"""dbos holds nothing that the tables do not: losing its database costs no task."""

from sqlalchemy import select

from storage.tables import posts, runs
from tests.recovery import rows
from tests.recovery.house import Builder
from tests.recovery.processes import DeathWish
from tests.recovery.sweep import (
    PROBLEM,
    Outcome,
    both_sides,
    die_and_go_on,
    each,
    undisturbed,
)
from tests.recovery.workspace import AFTER

QUESTION = select(posts.c.ts).where(posts.c.kind == "question", posts.c.state == "posted")


async def test_a_task_goes_on_wherever_it_was_when_dbos_lost_its_database(sqlite_builder: Builder):
    plain = await undisturbed(sqlite_builder)

    async def live(wish: DeathWish) -> Outcome:
        async with sqlite_builder.house(f"{wish.side}-{wish.at}") as house:
            return await die_and_go_on(
                house, plain.remains, at_write=wish, between=house.lose_durable_state
            )

    of_runs = [w for w in plain.writes if w.startswith(("SqlRunStore", "SqlWakeupStore.del"))]
    await each(both_sides(of_runs), live)


async def test_a_run_that_waits_for_a_person_still_hears_the_answer(sqlite_builder: Builder):
    async with sqlite_builder.house("waiting") as house:
        in_step_2 = DeathWish(at="SqlRunStore.commit#2", side=AFTER)
        async with house.bot(at_write=in_step_2, harmful=["file_operations"]) as bot:
            await house.until_connected(bot)
            ts = await house.ask(PROBLEM)
            await bot.until_ended()
        async with house.bot(harmful=["file_operations"]) as bot:
            await house.until_any(QUESTION)
            await house.until_any(select(runs.c.id).where(runs.c.status == "waiting"))
            bot.kill()
            await bot.until_ended()
        house.lose_durable_state()
        async with house.bot(harmful=["file_operations"]) as bot:
            await house.until_connected(bot)
            await house.press(ts, "repeat")
            await house.until_settled(bot)
            assert "run_adopted" in bot.log.read_text()
        assert await rows.repeated_steps(house.database) == []
        assert await rows.starts(house.database) == {"step 1": 1, "step 2": 2}
