import asyncio
import subprocess
import sys

import pytest

from agent_engine.errors import ModelRefusedError, ModelReplyError, ModelUnavailableError
from agent_engine.models.openai_client import LOCAL_KEY
from agent_engine.models.openai_compatible import (
    REASONING_TOKENS,
    OpenAICompatibleModel,
    request_body,
)
from agent_engine.models.replies import ModelBusyError
from agent_engine.ports import Image, JsonMode, JsonSchemaFormat, Role, ToolRequest, Turn
from tests.fakes.models import CALCULATE, connected, request
from tests.fakes.openai_server import (
    Calls,
    Drops,
    Fails,
    Hangs,
    OpenAIServer,
    Raw,
    Says,
    in_order,
)


async def asked(script_reply, *, api_key=None, **fields):
    server = OpenAIServer(in_order(script_reply))
    async with (
        asyncio.timeout(5),
        server.running() as url,
        OpenAICompatibleModel("m", base_url=url, api_key=api_key) as model,
    ):
        return server, await model.complete(request(**fields))


async def test_a_reply_is_read_with_its_counts():
    _, reply = await asked(Says(text="hi"))
    assert (reply.text, reply.prompt_tokens, reply.completion_tokens) == ("hi", 11, 7)
    assert (reply.estimated, reply.finish_reason) == (False, "stop")
    assert reply.duration_s > 0


async def test_what_is_asked_arrives_as_asked():
    turns = (Turn(role=Role.SYSTEM, text="s"), Turn(role=Role.USER, text="ü \ud800"))
    server, _ = await asked(
        Says(text="{}"), turns=turns, tools=(CALCULATE,), reply_format=JsonMode(), max_tokens=5
    )
    body = server.bodies[0]
    assert body["messages"][0] == {"role": "system", "content": "s"}
    assert body["messages"][1]["content"] == "ü ?"
    assert (body["model"], body["max_tokens"], body["temperature"]) == ("m", 5, 0.1)
    assert body["response_format"] == {"type": "json_object"}
    assert body["tools"][0]["function"]["parameters"] == CALCULATE.parameters_schema
    assert server.headers[0]["Authorization"] == f"Bearer {LOCAL_KEY}"


IMAGE = Image(name="a.png", mimetype="image/png", data=b"png")
SHOWN = (Turn(role=Role.USER, text="what is this?", images=(IMAGE,)),)
LOOKING = "it is a chart"


def with_images(body):
    return isinstance(body["messages"][-1]["content"], list)


async def look(*refusals):
    """Ask about an image so many times, each refused in these words while it is shown."""
    left = list(refusals)

    def script(body, _index):
        refusal = left.pop(0) if with_images(body) else None
        return refusal or Says(text=LOOKING)

    server = OpenAIServer(script)
    async with (
        asyncio.timeout(5),
        server.running() as url,
        OpenAICompatibleModel("m", base_url=url) as model,
    ):
        replies = [await model.complete(request(turns=SHOWN)) for _ in refusals]
        return replies, [with_images(body) for body in server.bodies], model.dialect.sees


async def test_a_model_that_takes_an_image_is_known_to_see():
    [reply], shown, sees = await look(None)
    assert (reply.images_refused, shown, sees) == (False, [True], True)


@pytest.mark.parametrize(
    "message",
    [
        "This model does not support image_url content",
        "image input is not supported - hint: you may need to provide the mmproj",
        "At most 0 image(s) may be provided in one request.",
        "unknown variant `image_url`, expected `text`",
        "messages[0].content must be a string",
        "fake-model is not a multimodal model",
    ],
)
async def test_a_server_that_takes_no_images_is_shown_none_any_more(message):
    replies, shown, sees = await look(Fails(status=400, message=message), None)
    assert [reply.text for reply in replies] == [LOOKING, LOOKING]
    assert (shown, sees) == ([True, False, False], False)


