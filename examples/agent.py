"""An agent as a library: no Slack, no database. One tool of our own, one that ships with Treadle.

    python examples/agent.py "calculate 17*23"
    python examples/agent.py --url http://127.0.0.1:11434/v1 --model qwen3 "Roll two dice of 20."

Without ``--url`` the offline model works: it understands arithmetic and files, and says so.
"""

import argparse
import asyncio
import secrets

from pydantic import Field

from agent_engine.agent import AgentParts, BaseAgent, TaskResult
from agent_engine.models.offline import OfflineModel
from agent_engine.models.openai_compatible import OpenAICompatibleModel
from agent_engine.models.retry import RetryingModel
from agent_engine.planners.choose import answer_writer_factory, planner_factory
from agent_engine.ports import ModelClient, ToolContext
from agent_engine.tools.calculate import calculate
from agent_engine.tools.declare import DeclaredTool, Parameters
from agent_engine.types import JsonObject, PlannerKind, Task


class Dice(Parameters):
    """What the model may choose."""

    count: int = Field(ge=1, le=100, description="How many dice.")
    sides: int = Field(6, ge=2, le=1000, description="How many sides each has.")


async def roll(dice: Dice, _context: ToolContext) -> JsonObject:
    """Roll; the arguments are valid by now."""
    return {"rolls": [secrets.randbelow(dice.sides) + 1 for _ in range(dice.count)]}


DICE = DeclaredTool(name="dice", description="Rolls dice.", parameters=Dice, run=roll)


def make_agent(model: ModelClient, kind: PlannerKind) -> BaseAgent:
    """Put an agent together: a model, how it plans and answers, its tools."""
    parts = AgentParts(
        model=model, planner=planner_factory(kind), writer=answer_writer_factory(kind)
    )
    return BaseAgent("gambler", parts, tools=[calculate(), DICE], max_iterations=5)


async def solve(task: str, *, url: str | None, model: str) -> TaskResult:
    """Work on one task, with a language model where there is one."""
    if url is None:
        return await make_agent(OfflineModel(), PlannerKind.OFFLINE).execute_task(
            Task(description=task)
        )
    async with OpenAICompatibleModel(model, base_url=url) as client:
        agent = make_agent(RetryingModel(client), PlannerKind.LLM)
        return await agent.execute_task(Task(description=task))


async def main() -> None:
    """Work on one task and print what was done and what came of it."""
    parser = argparse.ArgumentParser(description="Gives one task to an agent.")
    parser.add_argument("task")
    parser.add_argument("--url", help="an OpenAI-compatible server, ending in /v1")
    parser.add_argument("--model", default="default")
    given = parser.parse_args()
    result = await solve(given.task, url=given.url, model=given.model)
    for entry in result.execution_history:
        print(f"{entry.iteration}. {entry.action}: {dict(entry.result)}")
    print(result.result if result.success else f"{result.status}: {result.error}")


if __name__ == "__main__":
    asyncio.run(main())
