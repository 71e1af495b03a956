"""One variant of ``engine_cost`` in a process of its own: ``VARIANT URL TASKS``."""

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from benchmarks.machine import rss_mb

CONCURRENT = 50
SETTLED_AFTER = 200
MODEL = "fake-model"
ECHO = {
    "type": "object",
    "properties": {"text": {"type": "string"}},
    "required": ["text"],
    "additionalProperties": False,
}
Solve = Callable[[int], Awaitable[None]]


async def measure(open_solve: Callable[[str, AsyncExitStack], Awaitable[Solve]]) -> None:
    """Solve the tasks and print CPU, speed and memory."""
    url, tasks = sys.argv[2], int(sys.argv[3])
    async with AsyncExitStack() as stack:
        solve = await open_solve(url, stack)
        await solve(0)
        began_s, cpu_s = time.perf_counter(), time.process_time()
        left = iter(range(1, tasks + 1))
        peak, settled = rss_mb(), 0.0

        async def work() -> None:
            nonlocal peak, settled
            for number in left:
                await solve(number)
                peak = max(peak, rss_mb())
                if number == SETTLED_AFTER:
                    settled = peak

        async with asyncio.TaskGroup() as group:
            for _ in range(CONCURRENT):
                group.create_task(work())
        took_s, used_s = time.perf_counter() - began_s, time.process_time() - cpu_s
    result = {
        "cpu_ms": used_s * 1000 / tasks,
        "tasks_per_s": tasks / took_s,
        "rss_mb": peak,
        "growth_mb": peak - settled if settled else 0.0,
    }
    print(json.dumps(result))


async def open_bare(url: str, stack: AsyncExitStack) -> Solve:
    """The loop that people write first: the client's typed path."""
    from openai import AsyncOpenAI  # noqa: PLC0415 - only what the variant needs is imported

    client = await stack.enter_async_context(
        AsyncOpenAI(base_url=url, api_key="local", max_retries=0)
    )
    tools: Any = [{"type": "function", "function": {"name": "echo", "parameters": ECHO}}]

    async def solve(_number: int) -> None:
        messages: Any = [{"role": "user", "content": "echo five times"}]
        while True:
            reply = await client.chat.completions.create(
                model=MODEL, messages=messages, tools=tools
            )
            message = reply.choices[0].message
            if not message.tool_calls:
                return
            messages.append(message.model_dump(exclude_none=True))
            for call in message.tool_calls:
                arguments = json.loads(call.function.arguments)
                result = json.dumps({"success": True, "echo": arguments["text"]})
                messages.append({"role": "tool", "tool_call_id": call.id, "content": result})

    return solve


async def open_post(url: str, stack: AsyncExitStack) -> Solve:
    """The same loop on the client's untyped path."""
    from openai import AsyncOpenAI  # noqa: PLC0415 - only what the variant needs is imported

    client = await stack.enter_async_context(
        AsyncOpenAI(base_url=url, api_key="local", max_retries=0)
    )
    tools = [{"type": "function", "function": {"name": "echo", "parameters": ECHO}}]

    async def solve(_number: int) -> None:
        messages: list[Any] = [{"role": "user", "content": "echo five times"}]
        while True:
            body = {"model": MODEL, "messages": messages, "tools": tools}
            reply: Any = await client.post("/chat/completions", body=body, cast_to=object)
            message = reply["choices"][0]["message"]
            if not message.get("tool_calls"):
                return
            messages.append(message)
            for call in message["tool_calls"]:
                arguments = json.loads(call["function"]["arguments"])
                result = json.dumps({"success": True, "echo": arguments["text"]})
                messages.append({"role": "tool", "tool_call_id": call["id"], "content": result})

    return solve


def _echo_tool() -> Any:
    from agent_engine.tools.declare import DeclaredTool, Parameters  # noqa: PLC0415 - see above

    class EchoParameters(Parameters):
        text: str

    async def echo(parameters: EchoParameters, _context: object) -> dict[str, Any]:
        return {"success": True, "echo": parameters.text}

    return DeclaredTool(
        name="echo", description="Echo a text.", parameters=EchoParameters, run=echo
    )


def _model(url: str, stack: AsyncExitStack) -> Any:
    from agent_engine.models.openai_compatible import OpenAICompatibleModel  # noqa: PLC0415
    from agent_engine.models.retry import RetryingModel  # noqa: PLC0415 - goes with it

    client = OpenAICompatibleModel(MODEL, base_url=url, native_tools=True)
    stack.push_async_callback(client.aclose)
    return RetryingModel(client)


async def open_library(url: str, stack: AsyncExitStack) -> Solve:
    """The engine as a library."""
    from agent_engine.agent import AgentParts, BaseAgent  # noqa: PLC0415 - see above
    from agent_engine.planners.answering import LLMAnswerWriter  # noqa: PLC0415 - see above
    from agent_engine.planners.stepwise import StepwisePlanner  # noqa: PLC0415 - see above
    from agent_engine.types import Task  # noqa: PLC0415 - see above

    parts = AgentParts(model=_model(url, stack), planner=StepwisePlanner, writer=LLMAnswerWriter)
    agent = BaseAgent("agent", parts, tools=[_echo_tool()])

    async def solve(_number: int) -> None:
        result = await agent.execute_task(Task(description="echo five times"))
        if not result.success or result.iterations != 5:
            raise RuntimeError(result.error or f"{result.iterations} iterations")
        agent.forget(result.run.task.id)

    return solve


