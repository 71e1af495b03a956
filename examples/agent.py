"""The complete agent as a library, without Slack: tools, a memory on disk, lessons from feedback.

    python examples/agent.py                       (a tour: it remembers, errs, learns, does better)
    python examples/agent.py "calculate 17*23"
    python examples/agent.py --url http://127.0.0.1:11434/v1 --model qwen3 "Roll two dice of 20."

Without ``--url`` the offline model works: it understands arithmetic, files and facts, and says so.
``--memory agent.db`` keeps what it remembers for the next time.
"""

import argparse
import asyncio
import secrets
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

from pydantic import Field
from typing_extensions import override

from agent_engine.agent import AgentParts, TaskResult
from agent_engine.intelligent import IntelligentAgent
from agent_engine.memory.long_term import LongTermMemory
from agent_engine.models.offline import OfflineModel
from agent_engine.models.openai_compatible import OpenAICompatibleModel
from agent_engine.models.retry import RetryingModel
from agent_engine.planners.choose import answer_writer_factory, planner_factory
from agent_engine.planners.offline import OfflinePlanner
from agent_engine.ports import ModelClient, PlanningContext, ToolContext, ToolSpec
from agent_engine.tools.calculate import calculate
from agent_engine.tools.declare import DeclaredTool, Parameters
from agent_engine.types import JsonObject, PlannerKind, Proposal
from storage.database import open_database
from storage.memory.indexes import indexes_of
from storage.memory.store import SqlMemoryStore


class Dice(Parameters):
    """What the model may choose."""

    count: int = Field(ge=1, le=100, description="How many dice.")
    sides: int = Field(6, ge=2, le=1000, description="How many sides each has.")


async def roll(dice: Dice, _context: ToolContext) -> JsonObject:
    """Roll; the arguments are valid by now."""
    return {"rolls": [secrets.randbelow(dice.sides) + 1 for _ in range(dice.count)]}


DICE = DeclaredTool(name="dice", description="Rolls dice.", parameters=Dice, run=roll)


class CarefulPlanner(OfflinePlanner):
    """Plans by rules, and heeds one kind of lesson; a language model heeds all by itself."""

    @override
    async def create_plan(
        self, goal: str, context: PlanningContext, available_tools: Sequence[ToolSpec]
    ) -> Proposal:
        """Propose the steps, and a check of the last one where a lesson asks for it."""
        plan = await super().create_plan(goal, context, available_tools)
        wants_check = any("check" in lesson.lower() for lesson in context.lessons)
        if not wants_check or not plan.actions or plan.actions[-1].tool_name != "calculate":
            return plan
        sum_of = plan.actions[-1].parameters["expression"]
        check = replace(
            plan.actions[-1],
            description=f"Check {sum_of}, for a lesson says so",
            parameters={"expression": f"({sum_of}) * 2 / 2"},
        )
        return replace(plan, actions=(*plan.actions, check))


@asynccontextmanager
async def opened_agent(
    memory: Path, *, url: str | None, model: str
) -> AsyncIterator[IntelligentAgent]:
    """Put an agent together: a model, how it plans and answers, its tools, its memory."""
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(open_database(f"sqlite:///{memory}"))
        kind, client = PlannerKind.OFFLINE, None
        if url is not None:
            kind = PlannerKind.LLM
            client = await stack.enter_async_context(OpenAICompatibleModel(model, base_url=url))
        speaks: ModelClient = OfflineModel() if client is None else RetryingModel(client)
        parts = AgentParts(
            model=speaks,
            planner=CarefulPlanner if client is None else planner_factory(kind),
            planner_name=kind.value,
            writer=answer_writer_factory(kind),
        )
        yield IntelligentAgent(
            "gambler",
            parts,
            LongTermMemory(SqlMemoryStore(database, indexes_of(database))),
            tools=[calculate(), DICE],
            max_iterations=5,
        )


def show(result: TaskResult) -> None:
    """Print what was done and what came of it."""
    for entry in result.execution_history:
        print(f"{entry.iteration}. {entry.action}: {dict(entry.result)}")
    print(result.result if result.success else f"{result.status}: {result.error}")


async def tour(agent: IntelligentAgent) -> None:
    """Let it remember, work, be told what was wrong, and do better."""
    print("> remember that the kiln runs on Tuesdays")
    print(await agent.chat("remember that the kiln runs on Tuesdays"))
    print("> what do you know about the kiln?")
    print(await agent.chat("what do you know about the kiln?"))
    print("> calculate 17 * 23")
    first = await agent.solve_problem("calculate 17 * 23")
    show(first)
    print("> 👎 Check what you calculate.")
    task = first.run.task.id
    lesson = await agent.learn_from_feedback(task, "Check what you calculate.", rating=1)
    print(f"Lesson for next time: {lesson}")
    print("> calculate 19 * 21")
    second = await agent.solve_problem("calculate 19 * 21")
    show(second)
    applied = sum(use.kind == "lesson" for use in second.run.memories_used)
    print(f"Lessons applied: {applied}")
    print(agent.get_capabilities())


async def main() -> None:
    """Work on one task, or give the tour."""
    parser = argparse.ArgumentParser(description="Gives one task to an agent, or shows it round.")
    parser.add_argument("task", nargs="?")
    parser.add_argument("--url", help="an OpenAI-compatible server, ending in /v1")
    parser.add_argument("--model", default="default")
    parser.add_argument(
        "--memory", type=Path, help="a file; without it all is forgotten at the end"
    )
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        memory = (given.memory or Path(folder) / "agent.db").absolute()
        async with opened_agent(memory, url=given.url, model=given.model) as agent:
            if given.task is None:
                await tour(agent)
            else:
                show(await agent.solve_problem(given.task))


if __name__ == "__main__":
    asyncio.run(main())
