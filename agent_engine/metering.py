"""The model of one run: every call is counted against the run's limits and the day's budgets."""

from agent_engine.equipment import Equipment
from agent_engine.limits import MeteredModel
from agent_engine.session import RunSession


def metered_model(equipment: Equipment, session: RunSession) -> MeteredModel:
    """Return the agent's model, its calls settled with the session."""
    run = session.run
    return MeteredModel(
        equipment.model,
        limits=run.limits,
        used=lambda: session.usage,
        prices=equipment.prices,
        settle=session.settle,
        reserve=equipment.budgets.of_run(run) if equipment.budgets else None,
    )
