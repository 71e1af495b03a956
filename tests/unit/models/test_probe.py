import pytest

from agent_engine.errors import ModelRefusedError, ModelReplyError, ModelUnavailableError
from agent_engine.models.probe import learn_native_tools
from agent_engine.models.scripted import ScriptedModel
from agent_engine.ports import Dialect, ToolRequest


def call(arguments, name="report_colour"):
    return ToolRequest(name=name, arguments=arguments)


@pytest.mark.parametrize(
    ("reply", "works"),
    [
        (call('{"colour": "Blue"}'), True),
        (call('{"colour": "red"}'), False),
        (call("{blue"), False),
        (call("[]"), False),
        (call('{"colour": "blue"}', name="other"), False),
        ('{"name": "report_colour", "arguments": {"colour": "blue"}}', False),
        ("blue", False),
        (ModelRefusedError("no tools here"), False),
        (ModelUnavailableError(), None),
        (ModelReplyError(), None),
    ],
)
async def test_what_the_model_does_with_a_tool_is_remembered(reply, works):
    with ScriptedModel(reply) as model:
        assert await learn_native_tools(model) is works
    assert model.dialect.native_tools is works


@pytest.mark.parametrize("known", [True, False])
async def test_what_is_known_is_not_asked_again(known):
    with ScriptedModel(dialect=Dialect(native_tools=known)) as model:
        assert await learn_native_tools(model) is known
