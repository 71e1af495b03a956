"""An agent as a library asks a person, and works on while they think."""

import asyncio

import pytest

from agent_engine.agent import AgentParts, BaseAgent
from agent_engine.types import ActionType, Resolution, Task, TaskStatus
from tests.fakes.engine import (
    EchoWriter,
    NoModel,
    ScriptedPlanner,
    do,
    propose,
    tool_returning,
    use,
)

OK = {"success": True, "result": "done"}


def agent(tmp_path, *proposals, tools=()):
    parts = AgentParts(model=NoModel(), planner=ScriptedPlanner(*proposals), writer=EchoWriter)
    return BaseAgent("a", parts, tools=tools, folder=tmp_path)


def ask(question="Which?"):
    return do(ActionType.ASK, question=question)


async def solve(agent, answer, task=None):
    async with asyncio.timeout(5):
        return await agent.execute_task(task or Task(description="go"), answer=answer)


@pytest.mark.parametrize("is_slow", [True, False])
async def test_what_a_person_says_at_once_or_later_is_the_reply(tmp_path, is_slow):
    async def later(_wait):
        return "blue"

    answer = later if is_slow else lambda _wait: "blue"
    result = await solve(agent(tmp_path, propose(ask())), answer)
    assert result.success
    assert result.run.steps[0].observation.content["reply"] == "blue"


async def test_timers_run_out_and_their_steps_go_on_while_a_person_thinks(tmp_path):
    called = asyncio.Event()
    tool = tool_returning("note", OK)

    async def noted(_arguments):
        called.set()
        return OK

    tool.run = noted
    wait = do(ActionType.WAIT, seconds=0.01)
    after = use("note", 2)

    async def answer(_wait):
        await called.wait()
        return "blue"

    result = await solve(agent(tmp_path, propose(ask(), wait, after), tools=[tool]), answer)
    assert result.success
    assert result.run.steps[0].observation.content["reply"] == "blue"


async def test_a_task_can_be_stopped_while_a_person_is_asked(tmp_path):
    asked, taken_back = asyncio.Event(), asyncio.Event()
    task = Task(description="go")

    async def answer(_wait):
        asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            taken_back.set()

    made = agent(tmp_path, propose(ask()))
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        running = group.create_task(made.execute_task(task, answer=answer))
        await asked.wait()
        await made.cancel(task.id)
    assert running.result().status is TaskStatus.CANCELLED
    assert taken_back.is_set()


async def test_two_questions_are_asked_one_after_the_other_and_each_once(tmp_path):
    under_way, asked = [], []

    async def answer(wait):
        assert under_way == []
        under_way.append(wait.question)
        await asyncio.sleep(0)
        asked.append(under_way.pop())
        return Resolution(value=f"to {wait.question}")

    result = await solve(agent(tmp_path, propose(ask("one"), ask("two"))), answer)
    assert asked == ["one", "two"]
    replies = [step.observation.content["reply"] for step in result.run.steps]
    assert replies == ["to one", "to two"]


async def test_what_nobody_answers_is_asked_once_and_left_waiting(tmp_path):
    asked = []
    result = await solve(
        agent(tmp_path, propose(ask("one"), ask("two"))), lambda wait: asked.append(wait.question)
    )
    assert asked == ["one", "two"]
    assert (result.status, result.error) == (TaskStatus.WAITING, "waiting: one")


async def test_an_error_of_the_answerer_is_raised_as_it_is(tmp_path):
    def answer(_wait):
        raise LookupError("no answer")

    with pytest.raises(LookupError, match="no answer"):
        await solve(agent(tmp_path, propose(ask())), answer)
