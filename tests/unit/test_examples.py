"""The examples run, as their own first lines say."""

import asyncio
import sys
from pathlib import Path

from tests.fakes.openai_server import OpenAIServer
from tests.scenario.whole.models import working

ROOT = Path(__file__).parents[2]
PATIENCE_S = 60.0


async def example(*arguments):
    """Run the example as a process of its own; return its exit code and all that it said."""
    async with asyncio.timeout(PATIENCE_S):
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(ROOT / "examples" / "agent.py"),
            *arguments,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={"PYTHONPATH": str(ROOT)},
        )
        out, _ = await process.communicate()
        return process.returncode, out.decode()


async def test_the_agent_works_without_a_language_model():
    code, said = await example("calculate 17*23")
    assert code == 0
    assert "1. Calculate 17*23" in said
    assert "`17*23` = **391**" in said


async def test_a_language_model_uses_the_tool_of_the_example():
    server = OpenAIServer(working(("dice", {"count": "2", "sides": "20"}), text="They are rolled."))
    async with server.running() as url:
        code, said = await example("--url", url, "--model", "fake-model", "Roll two dice of 20.")
    assert code == 0
    assert "'success': True" in said
    assert said.strip().endswith("They are rolled.")
    assert "Rolls dice." in str(server.bodies[0])


async def test_the_tour_shows_what_is_remembered_learned_and_done_better():
    code, said = await example()
    assert code == 0, said
    before, after = said.split("Lesson for next time: Check what you calculate.")
    assert "- the kiln runs on Tuesdays" in before
    assert "`17 * 23` = **391**" in before
    assert "for a lesson says so" not in before
    assert "2. Check 19 * 21, for a lesson says so: {'success': True" in after
    assert "Lessons applied: 1" in after
    assert "learning_capability=True" in after


async def test_what_the_example_is_told_it_knows_in_another_process(tmp_path):
    at = ("--memory", str(tmp_path / "agent.db"))
    assert (await example(*at, "remember that the kiln runs on Tuesdays"))[0] == 0
    code, said = await example(*at, "what do you know about the kiln?")
    assert code == 0
    assert "the kiln runs on Tuesdays (" in said
