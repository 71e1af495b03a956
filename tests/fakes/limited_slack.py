"""Slack's side of posting, editing and signs without a network: its limits and what it shows."""

import math
from collections import defaultdict
from typing import NamedTuple

from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from bot.local_slack.rate_limits import RateLimits
from bot.outbound.blocks import ids

CALL_S = 0.1


class Called(NamedTuple):
    at_s: float
    method: str
    thread_ts: str
    word: str
    """The status that was shown, or the key of the message."""
    text: str = ""


class LimitedSlack:
    """Takes calls as fast as the local workspace does; each takes a tenth of a second."""

    def __init__(self, clock, *, unknown=()):
        self._clock = clock
        self._limits = RateLimits()
        self._unknown = unknown
        self.calls = []
        self.refused = []
        self.lookups = 0

    async def chat_postMessage(self, *, channel, thread_ts, metadata, text, blocks, **_more):  # noqa: N802  # the SDK's
        key = ids.read_metadata(metadata)
        await self._take("chat.postMessage", channel, thread_ts, key, f"{text} {blocks}")
        return _response({"ok": True, "ts": f"{self._clock.monotonic_s():.6f}"})

    async def chat_update(self, *, channel, metadata, **_more):
        await self._take("chat.update", channel, "", ids.read_metadata(metadata))
        return _response({"ok": True})

    async def agents_sessions_setStatus(self, *, channel_id, thread_ts, status, **_more):  # noqa: N802  # the SDK's
        await self._take("agents.sessions.setStatus", channel_id, thread_ts, status)
        return _response({"ok": True})

    async def assistant_threads_setStatus(self, *, channel_id, thread_ts, status):  # noqa: N802  # the SDK's
        await self._take("assistant.threads.setStatus", channel_id, thread_ts, status)
        return _response({"ok": True})

    async def conversations_replies(self, **_more):
        """Nobody may look anything up here."""
        self.lookups += 1
        raise SlackApiError("", _response({"ok": False, "error": "missing_scope"}))

    def use_up(self, method, channel, calls):
        """Let somebody else use a limit of ours."""
        for _ in range(calls):
            self._limits.take(method, channel)

    def made(self, method):
        return [call for call in self.calls if call.method == method]

    def signs(self):
        """When each thread showed anything for the first time."""
        first = {}
        for call in self.calls:
            first.setdefault(call.thread_ts, call.at_s)
        return first

    def ends(self):
        """What each thread shows in the end: its session, and its line if that still stands."""
        shown = defaultdict(dict)
        for call in self.calls:
            if call.method == "agents.sessions.setStatus":
                shown[call.thread_ts]["session"] = call.word
            elif call.method == "assistant.threads.setStatus":
                shown[call.thread_ts]["line"] = call.word
            elif call.method == "chat.postMessage":
                shown[call.thread_ts].pop("line", None)
        return shown

    async def _take(self, method, channel, thread_ts, word, text=""):
        await self._clock.sleep(CALL_S / 2)
        if method in self._unknown:
            raise SlackApiError("", _response({"ok": False, "error": "unknown_method"}))
        if wait_s := self._limits.take(method, channel):
            self.refused.append(method)
            headers = {"Retry-After": str(math.ceil(wait_s))}
            raise SlackApiError("", _response({"ok": False, "error": "ratelimited"}, 429, headers))
        self.calls.append(Called(self._clock.monotonic_s(), method, thread_ts, word, text))
        await self._clock.sleep(CALL_S / 2)


def _response(data, status=200, headers=None):
    return AsyncSlackResponse(
        client=None,
        http_verb="POST",
        api_url="",
        req_args={},
        data=data,
        headers=headers or {},
        status_code=status,
    )
