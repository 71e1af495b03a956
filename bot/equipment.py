"""What one agent works with: its model with the planner that fits it, and the tools of all.

Part of the composition root, and the only place where models and tools meet.
"""

from agent_engine.budgets import DayBudgets
from agent_engine.equipment import Equipment
from agent_engine.labels import OFFLINE_LABEL, SMALL_MODEL_LABEL
from agent_engine.memory.long_term import LongTermMemory
from agent_engine.planners.choose import answer_writer_factory, planner_factory
from agent_engine.planners.judge import Judge
from agent_engine.redaction import RedactingModel
from agent_engine.types import AgentProfile, PlannerKind
from bot.models import Models
from bot.toolbox import Toolbox

_LABELS = {PlannerKind.OFFLINE: OFFLINE_LABEL, PlannerKind.SMALL: SMALL_MODEL_LABEL}
"""The degraded modes, and what is said of their answers; they have no judge."""


def equip(
    profile: AgentProfile,
    *,
    models: Models,
    toolbox: Toolbox,
    memory: LongTermMemory | None = None,
    budgets: DayBudgets | None = None,
) -> Equipment:
    """Return what this agent works with."""
    kind = models.planner_of(profile)
    return Equipment(
        model=RedactingModel(models.of(profile), toolbox.redaction.redact),
        planner=planner_factory(kind),
        planner_name=kind.value,
        writer=answer_writer_factory(kind),
        judge=None if kind in _LABELS else Judge,
        tools=toolbox.caller,
        folders=toolbox.folders,
        prices=models.prices,
        memory=memory,
        budgets=budgets,
        label=_LABELS.get(kind, ""),
        redact=toolbox.redaction.redact,
    )
