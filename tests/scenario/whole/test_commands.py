"""Slash commands and the same verbs as words, with the whole bot."""

from dataclasses import replace

import pytest

from agent_engine.types import EndReason, TaskStatus
from bot.agents_file import parse_agents_file
from bot.local_slack.config import LocalWorkspaceConfig
from bot.local_slack.server import LocalWorkspace
from bot.manifest import load_manifest, with_commands
from tests.fakes.openai_server import in_order
from tests.scenario.whole.conftest import open_town
from tests.scenario.whole.models import answer, open_model_town, prompt

SLOW = "run this\n```bash\nsleep 60\n```"
VERBS = ("help", "solve", "tasks", "agent", "stop", "status")


def root_of(town, words):
    """The root message in #general that the bot posted for a problem; None before it is there."""
    found = (c for c in town.workspace.traffic.calls("chat.postMessage") if words in c.args["text"])
    return next((call.result["ts"] for call in found), None)


def field_values(view, **changes):
    """What a person sends who changes some fields of a form and leaves the others."""
    elements = {
        block["block_id"]: block["element"]
        for block in view.payload["blocks"]
        if block["type"] == "input"
    }
    return {
        name: {
            element["action_id"]: {
                "type": element["type"],
                "value": changes.get(name, element.get("initial_value")),
                "selected_option": element.get("initial_option"),
                "selected_options": element.get("initial_options", []),
            }
        }
        for name, element in elements.items()
    }


# -- /solve --------------------------------------------------------------------------------------


async def test_solve_posts_the_problem_as_the_persons_and_answers_in_its_thread(town):
    ada = town.person()
    await ada.slash("general", "/solve", "calculate 17*23")
    ts = root_of(town, "calculate 17*23")
    (said,) = await town.answered(ts)
    assert "391" in said
    assert town.workspace.thread("general", ts)[0].text.startswith(f"<@{ada.id}> asks:")
    run = await town.run(ts)
    assert (run.requester, run.task.description) == (ada.id, "calculate 17*23")


async def test_solve_is_one_task_though_its_own_message_comes_back_as_an_event(town):
    await town.person().slash("general", "/solve", "calculate 17*23")
    ts = root_of(town, "calculate 17*23")
    await town.answered(ts)
    other = await town.mention("calculate 5+5")
    await town.answered(other)
    assert len(await town.engine.tasks(town.thread(ts).workspace_id)) == 2


@pytest.mark.parametrize("text", ["", "   ", "\n"])
async def test_solve_without_a_problem_says_how_to_give_one(town, text):
    said = await town.person().slash("general", "/solve", text)
    assert "Put the problem behind the command" in said["text"]
    assert town.calls("chat.postMessage") == 0


async def test_solve_where_the_bot_is_not_says_how_to_invite_it(town):
    said = await town.person().slash("secret", "/solve", "calculate 1+1")
    assert "/invite" in said["text"]
    assert "calculate 1+1" in said["text"], "what was written is not lost"
    assert await town.engine.tasks(town.workspace.team_id) == []


# -- /tasks --------------------------------------------------------------------------------------


async def test_tasks_lists_them_with_a_stop_button_that_works(town):
    ts = await town.mention(SLOW)
    await town.working_on(ts, "Run")
    await town.person().slash("general", "/tasks")
    listed = town.person().ephemerals("general")[-1]
    stop = next(b["accessory"] for b in listed.blocks if b.get("accessory"))
    assert stop["text"]["text"] == "Stop"
    await town.person().click("general", listed.ts, stop["action_id"], stop["value"])
    await town.until(lambda: town.is_quiet(ts))
    run = await town.run(ts)
    assert (run.status, run.end.reason) == (TaskStatus.CANCELLED, EndReason.STOPPED)
    said = await town.person().slash("general", "/tasks")
    assert said["text"].startswith("0 tasks under way")


async def test_stopping_somebody_elses_task_from_the_list_is_refused_with_one_sentence(town):
    ts = await town.mention(SLOW)
    await town.working_on(ts, "Run")
    grace = town.person("grace")
    await grace.slash("general", "/tasks")
    listed = grace.ephemerals("general")[-1]
    stop = next(b["accessory"] for b in listed.blocks if b.get("accessory"))
    await grace.click("general", listed.ts, stop["action_id"], stop["value"])
    await town.until(lambda: any("can stop this task" in t for t in town.ephemerals("grace")))
    assert (await town.run(ts)).end is None


# -- /agent --------------------------------------------------------------------------------------


