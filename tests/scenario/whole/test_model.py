"""The whole bot with a scripted OpenAI-compatible server: every rung of the planner's ladder."""

import socket

import pytest

from agent_engine.labels import RECORD_LABEL
from bot.local_slack.config import LocalWorkspaceConfig
from bot.local_slack.server import LocalWorkspace
from bot.manifest import load_manifest
from tests.fakes.openai_server import Formats, OpenAIServer, Says, echo5, fibonacci, in_order
from tests.scenario.whole.conftest import open_town
from tests.scenario.whole.models import HurriedModel, answer

PROBLEM = (
    "Write a Python script that prints the first 15 Fibonacci numbers, run it, and save the "
    "output to fib.txt"
)


@pytest.fixture
async def place():
    config = LocalWorkspaceConfig(manifest=load_manifest())
    async with LocalWorkspace(config) as workspace:
        yield workspace


def with_model(home, workspace, url):
    return open_town(home, workspace, OPENAI_BASE_URL=url, TREADLE_MODEL="fake-model")


@pytest.mark.needs_sandbox
@pytest.mark.parametrize("formats", list(Formats))
async def test_a_problem_is_planned_run_in_the_sandbox_and_answered(tmp_path, place, formats):
    server = OpenAIServer(fibonacci, formats=formats)
    async with server.running() as url, with_model(tmp_path, place, url) as town:
        ts = await town.mention(PROBLEM)
        await town.answered(ts)
        run = await town.run(ts)
        assert [s.status for s in run.steps if s.attempt] == ["done", "done"]
        numbers = run.steps[0].observation.content["stdout"].split()
        assert numbers[:3] + numbers[-1:] == ["0", "1", "1", "377"]
        assert "fib.txt" in [n for m in town.ours(ts) for n in place.file_names(m)]
        assert run.usage.tokens > 0


@pytest.mark.needs_sandbox
async def test_a_very_small_model_writes_the_program_and_rules_do_the_rest(tmp_path, place):
    code = "a, b = 0, 1\nfor _ in range(15):\n    print(a)\n    a, b = b, a + b"
    server = OpenAIServer(in_order(Says(text=f"Sure:\n```python\n{code}\n```")))
    async with server.running() as url:
        facts = {"OPENAI_BASE_URL": url, "TREADLE_MODEL": "tiny-135m"}
        async with open_town(tmp_path, place, **facts) as town:
            ts = await town.mention(PROBLEM)
            await town.answered(ts)
            run = await town.run(ts)
            assert [s.status for s in run.steps if s.attempt] == ["done", "done"]
            assert run.steps[0].observation.content["stdout"].split()[-1] == "377"
            assert "fib.txt" in [n for m in town.ours(ts) for n in place.file_names(m)]
            assert RECORD_LABEL in town.said(ts)
    assert all("response_format" not in body for body in server.bodies)


async def test_a_server_that_is_started_after_the_bot_is_used_from_then_on(
    tmp_path, place, monkeypatch
):
    monkeypatch.setattr("agent_engine.models.retry.RetryingModel", HurriedModel)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    server = OpenAIServer(in_order(answer("Hello!")))
    async with open_town(tmp_path, place, OPENAI_BASE_URL=f"http://127.0.0.1:{port}/v1") as town:
        early = await town.mention("hello?")
        await town.unhappy_end(early)
        assert f"127.0.0.1:{port} cannot be reached" in town.said(early)
        async with server.running(port):
            late = await town.mention("hello?")
            assert await town.answered(late)
    assert {body["model"] for body in server.bodies} == {"fake-model"}


async def test_a_bot_that_is_stopped_right_after_its_start_leaves_nothing_behind(tmp_path, place):
    server = OpenAIServer(echo5)
    async with server.running() as url:
        for _ in range(2):
            async with with_model(tmp_path, place, url):
                pass
