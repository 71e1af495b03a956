"""Which planner and which answer writer belong to an agent's choice."""

from collections.abc import Mapping

from agent_engine.planners.answering import LLMAnswerWriter, OfflineAnswerWriter
from agent_engine.planners.hierarchical import HierarchicalPlanner
from agent_engine.planners.llm import LLMPlanner
from agent_engine.planners.offline import OfflinePlanner
from agent_engine.planners.small import SmallModelPlanner
from agent_engine.planners.small_answering import SmallModelAnswerWriter
from agent_engine.planners.stepwise import StepwisePlanner
from agent_engine.ports import AnswerWriterFactory, PlannerFactory
from agent_engine.types import PlannerKind

PLANNERS: Mapping[PlannerKind, PlannerFactory] = {
    PlannerKind.LLM: LLMPlanner,
    PlannerKind.HIERARCHICAL: HierarchicalPlanner,
    PlannerKind.STEPWISE: StepwisePlanner,
    PlannerKind.SMALL: SmallModelPlanner,
    PlannerKind.OFFLINE: OfflinePlanner,
}
_WRITERS: Mapping[PlannerKind, AnswerWriterFactory] = {
    PlannerKind.LLM: LLMAnswerWriter,
    PlannerKind.HIERARCHICAL: LLMAnswerWriter,
    PlannerKind.STEPWISE: LLMAnswerWriter,
    PlannerKind.SMALL: SmallModelAnswerWriter,
    PlannerKind.OFFLINE: OfflineAnswerWriter,
}


def planner_factory(kind: PlannerKind) -> PlannerFactory:
    """Return the factory of this kind of planner."""
    return PLANNERS[kind]


def answer_writer_factory(kind: PlannerKind) -> AnswerWriterFactory:
    """Return the factory of the answer writer that goes with this kind of planner."""
    return _WRITERS[kind]
