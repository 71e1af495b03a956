"""The whole bot with a scripted OpenAI-compatible server: every rung of the planner's ladder."""

import pytest

from bot.local_slack.config import LocalWorkspaceConfig
from bot.local_slack.server import LocalWorkspace
from bot.manifest import load_manifest
from tests.fakes.openai_server import Formats, OpenAIServer, echo5, fibonacci
from tests.scenario.whole.conftest import open_town

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


async def test_a_bot_that_is_stopped_right_after_its_start_leaves_nothing_behind(tmp_path, place):
    server = OpenAIServer(echo5)
    async with server.running() as url:
        for _ in range(2):
            async with with_model(tmp_path, place, url):
                pass
