"""One retry layer: what is safe is repeated, what may have happened is not."""

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from bot.errors import SlackRefusedError, SlackUnavailableError
from bot.outbound.pacing import Pacer
from bot.outbound.web_calls import MAX_ATTEMPTS, Call, WebCalls
from tests.fakes.stores import FakeTime


def answer(data, status=200, headers=None):
    return AsyncSlackResponse(
        client=None,
        http_verb="POST",
        api_url="",
        req_args={},
        data=data,
        headers=headers or {},
        status_code=status,
    )


def refusal(error, status=200, headers=None, **more):
    return SlackApiError("no", answer({"ok": False, "error": error, **more}, status, headers))


class Slack:
    """Answers with the given things, one after the other, then with ok."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.calls = 0

    async def __call__(self):
        self.calls += 1
        if not self.answers:
            return answer({"ok": True})
        raise self.answers.pop(0)


def web_calls():
    time = FakeTime()
    return time, WebCalls(clock=time, pacer=Pacer(clock=time, sleep=time.sleep), sleep=time.sleep)


UPDATE = Call(method="chat.update")
POST = Call(method="chat.postMessage", channel_id="C1", repeatable=False)
UNREACHABLE = aiohttp.ClientConnectorError(None, OSError("refused"))


@pytest.mark.parametrize(
    "trouble",
    [
        refusal("fatal_error"),
        refusal("", 503),
        SlackApiError("html", answer({}, 502)),
        UNREACHABLE,
        aiohttp.ServerDisconnectedError(),
        TimeoutError(),
    ],
)
async def test_what_does_no_harm_twice_is_repeated(trouble):
    slack = Slack(trouble, trouble)
    _, calls = web_calls()
    assert await calls.make(UPDATE, slack) == {"ok": True}
    assert slack.calls == 3


@pytest.mark.parametrize(
    "trouble",
    [refusal("fatal_error"), refusal("", 500), TimeoutError(), aiohttp.ServerDisconnectedError()],
)
async def test_a_message_that_may_have_been_posted_is_not_posted_again(trouble):
    slack = Slack(trouble)
    _, calls = web_calls()
    with pytest.raises(SlackUnavailableError) as caught:
        await calls.make(POST, slack)
    assert caught.value.maybe_done
    assert slack.calls == 1


async def test_a_message_that_never_left_is_tried_again():
    slack = Slack(UNREACHABLE, UNREACHABLE)
    _, calls = web_calls()
    await calls.make(POST, slack)
    assert slack.calls == 3


async def test_a_retry_after_is_obeyed_even_for_messages():
    slack = Slack(refusal("ratelimited", 429, {"Retry-After": "7"}))
    time, calls = web_calls()
    await calls.make(POST, slack)
    assert slack.calls == 2
    assert time.now_s - 1_000 >= 7


async def test_a_retry_after_beyond_ones_patience_is_passed_on():
    slack = Slack(refusal("ratelimited", 429, {"Retry-After": "60"}))
    _, calls = web_calls()
    with pytest.raises(SlackUnavailableError) as caught:
        await calls.make(POST, slack)
    assert caught.value.retry_after_s >= 59
    assert not caught.value.maybe_done


async def test_repetitions_end():
    slack = Slack(*[UNREACHABLE] * 100)
    _, calls = web_calls()
    with pytest.raises(SlackUnavailableError):
        await calls.make(UPDATE, slack)
    assert slack.calls == MAX_ATTEMPTS


async def test_a_refusal_is_passed_on_with_its_evidence():
    details = {"response_metadata": {"messages": ["[ERROR] unsupported type: plan"]}}
    slack = Slack(refusal("invalid_blocks", **details))
    _, calls = web_calls()
    with pytest.raises(SlackRefusedError) as caught:
        await calls.make(POST, slack)
    assert caught.value.error == "invalid_blocks"
    assert caught.value.details == ("[ERROR] unsupported type: plan",)
    assert slack.calls == 1


async def test_a_method_that_is_not_offered_is_not_tried_again_for_an_hour():
    slack = Slack(refusal("unknown_method"), refusal("unknown_method"))
    time, calls = web_calls()
    sessions = Call(method="agents.sessions.setStatus")
    for _ in range(3):
        with pytest.raises(SlackRefusedError, match="unknown_method"):
            await calls.make(sessions, slack)
    assert slack.calls == 1
    assert calls.is_refused(sessions.method)
    time.now_s += 3_601
    with pytest.raises(SlackRefusedError):
        await calls.make(sessions, slack)
    assert slack.calls == 2


async def test_posting_is_tried_each_time_for_nothing_works_without_it():
    slack = Slack(refusal("missing_scope"))
    _, calls = web_calls()
    with pytest.raises(SlackRefusedError):
        await calls.make(POST, slack)
    assert await calls.make(POST, slack) == {"ok": True}


async def test_the_log_names_method_duration_and_error_and_nothing_said(caplog):
    caplog.set_level("DEBUG")
    _, calls = web_calls()
    with pytest.raises(SlackRefusedError):
        await calls.make(POST, Slack(refusal("is_archived", needed="xoxb-1")))
    [record] = [r for r in caplog.records if r.message == "slack_called"]
    assert (record.method, record.error) == ("chat.postMessage", "is_archived")
    assert "xoxb" not in caplog.text
