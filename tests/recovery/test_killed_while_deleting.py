"""Killed in the middle of housekeeping: the next one deletes the rest, and nothing else."""

from datetime import timedelta

from sqlalchemy import func, select, update

from agent_engine.memories import MemoryKind, MemoryScope, NewMemory
from agent_engine.tools.task_folders import TaskFolders
from agent_engine.types import now_utc
from bot.toolbox import TASK_FOLDERS
from storage.memory.indexes import indexes_of
from storage.memory.store import SqlMemoryStore
from storage.tables import folders_left, memories, runs, tasks
from tests.contract.house import House as Rows
from tests.contract.test_erasing import done
from tests.recovery.house import Builder, House
from tests.recovery.processes import BotProcess, DeathWish
from tests.recovery.sweep import Outcome, both_sides, each

POINTS = ("_step", "SqlHousekeeping.folders_gone")
"""A few old things of one kind; the folders that are deleted."""
LONG_AGO = timedelta(days=366)
STAYS = "3.0"
STANDS = (
    select(func.count()).select_from(tasks),
    select(func.count()).select_from(runs),
    select(func.count()).select_from(folders_left),
    select(func.count()).select_from(memories).where(memories.c.text.like("%kiln%")),
)
LEFT = [1, 1, 0, 1]
"""What stands of each at the end, and one folder."""


async def test_what_is_old_is_deleted_wherever_the_bot_dies(builder: Builder):
    async with builder.house("undisturbed") as house:
        await _fill(house)
        async with house.bot() as bot:
            await _until_kept(house, bot)
            points = [point for point in bot.writes if point.startswith(POINTS)]
        assert await _wrong(house) == []
    assert {"_step#2", "SqlHousekeeping.folders_gone#1"} <= set(points), points

    async def live(wish: DeathWish) -> Outcome:
        async with builder.house(f"{wish.side}-{wish.at}") as house:
            await _fill(house)
            async with house.bot(at_write=wish) as bot:
                await _until_kept(house, bot)
                died = bot.exit_code is not None
            async with house.bot() as bot:
                await _until_kept(house, bot)
            return Outcome(died=died, wrong=await _wrong(house))

    await each(both_sides(points), live)


async def _fill(house: House) -> None:
    """Let there be two tasks of long ago and one of today, each with files and an episode."""
    made = Rows(house.database)
    await made.agents.save_agent(made.agent)
    store = SqlMemoryStore(house.database, indexes_of(house.database))
    old = now_utc() - LONG_AGO
    for ts in ("1.0", "2.0", STAYS):
        run = await done(made, ts)
        (_folders(house).folder(run.scope, run.task.id) / "notes.txt").write_text("found")
        episode = NewMemory(kind=MemoryKind.EPISODE, text=f"the kiln at {ts}")
        kept = await store.keep(MemoryScope.of_channel(run.scope), episode)
        if ts != STAYS:
            for change in (
                update(tasks).where(tasks.c.id == run.task.id).values(completed_at=old),
                update(runs).where(runs.c.task_id == run.task.id).values(ended_at=old),
                update(memories).where(memories.c.id == kept.id).values(used_at=old),
            ):
                await house.database.write(lambda c, change=change: c.execute(change))


async def _until_kept(house: House, bot: BotProcess) -> None:
    async def is_kept() -> bool:
        is_begun = bot.log.exists()
        return bot.exit_code is not None or (is_begun and "house_kept" in bot.log.read_text())

    await house.until(is_kept)


async def _wrong(house: House) -> list[str]:
    stands = [(await house.read(count))[0][0] for count in STANDS]
    root = house.home / TASK_FOLDERS
    left = [folder for who in root.iterdir() for folder in who.iterdir()]
    wrong = [] if stands == LEFT else [f"what stands is {stands}"]
    return wrong if len(left) == 1 else [*wrong, f"{len(left)} folders are left"]


def _folders(house: House) -> TaskFolders:
    return TaskFolders(house.home / TASK_FOLDERS)
