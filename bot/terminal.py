"""One task, or one tool call, in the terminal: the engine as a library, without Slack or dbos."""

import json
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from agent_engine.agent import AgentParts, BaseAgent, TaskResult
from agent_engine.events import PlanMade, RunEvent, StepFinished, StepStarted
from agent_engine.ports import ToolContext
from agent_engine.types import (
    APPROVE,
    LIBRARY_SCOPE,
    ActionType,
    AgentProfile,
    ApprovedCall,
    JsonObject,
    ProposedCall,
    Resolution,
    RunId,
    RunSnapshot,
    Step,
    Task,
    TaskId,
    TaskStatus,
    Wait,
    new_id,
)
from bot.agents_file import DEFAULT_AGENT
from bot.equipment import equip
from bot.lines import Lines
from bot.mcp_pins import open_pins
from bot.models import Models, open_models
from bot.outbound.text import one_line
from bot.settings import Settings
from bot.terminal_asking import AT_TERMINAL, TerminalAsker
from bot.toolbox import Records, Toolbox, open_toolbox

NEEDS_APPROVAL = "needs_approval"
"""In the observation of a call that was not made because nobody was there to approve it."""
DONE, FAILED, WAITING = 0, 1, 3
"""Exit codes; the same as the command line's."""


async def ask_agent(settings: Settings, problem: str, *, as_json: bool) -> int:
    """Work on one problem, show the progress, print the answer; return the exit code.

    Questions are asked on the terminal; with ``as_json``, or where nobody sits at one, the task is
    returned as ``waiting`` instead.
    """
    console = Console(stderr=True, quiet=as_json)
    async with (
        open_models(settings) as models,
        _open_toolbox(settings) as toolbox,
        toolbox.mcp.running(),
    ):
        Lines(console).text(models.source.description, style="dim")
        await toolbox.mcp.settled()
        agent = _agent(settings, models, toolbox, _Progress(console))
        answer = None if as_json or not sys.stdin.isatty() else TerminalAsker(console)
        result = await agent.execute_task(Task(description=problem), answer=answer)
    folder = agent.folder(result)
    _print(result, folder, as_json=as_json)
    if result.success:
        return DONE
    return WAITING if result.status is TaskStatus.WAITING else FAILED


async def call_tool(
    settings: Settings, name: str, arguments: JsonObject, *, approved: bool = False
) -> dict[str, Any]:
    """Call one tool by the path that agents use, in a folder of the terminal's own.

    Where the rules ask a person, whoever sits at the terminal is asked; ``approved`` is their word
    beforehand. With neither, the call is not made, and ``NEEDS_APPROVAL`` says what it would be.
    """
    async with AsyncExitStack() as stack:
        toolbox = await stack.enter_async_context(_open_toolbox(settings))
        task_id = TaskId("terminal")
        context = ToolContext(
            scope=LIBRARY_SCOPE,
            run_id=RunId(new_id()),
            task_id=task_id,
            step=1,
            requester=None,
            task_folder=toolbox.folders.folder(LIBRARY_SCOPE, task_id),
            idempotency_key=new_id(),
        )
        if toolbox.mcp.owns(name):
            await stack.enter_async_context(toolbox.mcp.running())
        allowed = _default_profile(settings).tools
        proposed = await toolbox.caller.proposal(name, arguments, context, allowed=allowed)
        if proposed is not None:
            resolution = await _decision(proposed, approved=approved)
            if resolution is None or resolution.value != APPROVE:
                return _not_called(proposed, resolution)
            arguments, context = await _under(toolbox, proposed, resolution, context)
        observation = await toolbox.caller.call(name, arguments, context, allowed=allowed)
        return dict(observation.content)


async def _decision(proposed: ProposedCall, *, approved: bool) -> Resolution | None:
    """Return what the person at the terminal decides; None where there is none."""
    if approved:
        return Resolution(value=APPROVE, by=AT_TERMINAL)
    if not sys.stdin.isatty():
        return None
    try:
        return await TerminalAsker(Console(stderr=True)).decide(proposed)
    except EOFError:
        return None


def _not_called(proposed: ProposedCall, resolution: Resolution | None) -> dict[str, Any]:
    if resolution is not None:
        why = f": {resolution.remark}" if resolution.remark else ""
        return {"success": False, "error": f"a person did not allow this call{why}"}
    error = f"{proposed.tool} was not called: a person has to approve it; --yes does"
    return {"success": False, "error": error, NEEDS_APPROVAL: _as_call(proposed)}


async def _under(
    toolbox: Toolbox, proposed: ProposedCall, resolution: Resolution, context: ToolContext
) -> tuple[JsonObject, ToolContext]:
    """Return the arguments and the context of a call that was approved, changed or not."""
    if resolution.arguments is None:
        arguments, digest = proposed.arguments, proposed.digest
    else:
        arguments = resolution.arguments
        changed = await toolbox.caller.proposal(proposed.tool, arguments, context)
        digest = changed.digest if changed is not None else ""
    approved = ApprovedCall(arguments=arguments, digest=digest, by=resolution.by)
    return arguments, replace(context, approved=approved)


