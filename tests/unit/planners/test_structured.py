import json

import pytest

from agent_engine.errors import ModelRefusedError, ModelReplyError, ModelUnavailableError
from agent_engine.models.scripted import ScriptedModel
from agent_engine.planners.structured import (
    Question,
    ShapeError,
    UnfitError,
    UnreadableReplyError,
    ask,
)
from agent_engine.ports import (
    Dialect,
    JsonMode,
    JsonRung,
    JsonSchemaFormat,
    ModelReply,
    Role,
    Turn,
)
from tests.fakes.models import connected
from tests.fakes.openai_server import (
    Fails,
    Formats,
    OpenAIServer,
    Says,
    as_json,
    fenced,
    in_order,
)

SCHEMA = {
    "type": "object",
    "properties": {"x": {"type": "integer"}},
    "required": ["x"],
    "additionalProperties": False,
}
QUESTION = Question(
    turns=(Turn(role=Role.SYSTEM, text="system"), Turn(role=Role.USER, text="user")),
    purpose="plan",
    reply_format=JsonSchemaFormat(name="x", schema=SCHEMA),
    example='{"x": 5}',
)
GOOD = {"x": 1}


def read(value, last_try):
    if not isinstance(value, dict) or not isinstance(value.get("x"), int):
        raise ShapeError("x must be a number")
    if value["x"] < 0 and not last_try:
        raise UnfitError("x must not be negative")
    return value["x"]


def formats(model):
    kinds = {JsonSchemaFormat: "schema", JsonMode: "mode", type(None): "none"}
    return [kinds[type(request.reply_format)] for request in model.requests]


async def test_a_good_first_reply_takes_one_call():
    with ScriptedModel(GOOD) as model:
        answered = await ask(model, QUESTION, read)
    assert (answered.value, answered.degraded) == (1, "")
    system, user = model.requests[0].turns
    assert system.text == f"{QUESTION.turns[0].text}\n\nFor example:\n{QUESTION.example}"
    assert user == QUESTION.turns[1]


RUNGS = [
    # formats that the server takes, its reply, rung afterwards, marked as, calls sent
    (Formats.ENFORCED, as_json(GOOD), JsonRung.SCHEMA, "", 1),
    (Formats.NO_SCHEMA, as_json(GOOD), JsonRung.MODE, "json_mode", 2),
    (Formats.NONE, as_json(GOOD), JsonRung.PROMPT, "prompt", 3),
    (Formats.NONE, fenced(GOOD), JsonRung.PROMPT, "prompt", 3),
    (Formats.NO_JSON_MODE, as_json(GOOD), JsonRung.SCHEMA, "", 1),
    (Formats.IGNORED, fenced(GOOD), JsonRung.SCHEMA, "", 1),
    (Formats.IGNORED, Says(text='<think>x?</think> {"x": 1} ok'), JsonRung.SCHEMA, "", 1),
]


@pytest.mark.parametrize(("kind", "reply", "rung", "degraded", "calls"), RUNGS)
async def test_every_kind_of_server_is_understood(kind, reply, rung, degraded, calls):
    server = OpenAIServer(in_order(reply), formats=kind)
    async with connected(server) as model:
        answered = await ask(model, QUESTION, read)
        assert (answered.value, answered.degraded) == (1, degraded)
        assert model.dialect.json_rung is rung
        assert len(server.bodies) == calls
        await ask(model, QUESTION, read)
        assert len(server.bodies) == calls + 1, "the rung was not remembered"


async def test_where_schemas_and_json_mode_are_refused_json_mode_is_never_tried_again():
    server = OpenAIServer(in_order(as_json(GOOD)), formats=Formats.NONE)
    async with connected(server) as model:
        await ask(model, QUESTION, read)
        assert model.dialect.skip_json_mode


async def test_below_the_schema_rung_the_schema_stands_in_the_prompt():
    with ScriptedModel(GOOD, dialect=Dialect(json_rung=JsonRung.MODE)) as model:
        await ask(model, QUESTION, read)
    system = model.requests[0].turns[0].text
    assert json.dumps(SCHEMA, separators=(",", ":")) in system
    assert QUESTION.example in system
    assert "JSON" in system


@pytest.mark.parametrize("status", [400, 404, 422])
async def test_a_refused_format_steps_down(status):
    refusal = ModelRefusedError("no", status=status)
    with ScriptedModel(refusal, refusal, GOOD) as model:
        await ask(model, QUESTION, read)
    assert formats(model) == ["schema", "mode", "none"]
    assert model.dialect.json_rung is JsonRung.PROMPT


async def test_a_refusal_that_names_the_format_steps_down_whatever_its_status():
    refusal = ModelRefusedError("response_format is not for you", status=403)
    with ScriptedModel(refusal, GOOD) as model:
        await ask(model, QUESTION, read)
    assert model.dialect.json_rung is JsonRung.MODE