@pytest.mark.parametrize(
    "refusal",
    [
        Fails(status=400, message="image exceeds 5 MB maximum: 5316852 bytes > 5242880 bytes"),
        Fails(status=400, message="The image dimensions exceed max allowed size: 8000 pixels"),
        Fails(status=400, message="You uploaded an unsupported image. Is your image valid?"),
        Fails(status=400, message="Could not process image"),
        Fails(status=400, message="invalid image data"),
        Fails(status=500, message="failed to decode image bytes"),
        Fails(status=413, message="", raw="<html>Request Entity Too Large</html>"),
    ],
)
async def test_a_server_that_does_not_take_this_image_is_shown_others(refusal):
    replies, shown, sees = await look(refusal, None)
    assert [reply.images_refused for reply in replies] == [True, False]
    assert (shown, sees) == ([True, False, True], True)


async def test_a_model_that_saw_before_is_not_taken_for_blind():
    replies, shown, sees = await look(None, Fails(status=400, message="no image, please"), None)
    assert [reply.images_refused for reply in replies] == [False, True, False]
    assert (shown, sees) == ([True, True, False, True], True)


async def test_other_refusals_are_none_of_images():
    with pytest.raises(ModelRefusedError):
        await look(Fails(status=400, message="the conversation is too long"))


async def test_a_schema_is_sent_strict():
    schema = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
    wanted = JsonSchemaFormat(name="empty", schema=schema)
    server, _ = await asked(Says(text="{}"), reply_format=wanted)
    sent = server.bodies[0]["response_format"]
    assert sent["json_schema"] == {"name": "empty", "strict": True, "schema": schema}


async def test_native_tool_calls_are_read():
    _, reply = await asked(Calls(calls=[("calculate", '{"expression": "1"}')]))
    assert reply.tool_requests == (ToolRequest(name="calculate", arguments='{"expression": "1"}'),)


async def test_missing_usage_is_estimated():
    _, reply = await asked(Says(text="some words", usage=False))
    assert reply.estimated
    assert reply.prompt_tokens > 0


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (Fails(status=400), ModelRefusedError),
        (Fails(status=401), ModelRefusedError),
        (Fails(status=404), ModelRefusedError),
        (Fails(status=422), ModelRefusedError),
        (Fails(status=429, headers={"Retry-After": "3"}), ModelBusyError),
        (Fails(status=500), ModelUnavailableError),
        (Fails(status=503, raw="<html>"), ModelUnavailableError),
        (Drops(), ModelUnavailableError),
        (Raw(body="{not json"), ModelReplyError),
        (Raw(body=""), ModelReplyError),
        (Raw(body='"text"'), ModelReplyError),
        (Raw(body='{"choices": []}'), ModelReplyError),
    ],
)
async def test_every_failure_becomes_our_error(reply, kind):
    with pytest.raises(kind) as caught:
        await asked(reply)
    assert type(caught.value) is kind
    if isinstance(reply, Fails) and reply.headers:
        assert caught.value.retry_after_s == 3.0


async def test_a_server_that_does_not_answer_is_unavailable_in_time():
    with pytest.raises(ModelUnavailableError, match=r"did not answer within 0\.2 s"):
        await asked(Hangs(), timeout_s=0.2)


async def test_no_server_at_all_is_unavailable_and_the_address_holds_no_password():
    model = OpenAICompatibleModel("m", base_url="http://user:pw@127.0.0.1:9/v1")
    async with asyncio.timeout(5), model:
        with pytest.raises(ModelUnavailableError, match=r"127\.0\.0\.1:9") as caught:
            await model.complete(request())
    assert "pw" not in caught.value.message
    assert "cannot be reached" in caught.value.message


async def test_a_dropped_connection_is_not_called_slowness():
    with pytest.raises(ModelUnavailableError, match="cannot be reached"):
        await asked(Drops())


