"""The same on a real database: what matters is which rows are there afterwards."""

from contextlib import asynccontextmanager

import pytest

from agent_engine.engine import Engine
from agent_engine.types import ChannelId, Thread, WorkspaceId
from storage.agents import SqlAgentDirectory
from storage.bell import open_bell
from storage.channels import SqlChannelStore
from storage.commands.store import SqlCommandStore
from storage.database import open_database
from storage.people import SqlPersonStore
from storage.posts import SqlPostStore
from storage.runs import SqlRunStore
from tests.scenario.inbound.conftest import World


class Rows:
    """The bot's three stores as one object, as the fakes are."""

    def __init__(self, database):
        self.stores = (SqlChannelStore(database), SqlPersonStore(database), SqlPostStore(database))

    def __getattr__(self, name):
        return next(getattr(store, name) for store in self.stores if hasattr(store, name))


@asynccontextmanager
async def world_on(path, workspace):
    """Everything anew on the same database file, as after a restart of the process."""
    async with (
        open_database(f"sqlite:///{path}/treadle.db") as database,
        open_bell(database) as bell,
    ):
        world = World(workspace, rows=Rows(database))
        world.engine = Engine(
            commands=Watched(SqlCommandStore(database), world.core),
            agents=SqlAgentDirectory(database),
            runs=SqlRunStore(database),
            bell=bell,
        )
        yield world


class Watched:
    """Tells the fake what was carried out, so that tests can wait for it."""

    def __init__(self, store, core):
        self.store, self.core = store, core

    def __getattr__(self, name):
        return getattr(self.store, name)

    async def carry_out(self, command, *, keys):
        outcome = await self.store.carry_out(command, keys=keys)
        self.core.carried.append(command)
        async with self.core.changed:
            self.core.changed.notify_all()
        return outcome


async def runs_in(world, ts, channel="general"):
    thread = Thread(
        workspace_id=WorkspaceId(world.workspace.team_id),
        channel_id=ChannelId(world.workspace.channel(channel).id),
        thread_ts=ts,
    )
    latest = await world.engine.latest_run(thread)
    return None if latest is None else await world.engine.run(latest)


async def tasks(world):
    return await world.engine.tasks(WorkspaceId(world.workspace.team_id))


async def test_doubled_and_repeated_deliveries_leave_one_task_with_each_message_once(
    tmp_path, workspace
):
    workspace.faults.duplicate_deliveries = 1.0
    ada = workspace.person("ada")
    async with world_on(tmp_path, workspace) as world, world.running():
        root = await ada.post("general", "@treadle write a poem")
        await world.core.until(lambda: len(world.core.said()) >= 1)
        steer = await ada.post("general", "make it rhyme", thread_ts=root)
        await world.settled()
        run = await runs_in(world, root)
        assert [m.id for m in run.messages] == [root, steer]
        assert len(await tasks(world)) == 2  # this one, and the one that settles


async def test_an_edit_reaches_the_run_as_one_more_message(tmp_path, workspace):
    ada = workspace.person("ada")
    async with world_on(tmp_path, workspace) as world, world.running():
        root = await ada.post("general", "@treadle add 1 and 2")
        await world.core.until(world.core.said)
        await ada.edit("general", root, "@treadle add 1 and 3")
        await world.core.until(lambda: len(world.core.carried) > len(world.core.said()))
        run = await runs_in(world, root)
        assert [m.text for m in run.messages] == ["add 1 and 2", "add 1 and 3"]


async def test_after_a_restart_what_was_missed_is_there_once(tmp_path, workspace):
    ada = workspace.person("ada")
    async with world_on(tmp_path, workspace) as world, world.running():
        first = await ada.post("general", "@treadle first")
        await world.settled()
    workspace.faults.ack_timeout_retries = False
    missed = await ada.post("general", "@treadle missed")
    steer = await ada.post("general", "and this", thread_ts=first)
    async with world_on(tmp_path, workspace) as world:
        for _ in range(2):
            async with world.running():
                await world.settled()
        assert [m.id for m in (await runs_in(world, missed)).messages] == [missed]
        assert [m.id for m in (await runs_in(world, first)).messages] == [first, steer]


@pytest.mark.parametrize("text", ["a\x00b", "🧵" * 500, "x" * 39_000])
async def test_any_text_can_be_stored(tmp_path, workspace, text):
    async with world_on(tmp_path, workspace) as world, world.running():
        ts = await workspace.person("ada").post("general", f"@treadle {text}")
        await world.core.until(world.core.said)
        assert (await runs_in(world, ts)).task.description


async def test_fifty_mentions_at_once_are_fifty_tasks_and_one_look_up(tmp_path, workspace):
    ada = workspace.person("ada")
    async with world_on(tmp_path, workspace) as world, world.running():
        wanted = {await ada.post("general", f"@treadle problem {n}") for n in range(50)}
        await world.core.until(lambda: wanted <= {s.message.id for s in world.core.said()})
        lines = await world.engine.tasks(WorkspaceId(workspace.team_id), limit=100)
        assert len(lines) == 50
        asked = [entry for entry in workspace.traffic if entry.name == "users.info"]
        assert len(asked) == 1
