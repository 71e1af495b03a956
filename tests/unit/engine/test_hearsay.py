"""Who stands behind what a run worked out: a table of cases."""

from dataclasses import replace

import pytest

from agent_engine.hearsay import trust_of
from agent_engine.memories import Trust
from agent_engine.ports import ToolTraits
from agent_engine.types import ActionType, AgentObservation, StepStatus
from tests.fakes.runs import a_plan, a_run, a_step
from tests.unit.outbound.test_memory_blocks import KILN

KNOWN = {"calculate": ToolTraits(untrusted=False), "api_call": ToolTraits()}


class Tools:
    """What is known of tools."""

    def traits(self, name):
        return KNOWN.get(name)


def run_of(tool=None, *, kind=ActionType.USE_TOOL, seen=True, **content):
    step = a_step(1, "Look", StepStatus.DONE, kind=kind)
    observation = AgentObservation(observation_type="x", content={"success": True, **content})
    action = replace(step.action, tool_name=tool)
    step = replace(step, action=action, observation=observation if seen else None)
    return a_run(plan=a_plan(step))


@pytest.mark.parametrize(
    ("run", "trust"),
    [
        (a_run(), Trust.AGENT),
        (run_of("calculate"), Trust.AGENT),
        (run_of("api_call"), Trust.UNTRUSTED),
        (run_of("api_call", seen=False), Trust.AGENT),
        (run_of("gone"), Trust.UNTRUSTED),
        (run_of(kind=ActionType.THINK), Trust.AGENT),
        (run_of(kind=ActionType.RECALL, entries=[{"key": "k"}]), Trust.AGENT),
        (run_of(kind=ActionType.RECALL, entries=[{"trust": "untrusted"}]), Trust.UNTRUSTED),
    ],
)
def test_one_tool_whose_results_others_write_is_enough(run, trust):
    assert trust_of(run, Tools()) is trust


@pytest.mark.parametrize("trust", list(Trust))
def test_what_rests_on_an_untrusted_memory_is_untrusted_too(trust):
    told = replace(KILN, trust=trust)
    expected = Trust.UNTRUSTED if trust is Trust.UNTRUSTED else Trust.AGENT
    assert trust_of(a_run(), Tools(), [told]) is expected
