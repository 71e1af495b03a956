"""Slash commands: one clear answer each, to the person alone; /solve never loses a problem."""

from dataclasses import replace

import pytest

from bot.agents_file import parse_agents_file
from bot.inbound.slash import command_names
from bot.local_slack.server import LocalWorkspace
from bot.manifest import load_manifest, with_commands
from tests.scenario.inbound.conftest import QUICK, World

pytestmark = pytest.mark.usefixtures("bot")


def roots(world, channel="general"):
    messages = world.workspace.channel(channel).messages.values()
    return [m for m in messages if m.text and " asks:\n" in m.text]


async def test_solve_posts_the_problem_and_starts_the_task_in_its_thread(world):
    ada = world.workspace.person("ada")
    answer = await ada.slash("general", "/solve", "what is 2 < 3 & 4?")
    assert not answer.get("text")
    (root,) = roots(world)
    assert root.text == f"<@{ada.id}> asks:\nwhat is 2 &lt; 3 &amp; 4?"
    (say,) = await world.settled()
    assert say.message.text == "what is 2 < 3 & 4?"
    assert (say.message.author, say.thread.thread_ts) == (ada.id, root.ts)


async def test_solve_calls_nobody_that_the_problem_names(world):
    await world.workspace.person("ada").slash("general", "/solve", "tell <!channel> and @grace")
    (root,) = roots(world)
    body = root.text.partition("\n")[2]
    assert "<" not in body


async def test_the_umbrella_command_solves_as_well(world):
    await world.workspace.person("ada").slash("general", "/treadle", "solve add 1 and 2")
    (say,) = await world.settled()
    assert say.message.text == "add 1 and 2"


async def test_solve_where_the_bot_is_not_a_member_says_how_to_invite_it(world):
    answer = await world.workspace.person("ada").slash("secret", "/solve", "the <riddle>")
    assert "/invite" in answer["text"]
    assert "the &lt;riddle&gt;" in answer["text"]
    assert world.core.said() == []
    assert roots(world, "secret") == []


async def test_solve_without_a_problem_gives_an_example(world):
    answer = await world.workspace.person("ada").slash("general", "/solve", "  ")
    assert "for example" in answer["text"]
    assert roots(world) == []


async def test_a_guests_solve_is_refused_before_anything_is_posted(world):
    answer = await world.workspace.person("gus").slash("general", "/solve", "please")
    assert "guests" in answer["text"]
    assert roots(world) == []


async def test_a_root_message_whose_task_was_not_stored_starts_it_by_its_own_event(world):
    """The process dies between the post and the task: our own message's event is the intent."""
    ada = world.workspace.person("ada")
    world.core.failures = 1
    with pytest.raises(Exception, match=r"operation_timeout|dispatch_failed"):
        await ada.slash("general", "/solve", "do not lose me")
    await world.core.until(world.core.said)
    (say,) = await world.settled()
    assert (say.message.text, say.message.author) == ("do not lose me", ada.id)


async def test_when_posting_takes_too_long_the_person_is_told_what_to_do(world):
    world.workspace.faults.fail_api["chat.postMessage"] = {"status": 500}
    answer = await world.workspace.person("ada").slash("general", "/solve", "please")
    assert "slow" in answer["text"]


async def test_tasks_lists_what_runs_in_this_channel(world):
    await world.workspace.person("ada").post("general", "@treadle work on it")
    await world.core.until(world.core.said)
    answer = await world.workspace.person("grace").slash("general", "/tasks")
    assert "1 task under way" in answer["text"]
    answer = await world.workspace.person("grace").slash("data", "/tasks")
    assert "under way" not in answer["text"]


@pytest.mark.parametrize("verb", ["solve", "tasks", "agent", "memory", "stop", "status", "help"])
async def test_every_verb_answers_help(world, verb):
    answer = await world.workspace.person("ada").slash("general", "/treadle", f"{verb} help")
    assert answer["text"]
    assert "does not know" not in answer["text"]
    assert answer["response_type"] == "ephemeral"


@pytest.mark.parametrize("command", ["/solve", "/tasks", "/agent", "/memory", "/treadle"])
async def test_every_command_answers_help(world, command):
    answer = await world.workspace.person("ada").slash("general", command, "help")
    assert answer["text"]
    assert world.core.said() == []


@pytest.mark.parametrize(
    ("command", "text", "named"),
    [
        ("/treadle", "dance", "“dance”"),
        ("/tasks", "mine", "“mine”"),
        ("/agent", "Bob", "“Bob”"),
        ("/treadle", "tasks all", "“all”"),
        ("/treadle", "help dance", "“dance”"),
        ("/memory", "leaks", "“leaks”"),
        ("/treadle", "<b>`x`</b>", "“&lt;b&gt;'x'&lt;/b&gt;”"),
    ],
)
async def test_a_bad_argument_gets_one_clear_sentence(world, command, text, named):
    answer = await world.workspace.person("ada").slash("general", command, text)
    assert named in answer["text"]
    assert "It understands:" in answer["text"]


