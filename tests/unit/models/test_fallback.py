import pytest

from agent_engine.errors import ModelRefusedError, ModelUnavailableError
from agent_engine.models.fallback import FallbackModel
from agent_engine.models.scripted import ScriptedModel
from agent_engine.planners.structured import Question, ask
from agent_engine.ports import JsonRung, JsonSchemaFormat, Role, Turn
from tests.fakes.models import request


async def test_the_next_model_answers_while_the_preferred_one_is_unavailable():
    with (
        ScriptedModel(ModelUnavailableError(), "first again", name="first") as first,
        ScriptedModel("second", name="second") as second,
    ):
        model = FallbackModel([first, second])
        assert model.name == "first"
        assert (await model.complete(request())).text == "second"
        assert model.name == "second"
        assert model.dialect is second.dialect
        assert (await model.complete(request())).text == "first again"
        assert model.name == "first"


async def test_a_refusal_does_not_fall_back():
    with ScriptedModel(ModelRefusedError("no")) as first:
        model = FallbackModel([first, ScriptedModel()])
        with pytest.raises(ModelRefusedError):
            await model.complete(request())


async def test_the_last_error_is_raised_when_none_is_available():
    down = [ScriptedModel(ModelUnavailableError(str(n))) for n in range(3)]
    with pytest.raises(ModelUnavailableError, match="2"):
        await FallbackModel(down).complete(request())


def test_no_model_at_all_is_an_error():
    with pytest.raises(ValueError, match="at least one"):
        FallbackModel([])


async def test_a_format_that_only_the_fallback_refuses_is_learnt_for_the_fallback_alone():
    first = ScriptedModel(*[ModelUnavailableError()] * 2, name="first")
    second = ScriptedModel(ModelRefusedError("no response_format"), {"x": 1}, name="second")
    question = Question(
        turns=(Turn(role=Role.SYSTEM, text="s"), Turn(role=Role.USER, text="u")),
        purpose="plan",
        reply_format=JsonSchemaFormat(name="x", schema={}),
        example="{}",
    )
    answered = await ask(FallbackModel([first, second]), question, lambda value, _last: value)
    assert answered.value == {"x": 1}
    assert first.dialect.json_rung is JsonRung.SCHEMA
    assert second.dialect.json_rung is JsonRung.MODE