async def test_name_and_password_in_the_address_are_sent():
    server = OpenAIServer(in_order(Says(text="hi")))
    async with server.running() as url:
        login = url.replace("http://", "http://ann:p%40ss@")
        async with OpenAICompatibleModel("m", base_url=login) as model:
            await model.complete(request())
    assert server.headers[0]["Authorization"] == "Basic YW5uOnBAc3M="


async def test_the_key_is_sent_but_never_told():
    message = "Incorrect API key provided: topsecret"
    server = OpenAIServer(in_order(Fails(status=401, message=message)))
    async with connected(server, api_key="topsecret") as model:
        with pytest.raises(ModelRefusedError) as caught:
            await model.complete(request())
    assert server.headers[0]["Authorization"] == "Bearer topsecret"
    assert "topsecret" not in caught.value.message


async def test_a_proxy_from_the_environment_is_passed_by_on_this_machine(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    _, reply = await asked(Says(text="hi"))
    assert reply.text == "hi"


async def test_nothing_is_retried():
    server = OpenAIServer(in_order(Fails(status=500), Says(text="second")))
    async with connected(server) as model:
        with pytest.raises(ModelUnavailableError):
            await model.complete(request())
    assert len(server.bodies) == 1


async def test_calls_beyond_the_bound_wait_their_turn():
    server = OpenAIServer(in_order(Says(text="x")), latency_s=0.02)
    async with connected(server, max_concurrent=2) as model, asyncio.TaskGroup() as group:
        for _ in range(6):
            group.create_task(model.complete(request()))
    assert server.most_in_flight == 2


async def test_a_cancelled_call_frees_its_place():
    server = OpenAIServer(in_order(Hangs(), Says(text="x")))
    async with connected(server, max_concurrent=1) as model:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await model.complete(request())
        assert (await model.complete(request())).text == "x"


async def test_parameters_that_a_model_refuses_are_learnt_once():
    def picky(body, _index):
        if "max_tokens" in body:
            hint = "'max_tokens' is not supported. Use 'max_completion_tokens' instead."
            return Fails(status=400, message=f"Unsupported parameter: {hint}")
        if "temperature" in body:
            return Fails(status=400, message="Unsupported value: 'temperature' must be 1.")
        return Says(text="ok")

    server = OpenAIServer(picky)
    async with connected(server) as model:
        for _ in range(2):
            assert (await model.complete(request(max_tokens=10))).text == "ok"
    assert len(server.bodies) == 4
    assert server.bodies[-1]["max_completion_tokens"] == 10 + REASONING_TOKENS


@pytest.mark.parametrize(
    "roles",
    [
        (),
        (Role.SYSTEM,),
        (Role.USER, Role.ASSISTANT),
        (Role.ASSISTANT, Role.USER),
        (Role.USER, Role.SYSTEM, Role.USER),
    ],
)
def test_a_history_that_servers_refuse_is_not_sent(roles):
    turns = tuple(Turn(role=role, text="x") for role in roles)
    with pytest.raises(ValueError, match="turn"):
        request_body("m", request(turns=turns))


def test_turns_of_one_speaker_in_a_row_are_joined():
    turns = tuple(Turn(role=Role.USER, text=text) for text in "ab")
    assert request_body("m", request(turns=turns))["messages"] == [
        {"role": "user", "content": "a\n\nb"}
    ]


@pytest.mark.parametrize(
    ("url", "known"),
    [
        (None, True),
        ("https://models.example.com/v1", True),
        ("http://127.0.0.1:11434/v1", None),
        ("http://localhost:1234/v1", None),
    ],
)
async def test_only_servers_elsewhere_are_trusted_with_native_tools_unasked(url, known):
    async with OpenAICompatibleModel("m", base_url=url) as model:
        assert model.dialect.native_tools is known


def test_the_vendors_client_is_loaded_only_with_this_module():
    code = (
        "import sys\n"
        "import agent_engine.planners.choose, agent_engine.models.retry\n"
        "import agent_engine.models.offline, agent_engine.models.fallback\n"
        "assert 'openai' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)  # noqa: S603  # our code
