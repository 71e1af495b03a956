from agent_engine.models.scripted import ScriptedModel
from agent_engine.planners.answering import LLMAnswerWriter, OfflineAnswerWriter
from agent_engine.planners.choose import PLANNERS, answer_writer_factory, planner_factory
from agent_engine.planners.hierarchical import HierarchicalPlanner
from agent_engine.planners.llm import LLMPlanner
from agent_engine.planners.offline import OfflinePlanner
from agent_engine.planners.small import SmallModelPlanner
from agent_engine.planners.small_answering import SmallModelAnswerWriter
from agent_engine.planners.stepwise import StepwisePlanner
from agent_engine.types import PlannerKind


def test_every_kind_has_its_planner_and_writer():
    kinds = {
        PlannerKind.LLM: LLMPlanner,
        PlannerKind.HIERARCHICAL: HierarchicalPlanner,
        PlannerKind.STEPWISE: StepwisePlanner,
        PlannerKind.SMALL: SmallModelPlanner,
        PlannerKind.OFFLINE: OfflinePlanner,
    }
    writers = {
        PlannerKind.SMALL: SmallModelAnswerWriter,
        PlannerKind.OFFLINE: OfflineAnswerWriter,
    }
    assert set(PLANNERS) == set(PlannerKind) == set(kinds)
    for kind, planner in kinds.items():
        model = ScriptedModel()
        assert isinstance(planner_factory(kind)(model), planner)
        writer = writers.get(kind, LLMAnswerWriter)
        assert isinstance(answer_writer_factory(kind)(model), writer)
