"""A reply that is told while it grows is the same reply."""

import asyncio

import pytest

from agent_engine.errors import ModelRefusedError, ModelReplyError, ModelUnavailableError
from agent_engine.limits import MeteredModel
from agent_engine.models.fallback import FallbackModel
from agent_engine.models.growing_reply import GrowingReply
from agent_engine.models.openai_compatible import OpenAICompatibleModel
from agent_engine.models.retry import RetryingModel
from agent_engine.models.scripted import ScriptedModel
from agent_engine.ports import ToolRequest
from agent_engine.types import Limits, Usage
from tests.fakes.models import CALCULATE, connected, request
from tests.fakes.openai_server import (
    Calls,
    Fails,
    Hangs,
    Hold,
    OpenAIServer,
    Raw,
    Says,
    Streams,
    in_order,
)

TEXT = "Mars has two moons: Phobos and Deimos. 🌗"


def prefixes(told, text=TEXT):
    """Whether each of the texts that were told is a beginning of the text, longer each time."""
    return all(text.startswith(t) for t in told) and told == sorted(told, key=len)


async def heard(*replies, streams=Streams.SPOKEN, **fields):
    told = []
    server = OpenAIServer(in_order(*replies), streams=streams)
    async with connected(server) as model:
        reply = await model.complete(request(on_text=told.append, **fields))
    return server, reply, told


async def test_the_text_is_told_as_it_grows_and_the_reply_is_the_same():
    server, reply, told = await heard(Says(text=TEXT))
    async with connected(OpenAIServer(in_order(Says(text=TEXT)))) as model:
        plain = await model.complete(request())
    assert prefixes(told)
    assert len(told) > 3
    assert told[-1] == reply.text == plain.text
    assert (reply.prompt_tokens, reply.completion_tokens) == (11, 7)
    assert (reply.model, reply.finish_reason) == (plain.model, plain.finish_reason)
    assert server.bodies[0]["stream_options"] == {"include_usage": True}


async def test_the_text_is_told_before_the_reply_is_whole():
    hold = Hold(after=10, go_on=asyncio.Event())
    server = OpenAIServer(in_order(Says(text=TEXT, holds=[hold])))
    begun, told = asyncio.Event(), []

    def hear(text):
        told.append(text)
        if len(text) >= 10:
            begun.set()

    async with connected(server) as model, asyncio.TaskGroup() as group:
        asking = group.create_task(model.complete(request(on_text=hear)))
        await begun.wait()
        assert told[-1] == TEXT[:10]
        assert not asking.done()
        hold.go_on.set()
    assert told[-1] == asking.result().text == TEXT


async def test_nothing_is_streamed_where_nobody_listens():
    server = OpenAIServer(in_order(Says(text=TEXT)))
    async with connected(server) as model:
        await model.complete(request())
    assert "stream" not in server.bodies[0]


async def test_native_tool_calls_arrive_whole():
    calls = [("calculate", '{"expression": "1 + 1"}'), ("calculate", '{"expression": "2 + 2"}')]
    _, reply, told = await heard(Calls(calls=calls), tools=(CALCULATE,))
    assert reply.tool_requests == tuple(ToolRequest(name=n, arguments=a) for n, a in calls)
    assert (reply.finish_reason, told) == ("tool_calls", [])


async def test_a_refusal_and_a_missing_usage_are_read_from_pieces():
    _, reply, _ = await heard(Says(text="no", usage=False, more={"refusal": "I will not."}))
    assert reply.refusal == "I will not."
    assert reply.estimated


@pytest.mark.parametrize("streams", [Streams.REFUSED, Streams.IGNORED])
async def test_a_server_that_does_not_stream_answers_plainly_from_then_on(streams):
    server = OpenAIServer(in_order(Says(text=TEXT)), streams=streams)
    async with connected(server) as model:
        first = await model.complete(request(on_text=lambda _: None))
        second = await model.complete(request(on_text=lambda _: None))
    assert first.text == second.text == TEXT
    assert model.dialect.no_streaming
    assert "stream" not in server.bodies[-1]


