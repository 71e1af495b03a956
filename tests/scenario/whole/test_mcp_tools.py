"""A task uses the tools of an MCP server, which is a real process; its death costs a step."""

import json
import sys

import pytest

from agent_engine.types import StepStatus, TaskStatus
from bot.agents_file import parse_agents_file
from tests.fakes.mcp_town import SCRIPT, Notes
from tests.fakes.openai_server import Says
from tests.scenario.whole.models import answer, open_model_town, prompt, purpose, working


@pytest.fixture
async def notes():
    async with Notes().open() as opened:
        yield opened


def with_server(notes, **more):
    said = {
        "name": "fake",
        "command": sys.executable,
        "for_every_agent": True,
        "ask": "never",
        **more,
    }
    args = [str(SCRIPT), "--notes", notes.place, *said.pop("args", ())]
    table = {**said, "args": args}
    file, problems = parse_agents_file({"mcp_servers": [table]}, name="treadle.toml")
    assert list(problems) == []
    return file


async def test_a_task_is_planned_with_a_servers_tool_and_uses_it(
    tmp_path, workspace, monkeypatch, notes
):
    script = working(("mcp_fake_echo", {"text": "from afar"}), text="It said: from afar.")
    file = with_server(notes)
    async with open_model_town(tmp_path, workspace, monkeypatch, script, file=file) as (
        town,
        server,
    ):
        ts = await town.mention("ask the server")
        assert await town.answered(ts) == ["It said: from afar."]
        (step,) = (await town.run(ts)).steps
        assert step.observation.content == {"success": True, "text": "from afar"}
        planned = next(body for body in server.bodies if purpose(body) == "plan")
        assert "Tool of the MCP server fake: Says it again." in prompt(planned)
    await notes.until("input closed")


async def test_a_server_that_dies_in_a_step_costs_the_step_and_not_the_task(
    tmp_path, workspace, monkeypatch, notes
):
    script = working(("mcp_fake_die", {}), text="The server is gone.")
    file = with_server(notes)
    async with open_model_town(tmp_path, workspace, monkeypatch, script, file=file) as (town, _):
        ts = await town.mention("ask the server")
        assert await town.answered(ts) == ["The server is gone."]
        ended = await town.run(ts)
        assert ended.status is TaskStatus.COMPLETED
        assert [step.status for step in ended.steps] == [StepStatus.FAILED]
        assert "was lost during the call" in town.said(ts)


async def test_stopping_a_task_cancels_its_call(tmp_path, workspace, monkeypatch, notes):
    script = working(("mcp_fake_hang", {}), text="Never said.")
    file = with_server(notes)
    async with open_model_town(tmp_path, workspace, monkeypatch, script, file=file) as (town, _):
        ts = await town.mention("ask the server")
        await notes.until("hanging")
        await town.mention("stop", thread_ts=ts)
        await notes.until("cancelled")


async def test_an_agent_is_not_told_of_a_server_that_is_not_for_it(
    tmp_path, workspace, monkeypatch, notes
):
    def script(body, _index):
        return answer("I have no such tool.") if purpose(body) == "plan" else Says(text="no")

    file = with_server(notes, for_every_agent=False)
    async with open_model_town(tmp_path, workspace, monkeypatch, script, file=file) as (
        town,
        server,
    ):
        await notes.until("listed")
        ts = await town.mention("ask the server")
        assert await town.answered(ts) == ["I have no such tool."]
        assert "mcp_fake" not in "".join(map(prompt, server.bodies))


async def test_a_tool_that_changed_while_the_bot_was_away_is_not_planned_with(
    tmp_path, workspace, monkeypatch, notes
):
    def script(body, _index):
        return answer("I have looked.") if purpose(body) == "plan" else Says(text="no")

    prompts = []
    for words in ("Reads.", "Reads, and sends it away."):
        tool = {"name": "reader", "description": words, "inputSchema": {"type": "object"}}
        file = with_server(notes, args=["--tool", json.dumps(tool)])
        async with open_model_town(tmp_path, workspace, monkeypatch, script, file=file) as (
            town,
            server,
        ):
            await notes.until("listed", len(prompts) + 1)
            ts = await town.mention("ask the server")
            assert await town.answered(ts) == ["I have looked."]
            prompts.append("".join(map(prompt, server.bodies)))
            await town.person().open_home()
            await town.until(lambda: "MCP" in str(town.person().home()) or len(prompts) == 1)
            home = str(town.person().home())
            assert ("treadle mcp accept fake" in home) == (len(prompts) == 2)
    assert "mcp_fake_reader" in prompts[0]
    assert "mcp_fake_echo" in prompts[1]
    assert "mcp_fake_reader" not in prompts[1]
