"""Snapshots for tests, made of the few facts a test is about."""

from datetime import UTC, datetime

from agent_engine.types import (
    LIBRARY_SCOPE,
    ActionType,
    AgentAction,
    AgentId,
    AgentObservation,
    AgentProfile,
    PersonMessage,
    Plan,
    RunId,
    RunSnapshot,
    Step,
    StepStatus,
    Task,
    TaskStatus,
    UserId,
)

T0 = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
FINISHED = (StepStatus.DONE, StepStatus.FAILED)


def an_agent(**changes):
    facts = {"id": AgentId("agent"), "workspace_id": LIBRARY_SCOPE.workspace_id, "name": "agent"}
    return AgentProfile(**{**facts, **changes})


def a_message(text="and in metres?", *, number=1, steers=True):
    return PersonMessage(id=f"m{number}", author=UserId("U1"), text=text, sent_at=T0, steers=steers)


def an_observation(*, success=True, **content):
    return AgentObservation(
        observation_type="tool_result", content={"success": success, **content}, timestamp=T0
    )


def a_tool_step(number, tool="calculate", *, status=StepStatus.PENDING, result=None, **changes):
    """A step that uses a tool; a finished one has ``result`` in its observation."""
    facts = {"number": number, "status": status}
    facts["attempt"] = 0 if status is StepStatus.PENDING else 1
    if status in FINISHED:
        facts["observation"] = an_observation(success=status is StepStatus.DONE, **(result or {}))
    parameters = changes.pop("parameters", {"expression": f"{number}+1"})
    action = AgentAction(
        action_type=changes.pop("action_type", ActionType.USE_TOOL),
        tool_name=tool,
        parameters=parameters,
        description=f"do {number}",
    )
    return Step(**{**facts, "action": action, **changes})


def an_answer_step(number, text="42"):
    action = AgentAction(action_type=ActionType.ANSWER, parameters={"text": text})
    return Step(number=number, action=action)


def a_plan(*steps, **changes):
    return Plan(**{"version": 1, "steps": steps, "planner": "llm", **changes})


def a_run(*steps, plan=None, **changes):
    """A running run with these steps in its plan; without steps and plan it has none yet."""
    facts = {
        "run_id": RunId("r1"),
        "task": Task(description="what is 6*7?", status=TaskStatus.RUNNING, created_at=T0),
        "agent": an_agent(),
        "scope": LIBRARY_SCOPE,
        "thread": None,
        "requester": UserId("U1"),
        "epoch": 1,
        "status": TaskStatus.RUNNING,
        "created_at": T0,
        "attempts": 1,
        "plan": plan or (a_plan(*steps) if steps else None),
    }
    return RunSnapshot(**{**facts, **changes})