async def _stored_parts(url: str, stack: AsyncExitStack) -> Any:
    from agent_engine.clock import SystemClock  # noqa: PLC0415 - see above
    from agent_engine.equipment import Equipment  # noqa: PLC0415 - see above
    from agent_engine.loop import AgentLoop  # noqa: PLC0415 - see above
    from agent_engine.planners.answering import LLMAnswerWriter  # noqa: PLC0415 - see above
    from agent_engine.planners.stepwise import StepwisePlanner  # noqa: PLC0415 - see above
    from agent_engine.states import AgentStates  # noqa: PLC0415 - see above
    from agent_engine.tools.call import ToolCaller  # noqa: PLC0415 - see above
    from agent_engine.tools.task_folders import TaskFolders  # noqa: PLC0415 - see above
    from agent_engine.watch import SignalWatch  # noqa: PLC0415 - see above
    from storage.database import open_database  # noqa: PLC0415 - see above
    from storage.runs import SqlRunStore  # noqa: PLC0415 - see above
    from storage.slots import SlotCaps  # noqa: PLC0415 - see above

    home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    database = await stack.enter_async_context(open_database(f"sqlite:///{home / 'b.db'}"))
    runs = SqlRunStore(database, caps=SlotCaps(per_person=1_000, per_channel=1_000))
    clock = SystemClock()
    equipment = Equipment(
        model=_model(url, stack),
        planner=StepwisePlanner,
        planner_name="stepwise",
        writer=LLMAnswerWriter,
        judge=None,
        tools=ToolCaller([_echo_tool()], clock),
        folders=TaskFolders(home / "tasks"),
    )
    loop = AgentLoop(
        runs=runs,
        equip=lambda _profile: equipment,
        watch=SignalWatch(runs),
        clock=clock,
        states=AgentStates(),
    )
    return loop, database, home, runs


async def _commands(database: Any) -> Any:
    from agent_engine.types import AgentId, AgentProfile, WorkspaceId  # noqa: PLC0415 - see above
    from storage.agents import SqlAgentDirectory  # noqa: PLC0415 - see above
    from storage.commands.store import SqlCommandStore  # noqa: PLC0415 - see above

    profile = AgentProfile(
        id=AgentId("agent"), workspace_id=WorkspaceId("T1"), name="agent", max_concurrent=1_000
    )
    await SqlAgentDirectory(database).save_agent(profile)
    return SqlCommandStore(database)


def _say(number: int) -> Any:
    from agent_engine.commands import Say  # noqa: PLC0415 - see above
    from agent_engine.types import (  # noqa: PLC0415 - see above
        AgentId,
        ChannelId,
        PersonMessage,
        Thread,
        UserId,
        WorkspaceId,
        now_utc,
    )

    thread = Thread(
        workspace_id=WorkspaceId("T1"), channel_id=ChannelId("C1"), thread_ts=f"{number}.0"
    )
    message = PersonMessage(
        id=f"{number}.0", author=UserId("U1"), text="echo five times", sent_at=now_utc()
    )
    return Say(
        thread=thread, agent_id=AgentId("agent"), message=message, starts=True, continues=True
    )


async def open_stored(url: str, stack: AsyncExitStack) -> Solve:
    """The engine with every event in SQLite."""
    loop, database, _, runs = await _stored_parts(url, stack)
    commands = await _commands(database)

    async def solve(number: int) -> None:
        started = await commands.carry_out(_say(number), keys=(f"k{number}",))
        progress = await loop.advance(started.run_id, worker="w")
        if not progress.done:
            raise RuntimeError("the run is not done")
        if number == 0:
            run = await runs.load(started.run_id)
            if run.usage.iterations != 5 or run.answer is None:
                raise RuntimeError(str(run.end))

    return solve


async def open_durable(url: str, stack: AsyncExitStack) -> Solve:
    """The same with one dbos workflow per run."""
    from agent_engine.durable import DurableRuns, sqlite_url  # noqa: PLC0415 - see above
    from storage.bell import open_bell  # noqa: PLC0415 - see above
    from storage.wakeups import SqlWakeupStore  # noqa: PLC0415 - see above

    loop, database, home, _ = await _stored_parts(url, stack)
    commands = await _commands(database)
    bell = await stack.enter_async_context(open_bell(database))
    ended: dict[str, asyncio.Event] = {}

    async def advance(run_id: Any) -> Any:
        progress = await loop.advance(run_id, worker="w")
        if progress.done:
            ended.setdefault(run_id, asyncio.Event()).set()
        return progress

    durable = DurableRuns(
        url=sqlite_url(home), advance=advance, wakeups=SqlWakeupStore(database), bell=bell
    )
    await durable.open()
    stack.push_async_callback(durable.close)
    group = await stack.enter_async_context(asyncio.TaskGroup())
    delivering = group.create_task(durable.run())
    stack.callback(delivering.cancel)

    async def solve(number: int) -> None:
        from agent_engine.ports import Topic  # noqa: PLC0415 - see above

        started = await commands.carry_out(_say(number), keys=(f"k{number}",))
        done = ended.setdefault(started.run_id, asyncio.Event())
        bell.ring(Topic.WAKEUPS)
        await done.wait()
        ended.pop(started.run_id)

    return solve


OPENERS = {
    "bare": open_bare,
    "post": open_post,
    "library": open_library,
    "stored": open_stored,
    "durable": open_durable,
}

if __name__ == "__main__":
    asyncio.run(measure(OPENERS[sys.argv[1]]))
