"""Joining, leaving, renaming channels; the Home and Messages tabs; agents by configuration."""

import tomllib

import pytest

from agent_engine.commands import CancelChannel
from bot.agents_file import parse_agents_file
from bot.inbound.read_slack import read_event
from tests.scenario.inbound.conftest import World


def row(world, name):
    return world.rows.channel_rows.get((world.workspace.team_id, world.workspace.channel(name).id))


def ours(world, name):
    messages = world.workspace.channel(name).messages.values()
    return [m for m in messages if m.user == world.workspace.bot_user_id and m.text]


async def test_the_bot_introduces_itself_once_on_joining(world, bot):
    ada = world.workspace.person("ada")
    await ada.invite("secret", "treadle")
    await world.workspace.until(lambda: [m for m in ours(world, "secret") if "Hello" in m.text])
    assert row(world, "secret").introduced
    await bot.entrance.directory.left(world.workspace.team_id, world.workspace.channel("secret").id)
    assert not row(world, "secret").is_member
    joined = await bot.entrance.directory.joined(
        world.workspace.team_id, world.workspace.channel("secret").id, None
    )
    assert joined is None
    assert row(world, "secret").is_member


async def test_a_renamed_channel_keeps_its_agent(world, bot):
    ada = world.workspace.person("ada")
    await ada.post("data", "@treadle hello")
    await world.core.until(world.core.said)
    channel = world.workspace.channel("data").id
    await ada.rename("data", "numbers")
    key = (world.workspace.team_id, channel)
    await world.workspace.until(lambda: world.rows.channel_rows[key].name == "numbers")
    assert world.rows.channel_rows[key].agent_id == "default"
    assert not [c for c in world.core.carried if isinstance(c, CancelChannel)]
    del bot


@pytest.mark.usefixtures("bot")
async def test_the_messages_tab_gets_prompts_and_the_home_tab_its_view(world):
    ada = world.workspace.person("ada")
    await ada.open_messages_tab()
    await world.workspace.until(
        lambda: [
            e for e in world.workspace.traffic if e.name == "assistant.threads.setSuggestedPrompts"
        ]
    )
    await ada.open_home()
    await world.settled()
    assert [event.tab for event in world.heard] == ["home"]
    assert world.heard[0].user_id == ada.id


async def test_agents_live_where_the_configuration_puts_them(workspace):
    text = (
        f"[agents.numbers]\nchannels = ['#data', '{workspace.channel('ops').id}']\n"
        "[agents.personal]\n[slack]\ndirect_agent = 'personal'\n"
    )
    file, problems = parse_agents_file(tomllib.loads(text), name="t")
    assert list(problems) == []
    world = World(workspace, file=file)
    ada = workspace.person("ada")
    async with world.running():
        for place in ("data", "ops", "general", workspace.dm("ada").id):
            count = len(world.core.said())
            await ada.post(place, "@treadle hello")
            await world.core.until(lambda count=count: len(world.core.said()) > count)
    agents = [say.agent_id for say in world.core.said()]
    assert agents == ["numbers", "numbers", "default", "personal"]


async def test_in_a_mention_only_channel_replies_need_a_mention(workspace):
    file, _ = parse_agents_file({"agent": {"follow_ups": "mention_only"}}, name="t")
    world = World(workspace, file=file)
    ada = workspace.person("ada")
    async with world.running():
        root = await ada.post("general", "@treadle hello")
        await world.core.until(world.core.said)
        await ada.post("general", "by the way", thread_ts=root)
        await ada.post("general", "@grace ask @treadle about it", thread_ts=root)
        told = await ada.post("general", "@treadle go on", thread_ts=root)
        said = [s.message.id for s in await world.settled()]
    assert said == [root, told]


async def test_an_uninstalled_app_is_reported_once_though_slack_tells_it_twice(world, bot, caplog):
    tokens = {"type": "tokens_revoked", "tokens": {"bot": ["UB"], "oauth": []}}
    for event in ({"type": "app_uninstalled"}, tokens):
        await bot.entrance.intake.take(read_event({"event": event, "team_id": "T"}))
    assert world.heard == ["uninstalled"]
    assert [r for r in caplog.records if r.levelname == "ERROR"] == []


async def test_a_file_that_changed_moves_channels_but_not_those_with_an_agent_of_their_own(
    workspace,
):
    ada, ops = workspace.person("ada"), workspace.channel("ops").id
    before = World(workspace)
    async with before.running() as bot:
        for place in ("data", "ops", "general"):
            await ada.post(place, "@treadle hello")
        await before.core.until(lambda: len(before.core.said()) == 3)
        row = before.rows.channel_rows[workspace.team_id, ops]
        own = await bot.entrance.directory.give_own_agent(row, before.core.agent_rows["default"])
    text = f"[agents.numbers]\nchannels = ['#data', '{ops}']\n"
    file, _ = parse_agents_file(tomllib.loads(text), name="t")
    after = World(workspace, core=before.core, rows=before.rows, file=file)
    async with after.running():
        for place in ("data", "ops", "general"):
            await ada.post(place, "@treadle hello again")
        await after.core.until(lambda: len(after.core.said()) == 6)
    agents = {s.thread.channel_id: s.agent_id for s in after.core.said()[3:]}
    channels = {name: workspace.channel(name).id for name in ("data", "general")}
    assert agents == {channels["data"]: "numbers", ops: own.id, channels["general"]: "default"}
