"""The complete agent as a library: it converses, solves, remembers and learns, over restarts."""

import pytest

from agent_engine.agent import AgentParts
from agent_engine.errors import RequestError
from agent_engine.intelligent import IntelligentAgent
from agent_engine.memory.long_term import LongTermMemory
from agent_engine.models.offline import OfflineModel
from agent_engine.planners.choose import answer_writer_factory, planner_factory
from agent_engine.tools.calculate import calculate
from agent_engine.types import AgentState, PlannerKind, TaskId
from storage.memory.indexes import indexes_of
from storage.memory.store import SqlMemoryStore

KIND = PlannerKind.OFFLINE


def make_agent(house, name="ada", planner=None):
    parts = AgentParts(
        model=OfflineModel(),
        planner=planner or planner_factory(KIND),
        planner_name=KIND.value,
        writer=answer_writer_factory(KIND),
    )
    memory = LongTermMemory(SqlMemoryStore(house.database, indexes_of(house.database)))
    return IntelligentAgent(name, parts, memory, tools=[calculate()])


async def test_what_it_is_told_in_a_chat_it_knows_after_a_restart_and_others_do_not(house) -> None:
    await make_agent(house).chat("remember that the kiln runs on Tuesdays")
    asked = "what do you know about the kiln?"
    assert "runs on Tuesdays" in await make_agent(house).chat(asked)
    assert "Tuesday" not in await make_agent(house, "bo").chat(asked)


async def test_a_chat_keeps_what_was_said_before(house) -> None:
    seen = []

    class Listening:
        def __init__(self, model):
            self._inner = planner_factory(KIND)(model)

        async def create_plan(self, goal, context, available_tools):
            seen.append([(m.text, m.steers) for m in context.conversation])
            return await self._inner.create_plan(goal, context, available_tools)

    agent = make_agent(house, planner=Listening)
    await agent.chat("calculate 2 + 3")
    await agent.chat("calculate 3 + 4")
    assert seen[-1] == [("calculate 2 + 3", False), ("calculate 3 + 4", True)]


async def test_a_solved_problem_is_an_episode_under_its_own_keys(house) -> None:
    agent = make_agent(house)
    result = await agent.solve_problem("calculate 17 * 23")
    assert result.success
    assert "391" in result.result
    task = result.run.task.id
    assert (await agent.memory.retrieve(f"problem_context_{task}"))[
        "problem"
    ] == "calculate 17 * 23"
    assert "391" in (await agent.memory.retrieve(f"task_result_{task}"))["result"]
    found = await agent.memory.search("17 23")
    assert {one.key for one in found} == {f"problem_context_{task}", f"task_result_{task}"}


async def test_a_low_rating_becomes_a_lesson_that_later_tasks_are_told_of(house) -> None:
    agent = make_agent(house)
    task = (await agent.solve_problem("calculate 17 * 23")).run.task.id
    lesson = await agent.learn_from_feedback(task, "Show the calculation step by step.", 1)
    assert lesson == "Show the calculation step by step."
    assert (await agent.memory.retrieve(f"feedback_{task}"))["rating"] == 1
    assert (await agent.memory.retrieve(f"learning_{task}"))["lesson"] == lesson
    later = await agent.solve_problem("calculate 5 * 23")
    assert [use.kind for use in later.run.memories_used].count("lesson") == 1


async def test_a_good_rating_is_kept_and_teaches_nothing(house) -> None:
    agent = make_agent(house)
    task = (await agent.solve_problem("calculate 1 + 1")).run.task.id
    assert await agent.learn_from_feedback(task, "Nice.", 5) is None
    assert (await agent.memory.retrieve(f"feedback_{task}"))["feedback"] == "Nice."
    assert await agent.memory.retrieve(f"learning_{task}") is None


async def test_feedback_that_fits_no_task_or_scale_is_refused(house) -> None:
    agent = make_agent(house)
    task = (await agent.solve_problem("calculate 1 + 1")).run.task.id
    with pytest.raises(RequestError, match="no task"):
        await agent.learn_from_feedback(TaskId("other"), "bad", 1)
    for rating in (0, 6):
        with pytest.raises(RequestError, match="from 1 to 5"):
            await agent.learn_from_feedback(task, "bad", rating)


async def test_it_says_what_it_can_do_and_does(house) -> None:
    agent = make_agent(house)
    idle = agent.get_capabilities()
    assert (idle.state, idle.current_task, idle.execution_history_length) == (
        AgentState.IDLE,
        None,
        0,
    )
    await agent.solve_problem("calculate 1 + 1")
    done = agent.get_capabilities()
    assert (done.agent_id, done.name, done.tools) == ("ada", "ada", ("calculate",))
    assert (done.state, done.current_task) == (AgentState.IDLE, None)
    assert done.execution_history_length == 1
    assert done.planning_capability == "offline"
    assert done.learning_capability
    assert done.memory_systems == ("working", "episodic", "vector", "hybrid")
