import asyncio

import pytest

from agent_engine.errors import ModelRefusedError, ModelUnavailableError
from agent_engine.models.scripted import After, Expect, ScriptedModel, ScriptError
from agent_engine.ports import ModelReply, ToolRequest
from tests.fakes.models import request


async def test_steps_are_played_in_order_and_requests_recorded():
    with ScriptedModel("one", {"two": 2}, [3]) as model:
        texts = [(await model.complete(request(str(n)))).text for n in range(3)]
    assert texts == ["one", '{"two": 2}', "[3]"]
    assert [r.turns[0].text for r in model.requests] == ["0", "1", "2"]


async def test_a_question_beyond_the_script_is_an_error():
    model = ScriptedModel()
    with pytest.raises(ScriptError, match="the script is over"):
        await model.complete(request())


def test_an_unused_step_is_an_error_at_the_end():
    with pytest.raises(ScriptError, match="1 scripted steps"), ScriptedModel("unused"):
        pass


def test_another_error_is_not_hidden_by_unused_steps():
    with pytest.raises(KeyError), ScriptedModel("unused"):
        raise KeyError


async def test_errors_are_raised_and_tool_requests_and_replies_returned():
    call = ToolRequest(name="t", arguments="{}")
    reply = ModelReply(text="", refusal="no")
    with ScriptedModel(ModelRefusedError("no"), call, (call, call), reply) as model:
        with pytest.raises(ModelRefusedError):
            await model.complete(request())
        assert (await model.complete(request())).tool_requests == (call,)
        assert (await model.complete(request())).tool_requests == (call, call)
        assert await model.complete(request()) is reply


async def test_a_step_may_be_a_function_of_the_request():
    async def later(asked):
        return ModelUnavailableError() if asked.purpose == "judge" else "fine"

    with ScriptedModel(lambda asked: asked.purpose, later, later) as model:
        assert (await model.complete(request(purpose="answer"))).text == "answer"
        assert (await model.complete(request())).text == "fine"
        with pytest.raises(ModelUnavailableError):
            await model.complete(request(purpose="judge"))


async def test_a_step_can_check_purpose_and_words():
    model = ScriptedModel(Expect(reply="ok", purpose="plan", containing=("hello",)))
    assert (await model.complete(request("say hello"))).text == "ok"
    for wrong in (Expect(reply="", purpose="judge"), Expect(reply="", containing=("bye",))):
        model.add(wrong)
        with pytest.raises(ScriptError):
            await model.complete(request("say hello"))


async def test_a_delayed_step_waits_for_its_event():
    event = asyncio.Event()
    model = ScriptedModel(After(event=event, reply="late"))
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        asked = group.create_task(model.complete(request()))
        await asyncio.sleep(0)
        assert model.requests
        assert not asked.done()
        event.set()
    assert asked.result().text == "late"