async def test_what_is_submitted_in_the_form_is_in_the_next_tasks_prompt(
    tmp_path, workspace, monkeypatch
):
    script = in_order(answer("Ahoy."))
    async with open_model_town(tmp_path, workspace, monkeypatch, script) as (town, server):
        ada = town.person()
        await ada.slash("general", "/agent")
        form = ada.modal()
        rules = "Always answer like a pirate."
        said = await ada.submit(form.id, field_values(form, instructions=rules, name="Pirate"))
        assert not said.get("response_action")
        ts = await town.mention("say hello")
        await town.answered(ts)
        assert rules in prompt(server.bodies[-1])
        elsewhere = await town.mention("say hello", channel="data")
        await town.answered(elsewhere, channel="data")
        assert rules not in prompt(server.bodies[-1]), "another channel has another agent"


async def test_a_wrong_number_is_explained_in_the_form_and_changes_nothing(town):
    ada = town.person()
    await ada.slash("general", "/agent")
    form = ada.modal()
    said = await ada.submit(form.id, field_values(form, iterations="many", name=""))
    assert said["response_action"] == "errors"
    assert set(said["errors"]) == {"iterations", "name"}
    agents = await town.engine.agents(town.workspace.team_id)
    assert [agent.name for agent in agents] == ["Treadle"]


# -- /treadle and words --------------------------------------------------------------------------


@pytest.mark.parametrize("verb", VERBS)
async def test_the_one_command_knows_every_verb(town, verb):
    said = await town.person().slash("general", "/treadle", verb)
    assert said.get("text") or (verb == "agent" and town.person().modal())
    helped = await town.person().slash("general", "/treadle", f"{verb} help")
    assert "does not know" not in helped["text"]


@pytest.mark.parametrize("text", ["dance", "tasks mine", "help dance", "x" * 5_000, "<!channel>"])
async def test_an_unknown_word_gets_one_sentence_and_starts_nothing(town, text):
    said = await town.person().slash("general", "/treadle", text)
    assert "does not know" in said["text"]
    assert len(said["text"]) < 300
    assert "<!channel>" not in said["text"]
    assert await town.engine.tasks(town.workspace.team_id) == []


@pytest.mark.parametrize(
    ("word", "shown"),
    [("status", "Run the bash code"), ("tasks", "1 task under way"), ("help", "/solve")],
)
async def test_a_word_in_a_thread_shows_the_same_to_its_author_alone(town, word, shown):
    ts = await town.mention(SLOW)
    await town.working_on(ts, "Run")
    await town.mention(word, person="grace", thread_ts=ts)

    def seen():
        found = town.person("grace").ephemerals("general")
        return [m for m in found if shown in f"{m.text}{m.blocks}"]

    await town.until(seen)
    assert town.ephemerals("ada") == []
    assert (await town.run(ts)).end is None
    assert len(await town.engine.tasks(town.workspace.team_id)) == 1


async def test_stop_in_a_thread_stops_it_and_where_nothing_runs_says_so(town):
    ts = await town.mention(SLOW)
    await town.working_on(ts, "Run")
    await town.mention("Stop!", thread_ts=ts)
    await town.until(lambda: town.is_quiet(ts))
    assert (await town.run(ts)).end.reason is EndReason.STOPPED
    await town.mention("stop")
    await town.until(lambda: any("thread" in text for text in town.ephemerals()))


# -- other names ---------------------------------------------------------------------------------


async def test_renamed_short_commands_work_and_the_one_command_stays(tmp_path):
    manifest = with_commands(load_manifest(), prefix="x-", has_short=True)
    file, problems = parse_agents_file({"slack": {"command_prefix": "x-"}}, name="treadle.toml")
    assert not problems
    config = LocalWorkspaceConfig(manifest=manifest)
    async with (
        LocalWorkspace(config) as workspace,
        open_town(tmp_path, workspace, file=file) as town,
    ):
        await town.person().slash("general", "/x-solve", "calculate 6*7")
        (said,) = await town.answered(root_of(town, "calculate 6*7"))
        assert "42" in said
        helped = await town.person().slash("general", "/treadle")
        assert "/x-solve" in str(helped)


async def test_without_short_commands_the_one_command_does_it_all(tmp_path):
    manifest = with_commands(load_manifest(), prefix="", has_short=False)
    file, _ = parse_agents_file({"slack": {"short_commands": False}}, name="treadle.toml")
    config = replace(LocalWorkspaceConfig(), manifest=manifest)
    async with (
        LocalWorkspace(config) as workspace,
        open_town(tmp_path, workspace, file=file) as town,
    ):
        await town.person().slash("general", "/treadle", "solve calculate 6*7")
        (said,) = await town.answered(root_of(town, "calculate 6*7"))
        assert "42" in said