async def test_agent_opens_the_form_and_saves_it_as_the_channels_own(world):
    ada = world.workspace.person("ada")
    await ada.slash("general", "/agent")
    view = ada.modal()
    assert view is not None
    state = filled(view, name="Numbers")
    assert not (await ada.submit(view.id, state)).get("response_action")
    channel = world.workspace.channel("general").id
    own = world.rows.channel_rows[world.workspace.team_id, channel].agent_id
    assert own == f"channel-{channel.lower()}"
    assert world.core.agent_rows[own].name == "Numbers"
    assert world.core.agent_rows["default"].name == "Treadle"


async def test_a_wrong_field_is_explained_in_the_form(world):
    ada = world.workspace.person("ada")
    await ada.slash("general", "/agent")
    view = ada.modal()
    said = await ada.submit(view.id, filled(view, name=" "))
    assert said["response_action"] == "errors"
    assert "name" in said["errors"]
    assert list(world.core.agent_rows) == ["default"]


async def test_only_members_of_the_channel_change_its_agent(world):
    ada = world.workspace.person("ada")
    await ada.slash("general", "/agent")
    view = ada.modal()
    await ada.leave("general")
    said = await ada.submit(view.id, filled(view, name="Mine"))
    assert "Only members" in next(iter(said["errors"].values()))
    assert list(world.core.agent_rows) == ["default"]


async def test_a_form_of_an_agent_that_is_gone_saves_nothing(world):
    ada = world.workspace.person("ada")
    await ada.slash("general", "/agent")
    view = ada.modal()
    await ada.post("general", "@treadle hello")
    await world.core.until(world.core.said)
    key = (world.workspace.team_id, world.workspace.channel("general").id)
    other = replace(world.core.agent_rows["default"], id="other")
    world.core.agent_rows["other"] = other
    world.rows.channel_rows[key] = replace(world.rows.channel_rows[key], agent_id="other")
    said = await ada.submit(view.id, filled(view, name="Mine"))
    assert "another agent" in next(iter(said["errors"].values()))


async def test_asking_by_mention_shows_the_same_to_the_person_alone(world):
    ada = world.workspace.person("ada")
    for verb in ("help", "tasks", "agent"):
        await ada.post("general", f"@treadle {verb}")
    await world.workspace.until(lambda: len(ada.ephemerals()) == 3)
    assert await world.settled() == []
    edit = [
        element
        for message in ada.ephemerals()
        for block in message.blocks or []
        for element in block.get("elements", [])
        if element.get("type") == "button" and element["text"]["text"] == "Edit"
    ]
    holder = next(m for m in ada.ephemerals() if "is the agent of this channel" in m.text)
    await ada.click("general", holder.ts, edit[0]["action_id"], edit[0]["value"])
    assert ada.modal() is not None


async def test_status_in_a_thread_shows_its_task(world):
    ada = world.workspace.person("ada")
    root = await ada.post("general", "@treadle work")
    await world.core.until(world.core.said)
    await ada.post("general", "@treadle status", thread_ts=root)
    await world.told("ada")
    assert len(await world.settled()) == 1


def test_renamed_commands_are_understood_by_their_new_names():
    names = command_names(prefix="x-")
    assert set(names.values()) >= {"/x-solve", "/x-tasks", "/x-agent", "/treadle help"}


def filled(view, **changes):
    """Slack's state of an untouched form, with some fields changed."""
    state = {}
    for block in view.payload["blocks"]:
        if block["type"] != "input":
            continue
        element = block["element"]
        now = {
            "type": element["type"],
            "value": changes.get(block["block_id"], element.get("initial_value")),
            "selected_option": element.get("initial_option"),
            "selected_options": element.get("initial_options", []),
        }
        state[block["block_id"]] = {element["action_id"]: now}
    return state


async def test_commands_under_other_names_work_the_same():
    renamed = with_commands(load_manifest(), prefix="x-", has_short=True)
    file, _ = parse_agents_file({"slack": {"command_prefix": "x-"}}, name="t")
    async with LocalWorkspace(replace(QUICK, manifest=renamed)) as workspace:
        world = World(workspace, file=file)
        async with world.running():
            await workspace.person("ada").slash("general", "/x-solve", "add 1 and 2")
            assert [s.message.text for s in await world.settled()] == ["add 1 and 2"]
            answer = await workspace.person("ada").slash("general", "/x-solve")
            assert "/x-solve what is" in answer["text"]
