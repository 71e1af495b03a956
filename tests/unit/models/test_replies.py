import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_engine.errors import ModelRefusedError, ModelReplyError, ModelUnavailableError
from agent_engine.models.replies import ModelBusyError, error_for, read_reply, retry_after_s
from agent_engine.ports import ToolRequest
from tests.fakes.models import request

ASKED = request("hello there")


def completion(message, **fields):
    return {"choices": [{"message": message, "finish_reason": "stop"}], **fields}


def read(data):
    return read_reply(data, ASKED, model="m", duration_s=1.5)


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ({"content": "hi"}, "hi"),
        ({"content": None}, ""),
        ({}, ""),
        ({"content": [{"type": "text", "text": "a"}, {"type": "x"}, "b", 3]}, "ab"),
        ({"content": {"odd": 1}}, ""),
        ({"content": "", "reasoning_content": "hmm"}, ""),
    ],
)
def test_text_is_read_however_it_comes(message, text):
    assert read(completion(message)).text == text


@pytest.mark.parametrize(
    ("message", "calls"),
    [
        ({"tool_calls": [{"function": {"name": "f", "arguments": '{"a":1}'}}]}, [("f", '{"a":1}')]),
        ({"tool_calls": [{"function": {"name": "f", "arguments": {"a": 1}}}]}, [("f", '{"a": 1}')]),
        ({"tool_calls": [{"function": {"name": "f"}}]}, [("f", "")]),
        ({"function_call": {"name": "g", "arguments": "{}"}}, [("g", "{}")]),
        ({"tool_calls": None}, []),
        ({"tool_calls": ["odd", {"function": None}]}, []),
    ],
)
def test_tool_calls_are_read_in_all_their_forms(message, calls):
    expected = tuple(ToolRequest(name=name, arguments=arguments) for name, arguments in calls)
    assert read(completion(message)).tool_requests == expected


def test_counts_are_taken_from_the_server():
    reply = read(completion({"content": "x"}, usage={"prompt_tokens": 5, "completion_tokens": 2}))
    assert (reply.prompt_tokens, reply.completion_tokens, reply.estimated) == (5, 2, False)


@pytest.mark.parametrize(
    "usage",
    [None, {}, "odd", {"prompt_tokens": None}, {"prompt_tokens": -1}, {"prompt_tokens": True}],
)
def test_missing_counts_are_estimated_and_marked(usage):
    reply = read(completion({"content": "four words are here"}, usage=usage))
    assert reply.estimated
    assert reply.prompt_tokens > 0
    assert reply.completion_tokens > 0


def test_a_refusal_is_kept_apart_from_the_text():
    reply = read(completion({"content": None, "refusal": "I cannot help with that."}))
    assert (reply.text, reply.refusal) == ("", "I cannot help with that.")


@pytest.mark.parametrize(
    "junk", [None, "text", 3, [], {}, {"choices": []}, {"choices": [1]}, {"choices": [{}]}]
)
def test_junk_is_a_reply_error(junk):
    with pytest.raises(ModelReplyError):
        read(junk)


def test_an_error_sent_with_status_200_is_told():
    with pytest.raises(ModelReplyError, match="overloaded just now"):
        read({"error": {"message": "overloaded just now"}})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["choices", "message", "content", "tool_calls", "function", "name", "arguments",
             "usage", "prompt_tokens", "text", "refusal", "error"]
        ),
        inner,
        max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip


@given(JSON)
def test_whatever_comes_only_a_reply_error_is_raised(data):
    for value in (data, {"choices": [data]}, {"choices": [{"message": data}]}):
        try:
            read(value)
        except ModelReplyError:
            continue


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, ModelRefusedError),
        (401, ModelRefusedError),
        (403, ModelRefusedError),
        (404, ModelRefusedError),
        (422, ModelRefusedError),
        (408, ModelUnavailableError),
        (429, ModelBusyError),
        (500, ModelUnavailableError),
        (502, ModelUnavailableError),
        (529, ModelUnavailableError),
    ],
)
def test_each_status_has_its_error(status, kind):
    error = error_for(status, {"error": {"message": "because"}}, {})
    assert type(error) is kind
    assert f"(HTTP {status}): because" in error.message
    if isinstance(error, ModelRefusedError):
        assert error.status == status


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"message": "flat"}, "flat"),
        ({"error": "text"}, "text"),
        ({"detail": [{"msg": "missing"}]}, "missing"),
        ("<html>bad gateway</html>", "bad gateway"),
        ({"error": {"message": "two\nlines"}}, "two lines"),
    ],
)
def test_the_servers_sentence_is_found(body, words):
    assert words in error_for(500, body, {}).message


def test_the_key_is_never_told():
    for body in (
        {"error": {"message": "Incorrect API key provided: my-secret."}},
        {"error": {"message": "Incorrect API key provided: sk-abc***1234."}},
        {"error": {"message": "Bad header Authorization: Bearer abcdef"}},
    ):
        message = error_for(401, body, {}, secret="my-secret").message  # noqa: S106  # a fake
        assert not any(part in message for part in ("my-secret", "sk-abc", "abcdef"))
        assert "[key]" in message


def test_no_half_of_the_key_is_told_where_a_long_sentence_is_cut():
    secret = "0123456789-abcdefghij"  # noqa: S105  # a fake
    for filling in range(270, 300):
        body = {"error": {"message": f"{'x' * filling} {secret} and more"}}
        assert "0123" not in error_for(401, body, {}, secret=secret).message


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
        ({"retry-after": "-3"}, None),
        ({}, None),
    ],
)
def test_retry_after_is_read_in_all_its_forms(headers, seconds):
    assert retry_after_s(headers) == seconds


def test_retry_after_is_read_from_the_sentence_when_there_is_no_header():
    body = {"error": {"message": "Rate limit reached. Please try again in 1.5s."}}
    assert retry_after_s({}, body) == 1.5
    assert json.dumps(body)
