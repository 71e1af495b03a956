"""Whoever listens to a run hears its answer grow, and hears when it will be none."""

import pytest

from agent_engine.errors import ModelUnavailableError
from agent_engine.models.scripted import ScriptedModel
from agent_engine.planners.answering import LLMAnswerWriter
from agent_engine.planners.llm import LLMPlanner
from agent_engine.types import EndReason
from tests.fakes.engine import Bench, tool_returning
from tests.fakes.models import plan_json, step_json
from tests.fakes.snapshots import a_message

OK = {"success": True, "result": "42"}


class Listener:
    """Writes down what it hears, in one word each."""

    def __init__(self, *, wants=True):
        self.wants = wants
        self.heard = []

    def hear(self, _run):
        return self.heard.append if self.wants else None

    def dropped(self, _run_id):
        self.heard.append("(dropped)")

    def ended(self, _run_id):
        self.heard.append("(ended)")


@pytest.fixture
def bench(tmp_path):
    def make(listener, *replies):
        parts = {"model": ScriptedModel(*replies), "writer": LLMAnswerWriter}
        tools = [tool_returning("calculate", OK)]
        return Bench(LLMPlanner, tools, tmp_path, listener=listener, **parts)

    return make


async def test_a_direct_answer_is_heard_in_full_before_the_run_ends(bench):
    listener = Listener()
    run = await bench(listener, plan_json(mode="answer", answer="It is 42.")).run()
    assert run.answer.text == "It is 42."
    assert listener.heard[0] == "(dropped)"
    assert listener.heard[-2:] == ["It is 42.", "(ended)"]


async def test_a_written_answer_is_heard_and_the_plan_before_it_is_not(bench):
    listener = Listener()
    run = await bench(listener, plan_json(step_json(1)), "It is 42, as computed.").run()
    assert run.answer.text == "It is 42, as computed."
    texts = [heard for heard in listener.heard if not heard.startswith("(")]
    assert all(run.answer.text.startswith(text) for text in texts)
    assert listener.heard[-2:] == ["It is 42, as computed.", "(ended)"]


async def test_an_answer_to_words_that_were_overtaken_is_dropped(bench):
    listener = Listener()
    made = bench(listener, plan_json(mode="answer", answer="42"), plan_json(mode="done"), "43")
    run_id = made.add()

    def speaks(text):
        listener.heard.append(text)
        if text == "42":
            made.store.tell(run_id, a_message("no, one more"))

    listener.hear = lambda _run: speaks
    _, run = await made.advance(run_id)
    assert run.answer.text == "43"
    first = listener.heard.index("42")
    assert "(dropped)" in listener.heard[first:]
    assert listener.heard[-2:] == ["43", "(ended)"]


async def test_a_run_that_fails_is_not_heard_of_any_more(bench):
    listener = Listener()
    run = await bench(listener, ModelUnavailableError("gone")).run()
    assert run.end.reason is EndReason.FAILED
    assert listener.heard[-1:] == ["(ended)"]


async def test_without_a_listener_the_model_is_asked_as_ever(bench):
    for listener in (None, Listener(wants=False)):
        made = bench(listener, plan_json(mode="answer", answer="42"))
        await made.run()
        assert [r.on_text for r in made.equipment.model.requests] == [None]
