"""Scripted planners and small tools, for tests of the loop."""

import asyncio
from pathlib import Path

from agent_engine.clock import SystemClock
from agent_engine.equipment import Equipment
from agent_engine.errors import ToolError
from agent_engine.in_memory import InMemoryRunStore
from agent_engine.loop import AgentLoop
from agent_engine.ports import Dialect, ModelReply, ToolTraits
from agent_engine.states import AgentStates
from agent_engine.tools.call import ToolCaller
from agent_engine.types import ActionType, AgentAction, Answer, Proposal, Task
from agent_engine.watch import SignalWatch
from tests.fakes.snapshots import an_agent


def use(tool, *depends_on, check=None, **parameters):
    facts = {} if check is None else {"check": check[0], "check_value": check[1]}
    return AgentAction(
        action_type=ActionType.USE_TOOL,
        tool_name=tool,
        parameters=parameters,
        depends_on=depends_on,
        description=f"use {tool}",
        **facts,
    )


def do(action_type, **parameters):
    return AgentAction(action_type=action_type, parameters=parameters)


def propose(*actions, open_ended=False):
    return Proposal(actions=actions, open_ended=open_ended)


class ScriptedPlanner:
    """Proposes what the test says, in order, and remembers what it was told."""

    def __init__(self, *proposals):
        self.proposals = list(proposals)
        self.asked = []

    def __call__(self, model):
        self.model = model
        return self

    async def create_plan(self, goal, context, _tools):
        return await self._next(("create", goal, context))

    async def replan(self, _plan, _results, new_context, _tools):
        return await self._next(("replan", new_context.because, new_context))

    async def _next(self, asked):
        self.asked.append(asked)
        proposal = self.proposals.pop(0)
        if isinstance(proposal, Exception):
            raise proposal
        return await proposal(self) if callable(proposal) else proposal


class EchoWriter:
    """Answers with what it was told."""

    def __init__(self, model):
        self.model = model

    async def write(self, context):
        seen = [dict(s.observation.content) for s in context.steps if s.observation]
        return Answer(text=f"{context.goal}: {seen} {context.incomplete_because}".strip())


class NoModel:
    """A model that a test expects not to be asked."""

    name = "none"
    dialect = Dialect()

    async def complete(self, _request):
        return ModelReply(text="ok", model="none", prompt_tokens=10, completion_tokens=5)


class SmallTool:
    """A tool made of a coroutine function."""

    def __init__(self, name, run, **traits):
        self.name = name
        self.description = name
        self.parameters_schema = {"type": "object", "properties": {}}
        self.traits = ToolTraits(**traits)
        self.run = run
        self.calls = []

    async def execute(self, arguments, context):
        self.calls.append((dict(arguments), context))
        return await self.run(arguments)


def tool_returning(name, *results, **traits):
    """A tool that returns these results in turn, the last one again and again."""
    left = list(results)

    async def run(_arguments):
        result = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(result, Exception):
            raise result
        return result

    return SmallTool(name, run, **traits)


def failing(name, *sentences):
    return tool_returning(name, *(ToolError(sentence) for sentence in sentences))


class Folders:
    """Every task has the same folder."""

    def __init__(self, root):
        self.root = Path(root)

    def folder(self, _scope, _task_id):
        return self.root


class Bench:
    """A loop over runs in memory, with scripted parts."""

    def __init__(self, planner, tools, folder, *, caller=None, listener=None, **equipment):
        self.planner = planner
        self.store = InMemoryRunStore()
        self.watch = SignalWatch(self.store)
        self.states = AgentStates()
        self.tools = tools
        self.equipment = Equipment(
            **{
                "model": NoModel(),
                "planner": planner,
                "planner_name": "scripted",
                "writer": EchoWriter,
                "judge": None,
                "tools": caller or ToolCaller(tools, SystemClock()),
                "folders": Folders(folder),
                **equipment,
            }
        )
        self.loop = AgentLoop(
            runs=self.store,
            equip=lambda _profile: self.equipment,
            watch=self.watch,
            clock=SystemClock(),
            states=self.states,
            listener=listener,
        )

    def add(self, description="what is 6*7?", agent=None, **facts):
        return self.store.add(Task(description=description), agent or an_agent(), **facts)

    async def advance(self, run_id):
        async with asyncio.timeout(5):
            progress = await self.loop.advance(run_id, worker="w")
        return progress, await self.store.load(run_id)

    async def run(self, description="what is 6*7?", **facts):
        """Run one task to where it is done or waits."""
        return (await self.advance(self.add(description, **facts)))[1]
