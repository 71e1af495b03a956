"""Tools that raise, hang or flood: the step says so in one line, and the task goes on."""

import asyncio
import logging

import pytest

from agent_engine.ports import ToolTraits
from agent_engine.tools.declare import DeclaredTool, Parameters
from agent_engine.types import EndReason, StepStatus, TaskStatus
from bot import toolbox
from tests.fakes.openai_server import Says
from tests.scenario.whole.models import (
    KEY,
    next_step,
    open_model_town,
    plan,
    prompt,
    purpose,
    working,
)

FLOOD = 3_000_000


async def raising(_parameters, _context):
    raise RuntimeError(f"our bug, with {KEY} in it")


async def hanging(_parameters, _context):
    await asyncio.Event().wait()


async def flooding(_parameters, _context):
    return {"success": True, "stdout": "flood " * (FLOOD // 6)}


async def nonsense(_parameters, _context):
    return {"success": "perhaps", "stdout": object()}


def tool(run):
    return DeclaredTool(
        name="gadget",
        description="Does what the test wants.",
        parameters=Parameters,
        run=run,
        traits=ToolTraits(timeout_s=0.3, idempotent=True),
    )


@pytest.fixture
def with_gadget(monkeypatch):
    """Give the installation one more tool."""
    made = toolbox.make_tools

    def give(run):
        monkeypatch.setattr(toolbox, "make_tools", lambda s: (*made(s), tool(run)))

    return give


@pytest.mark.parametrize(
    ("run", "words"),
    [
        (raising, "failed with an error of its own"),
        (hanging, "took longer than 0.3 s and was stopped"),
        (nonsense, "which is not JSON"),
    ],
)
async def test_the_step_says_what_went_wrong_and_the_task_is_answered(  # noqa: PLR0913 - fixtures
    tmp_path, workspace, monkeypatch, caplog, *, with_gadget, run, words
):
    caplog.set_level(logging.INFO)
    with_gadget(run)
    script = working(("gadget", {}), text="The gadget is broken.")
    async with open_model_town(tmp_path, workspace, monkeypatch, script) as (town, _):
        ts = await town.mention("use the gadget")
        assert await town.answered(ts) == ["The gadget is broken."]
        ended = await town.run(ts)
        assert [s.status for s in ended.steps] == [StepStatus.FAILED]
        assert words in ended.steps[0].observation.outcome
        assert words in town.said(ts)
        assert KEY not in town.said(ts)
        assert "Traceback" not in town.said(ts)
    told = [r for r in caplog.records if r.getMessage() in ("tool_called", "tool_failed")]
    assert ended.run_id in {record.run_id for record in told}


async def test_a_flood_is_cut_for_the_model_and_for_people(
    tmp_path, workspace, monkeypatch, with_gadget
):
    with_gadget(flooding)
    script = working(("gadget", {}), text="It said a lot.")
    async with open_model_town(tmp_path, workspace, monkeypatch, script) as (town, server):
        ts = await town.mention("use the gadget")
        assert await town.answered(ts) == ["It said a lot."]
        assert (await town.run(ts)).status is TaskStatus.COMPLETED
        asked = max(len(prompt(body)) for body in server.bodies if purpose(body) == "answer")
        assert asked < FLOOD / 50
        assert len(town.said(ts)) < 40_000


async def test_a_tool_that_never_works_ends_at_a_limit_and_not_in_a_loop(
    tmp_path, workspace, monkeypatch, with_gadget
):
    with_gadget(raising)

    def script(body, _index):
        if purpose(body) not in ("plan", "replan"):
            return Says(text="I gave up.")
        return plan(("gadget", {}), first=next_step(body))

    async with open_model_town(tmp_path, workspace, monkeypatch, script) as (town, _):
        ts = await town.mention("use the gadget until it works")
        notice = await town.unhappy_end(ts)
        ended = await town.run(ts)
        assert ended.end.reason in (EndReason.LIMIT, EndReason.FAILED)
        assert ended.usage.iterations <= ended.limits.iterations
        assert town.shows(notice, ended.end.sentence)
