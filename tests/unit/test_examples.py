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