async def test_a_server_that_never_tells_the_end_is_asked_plainly_when_asked_again():
    server = OpenAIServer(in_order(Says(text=TEXT)), streams=Streams.UNFINISHED)
    told = []
    async with connected(server) as model:
        patient = RetryingModel(model, uniform=lambda _low, _high: 0.0)
        reply = await patient.complete(request(on_text=told.append))
    assert reply.text == TEXT
    assert told[-1] == ""
    assert ["stream" in body for body in server.bodies] == [True, False]


@pytest.mark.parametrize("how", ["drop", "error"])
async def test_a_reply_that_breaks_off_is_begun_anew(how):
    server = OpenAIServer(in_order(Says(text="Mars has tw", breaks_off=how), Says(text=TEXT)))
    told = []
    async with connected(server) as model:
        patient = RetryingModel(model, uniform=lambda _low, _high: 0.0)
        reply = await patient.complete(request(on_text=told.append))
    assert reply.text == TEXT
    anew = told.index("")
    assert told[anew - 1] == "Mars has tw"
    assert prefixes(told[anew:])
    assert not model.dialect.no_streaming


async def test_the_next_model_begins_anew_where_the_first_broke_off():
    server = OpenAIServer(in_order(Says(text="Mars has tw", breaks_off="drop")))
    told = []
    async with connected(server) as model:
        both = FallbackModel([model, ScriptedModel(TEXT)])
        reply = await both.complete(request(on_text=told.append))
    assert reply.text == TEXT
    assert prefixes(told[told.index("") :])


async def test_a_metered_model_lets_the_text_through_and_settles_once():
    told, settled = [], []
    server = OpenAIServer(in_order(Says(text=TEXT)))
    async with connected(server) as model:
        metered = MeteredModel(model, limits=Limits(), used=Usage, prices={}, settle=settled.append)
        await metered.complete(request(on_text=told.append))
    assert told[-1] == TEXT
    assert [call.completion_tokens for call in settled] == [7]


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (Fails(status=401), ModelRefusedError),
        (Fails(status=400), ModelRefusedError),
        (Fails(status=503), ModelUnavailableError),
        (Raw(body="{not json"), ModelReplyError),
    ],
)
async def test_failures_are_the_same_as_without_streaming(reply, kind):
    with pytest.raises(kind):
        await heard(reply)


async def test_a_refused_parameter_is_learnt_and_the_reply_streamed():
    refused = Fails(status=400, message="Unsupported value: temperature; only the default")
    server, reply, told = await heard(refused, Says(text=TEXT))
    assert reply.text == told[-1] == TEXT
    assert "temperature" not in server.bodies[1]
    assert server.bodies[1]["stream"] is True


async def test_a_call_that_is_cancelled_takes_back_what_it_told():
    hold = Hold(after=10, go_on=asyncio.Event())
    server = OpenAIServer(in_order(Says(text=TEXT, holds=[hold])))
    told = []
    async with connected(server) as model:
        async with asyncio.TaskGroup() as group:
            asking = group.create_task(model.complete(request(on_text=told.append)))
            await hold.reached.wait()
            asking.cancel()
        hold.go_on.set()
    assert told[-1:] in ([""], [])


async def test_silence_in_time_is_a_timeout_while_streaming_too():
    server = OpenAIServer(in_order(Hangs()))
    async with server.running() as url, OpenAICompatibleModel("m", base_url=url) as model:
        with pytest.raises(ModelUnavailableError, match=r"did not answer within 0\.2 s"):
            await model.complete(request(on_text=lambda _: None, timeout_s=0.2))


@pytest.mark.parametrize("piece", [None, [], {}, {"choices": [None]}, {"choices": [{"delta": 1}]}])
def test_pieces_that_make_no_sense_are_passed_over(piece):
    reply = GrowingReply(lambda _: None)
    reply.add(piece)
    assert not reply.is_finished
    assert reply.completion()["choices"][0]["message"]["content"] == ""
