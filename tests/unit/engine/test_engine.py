"""The engine's face: whom it wakes after a command."""

import pytest

from agent_engine.commands import Cancelled, Declined, LessonChanged, Rated, Repeated
from agent_engine.engine import Engine
from agent_engine.memories import MemoryScope
from agent_engine.memory_commands import MemoriesChanged, RememberFact
from agent_engine.ports import Topic
from agent_engine.types import RunId, UserId, WorkspaceId

SCOPE = MemoryScope.of_person(WorkspaceId("T1"), UserId("U1"))
COMMAND = RememberFact(scope=SCOPE, text="It is green.", by=UserId("U1"))
RATED = Rated(run_id=RunId("r1"), task_id=None, rating=1)


class Commands:
    """Always comes to the same."""

    def __init__(self, outcome):
        self.outcome = outcome

    async def carry_out(self, _command, *, keys):
        assert keys == ["k"]
        return self.outcome


class Rings:
    """Notes what rang."""

    def __init__(self):
        self.topics = []

    def ring(self, topic):
        self.topics.append(topic)


async def rung(outcome):
    rings = Rings()
    engine = Engine(commands=Commands(outcome), agents=None, runs=None, bell=rings)
    assert await engine.carry_out(COMMAND, keys=["k"]) == outcome
    return set(rings.topics)


@pytest.mark.parametrize(
    "outcome", [MemoriesChanged(count=1), LessonChanged(lesson_id="l1"), RATED]
)
async def test_what_may_leave_a_memory_without_a_vector_wakes_those_that_make_them(outcome):
    assert await rung(outcome) == set(Topic)


@pytest.mark.parametrize("outcome", [Cancelled(run_ids=()), Declined(why="too_late")])
async def test_other_commands_let_the_makers_of_vectors_sleep(outcome):
    assert await rung(outcome) == set(Topic) - {Topic.MEMORIES}


async def test_what_was_carried_out_before_wakes_nobody():
    assert await rung(Repeated()) == set()