async def test_a_skipped_json_mode_is_not_tried():
    dialect = Dialect(skip_json_mode=True)
    with ScriptedModel(ModelRefusedError("no"), GOOD, dialect=dialect) as model:
        await ask(model, QUESTION, read)
    assert formats(model) == ["schema", "none"]


@pytest.mark.parametrize(
    "error",
    [
        ModelUnavailableError("429: response_format", retry_after_s=1.0),
        ModelUnavailableError("timeout"),
        ModelRefusedError("wrong key", status=401),
        ModelReplyError("junk"),
    ],
)
async def test_nothing_else_steps_down(error):
    with ScriptedModel(error) as model, pytest.raises(type(error)):
        await ask(model, QUESTION, read)
    assert model.dialect == Dialect()


async def test_a_request_that_is_refused_on_every_rung_teaches_nothing():
    refusal = ModelRefusedError("the model does not exist", status=404)
    with ScriptedModel(*[refusal] * 3) as model, pytest.raises(ModelRefusedError):
        await ask(model, QUESTION, read)
    assert model.dialect == Dialect()


async def test_two_ignored_schemas_in_a_row_step_down():
    with ScriptedModel("prose", GOOD, "prose", "prose", GOOD) as model:
        await ask(model, QUESTION, read)
        assert model.dialect.ignored_schemas == 1
        with pytest.raises(UnreadableReplyError):
            await ask(model, QUESTION, read)
        assert model.dialect.json_rung is JsonRung.MODE
        await ask(model, QUESTION, read)
    assert formats(model) == ["schema", "schema", "schema", "mode", "mode"]


async def test_a_kept_schema_forgives_an_ignored_one():
    with ScriptedModel("prose", GOOD, GOOD, "prose", GOOD) as model:
        for _ in range(3):
            await ask(model, QUESTION, read)
    assert model.dialect.json_rung is JsonRung.SCHEMA


async def test_ignored_schemas_go_to_the_prompt_where_json_mode_is_refused():
    dialect = Dialect(skip_json_mode=True)
    with (
        ScriptedModel("prose", "prose", dialect=dialect) as model,
        pytest.raises(UnreadableReplyError),
    ):
        await ask(model, QUESTION, read)
    assert dialect.json_rung is JsonRung.PROMPT


@pytest.mark.parametrize(
    "reply",
    [
        {"x": -1},
        ModelReply(text='{"x": ', finish_reason="length"),
    ],
)
async def test_a_reply_that_an_enforcing_server_can_send_is_no_ignored_schema(reply):
    with ScriptedModel(reply, GOOD) as model:
        answered = await ask(model, QUESTION, read)
    assert answered.degraded == "repaired"
    assert model.dialect.ignored_schemas == 0


async def test_the_repair_shows_the_model_its_reply_and_what_is_wrong():
    with ScriptedModel({"x": "one"}, GOOD) as model:
        answered = await ask(model, QUESTION, read)
    assert answered.degraded == "repaired"
    said, complaint = model.requests[1].turns[-2:]
    assert (said.role, complaint.role) == (Role.ASSISTANT, Role.USER)
    assert said.text == '{"x": "one"}'
    assert "x must be a number" in complaint.text


async def test_the_last_try_is_read_leniently():
    with ScriptedModel({"x": -1}, {"x": -2}) as model:
        assert (await ask(model, QUESTION, read)).value == -2


async def test_two_useless_replies_are_an_error_that_carries_the_prose():
    with (
        ScriptedModel("first words", "<think>hm</think>second words") as model,
        pytest.raises(UnreadableReplyError) as caught,
    ):
        await ask(model, QUESTION, read)
    assert caught.value.text == "second words"
    assert isinstance(caught.value, ModelReplyError)


async def test_an_empty_second_reply_leaves_the_first_ones_prose():
    with ScriptedModel("first words", "") as model, pytest.raises(UnreadableReplyError) as caught:
        await ask(model, QUESTION, read)
    assert caught.value.text == "first words"


async def test_a_refusing_model_is_not_asked_twice():
    with (
        ScriptedModel(ModelReply(text="", refusal="I will not.")) as model,
        pytest.raises(UnreadableReplyError) as caught,
    ):
        await ask(model, QUESTION, read)
    assert caught.value.refusal == "I will not."


async def test_a_later_candidate_is_taken_when_the_first_does_not_fit():
    text = '```json\n{"y": 1}\n```\n```json\n{"x": 2}\n```'
    with ScriptedModel(text) as model:
        assert (await ask(model, QUESTION, read)).value == 2


async def test_a_busy_server_is_heard_of_and_not_stepped_down():
    server = OpenAIServer(in_order(Fails(status=429, headers={"Retry-After": "2"})))
    async with connected(server) as model:
        with pytest.raises(ModelUnavailableError) as caught:
            await ask(model, QUESTION, read)
        assert caught.value.retry_after_s == 2.0
        assert model.dialect.json_rung is JsonRung.SCHEMA