def _as_call(call: ProposedCall) -> dict[str, Any]:
    return {"tool": call.tool, "arguments": dict(call.arguments), "because": call.because}


def _call(wait: Wait) -> dict[str, Any]:
    return {} if wait.call is None else {"call": _as_call(wait.call)}


async def list_tools(settings: Settings) -> list[dict[str, Any]]:
    """Describe all tools of this installation; MCP servers are asked for theirs."""
    async with _open_toolbox(settings) as toolbox, toolbox.mcp.running():
        await toolbox.mcp.settled()
        tools = (*toolbox.tools, *toolbox.mcp.all_offered())
    return [
        {
            "name": tool.name,
            "description": tool.description,
            "parameters": dict(tool.parameters_schema),
        }
        for tool in tools
    ]


@asynccontextmanager
async def _open_toolbox(settings: Settings) -> AsyncIterator[Toolbox]:
    """Make all tools; MCP servers are trusted as far as the bot trusts them."""
    async with open_pins(settings) as pins, open_toolbox(settings, Records(pins=pins)) as toolbox:
        yield toolbox


def _agent(
    settings: Settings, models: Models, toolbox: Toolbox, progress: "_Progress"
) -> BaseAgent:
    profile = _default_profile(settings)
    equipment = equip(profile, models=models, toolbox=toolbox)
    tools = [t for t in toolbox.tools if profile.tools is None or t.name in profile.tools]
    tools += toolbox.mcp.offered(profile.tools)
    return BaseAgent(
        profile.name,
        AgentParts(
            model=equipment.model,
            planner=equipment.planner,
            planner_name=equipment.planner_name,
            writer=equipment.writer,
            judge=equipment.judge,
            prices=equipment.prices,
            caller=toolbox.caller_of,
        ),
        tools=tools,
        limits=profile.limits,
        instructions=profile.instructions,
        folder=toolbox.root,
        observe=progress,
    )


def _default_profile(settings: Settings) -> AgentProfile:
    profiles = settings.file.profiles(LIBRARY_SCOPE.workspace_id)
    return next(profile for profile in profiles if profile.id == DEFAULT_AGENT)


class _Progress:
    """Prints what happens, a line each."""

    def __init__(self, console: Console) -> None:
        self._lines = Lines(console)

    def __call__(self, run: RunSnapshot, events: Sequence[RunEvent]) -> None:
        """Print the events that people care for."""
        for event in events:
            match event:
                case PlanMade(plan=plan) if plan.because:
                    self._lines.marked("↻", f"another plan: {plan.because}", style="yellow")
                case StepStarted(step=number):
                    self._lines.marked("▸", _title(run, number), style="dim")
                case StepFinished(step=number, observation=seen) if _is_work(run, number):
                    mark, style = ("✓", "green") if seen.success else ("✗", "red")
                    title = _title(run, number)
                    self._lines.marked(mark, title, style=style, note=one_line(seen.outcome, 300))
                case _:
                    pass


def _print(result: TaskResult, folder: Path, *, as_json: bool) -> None:
    if as_json:
        body = _as_json(result, folder)
        sys.stdout.write(json.dumps(body, indent=2, ensure_ascii=False) + "\n")
        return
    lines = Lines(Console())
    if result.result:
        lines.markdown(result.result)
    answer = result.run.answer
    for name in answer.files if answer else ():
        lines.address(str(folder / name), style="cyan")
    if answer and answer.label:
        lines.text(answer.label, style="dim")
    if result.error:
        lines.text(result.error, style="red")


def _as_json(result: TaskResult, folder: Path) -> dict[str, Any]:
    usage = result.run.usage
    answer = result.run.answer
    return {
        "status": result.status.value,
        "success": result.success,
        "answer": result.result,
        "label": answer.label if answer else "",
        "files": [str(folder / name) for name in answer.files] if answer else [],
        "error": result.error,
        "iterations": result.iterations,
        "tokens": usage.tokens,
        "usd": round(usage.usd, 6),
        "waits": [
            {"question": wait.question, "choices": list(wait.choices), **_call(wait)}
            for wait in result.run.waits
        ],
        "history": [
            {
                "iteration": entry.iteration,
                "action": entry.action,
                "result": dict(entry.result),
                "timestamp": entry.timestamp.isoformat(),
            }
            for entry in result.execution_history
        ],
    }


def _step(run: RunSnapshot, number: int) -> Step | None:
    return next((step for step in run.steps if step.number == number), None)


def _title(run: RunSnapshot, number: int) -> str:
    step = _step(run, number)
    if step is None:
        return f"step {number}"
    action = step.action
    return one_line(action.description or action.tool_name or str(action.action_type), 300)


def _is_work(run: RunSnapshot, number: int) -> bool:
    step = _step(run, number)
    return step is not None and step.action.action_type != ActionType.ANSWER
