"""In a conversation with the bot the answer is seen while it is written; it ends as if posted."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from agent_engine.types import ChannelId, Thread, WorkspaceId
from bot.local_slack.config import LocalWorkspaceConfig
from bot.local_slack.server import LocalWorkspace
from bot.manifest import load_manifest
from storage.threads import SqlThreadStore
from tests.fakes.openai_server import Hold, Says
from tests.recovery.rows import without_times
from tests.scenario.whole.models import answer, done, open_model_town, plan, purpose

ANSWER = "Mars has two moons. The larger one is Phobos and the smaller one is Deimos."
STREAMS = ("chat.startStream", "chat.appendStream", "chat.stopStream")
SUM = ("calculate", {"expression": "17 * 23"})


class Talk:
    """One person's conversation with the bot, with a model that can be held back."""

    def __init__(self, town, server):
        self.town = town
        self.server = server
        self.workspace = town.workspace
        self.channel = town.workspace.dm("ada").id

    async def ask(self, text="How many moons has Mars?", thread_ts=None):
        return await self.town.person().post(self.channel, text, thread_ts=thread_ts)

    def ours(self, ts):
        return self.town.ours(ts, self.channel)

    async def shows_half(self, ts, words):
        """Wait until an open stream of the thread shows these words; return its message."""

        def half():
            found = [m for m in self.ours(ts) if m.is_streaming and words in m.text]
            return found[0] if found else None

        return await self.town.until(half)

    async def answered(self, ts, times=1):
        """Wait until all is said and nothing is being written; return the answers."""
        await self.town.answered(ts, times=times, channel=self.channel)
        await self.town.until(lambda: self.is_at_rest(ts))
        return self.town.answers(ts, self.channel)

    def is_at_rest(self, ts):
        mine = self.ours(ts)
        return bool(mine) and not any(m.is_streaming for m in mine) and self._is_over(mine[-1])

    def _is_over(self, message):
        kinds = {block["type"] for block in message.blocks or []}
        return bool(kinds & {"context_actions", "actions"})

    def thread(self, ts):
        workspace_id = WorkspaceId(self.workspace.team_id)
        return Thread(workspace_id=workspace_id, channel_id=ChannelId(self.channel), thread_ts=ts)

    def calls(self):
        return [self.town.calls(method) for method in STREAMS]

    def snapshot(self, ts, channel=None):
        return self.workspace.snapshot_thread(channel or self.channel, ts)


@pytest.fixture
def talking(tmp_path, workspace, monkeypatch):
    @asynccontextmanager
    async def opened(script, *, inside=workspace, **settings):
        monkeypatch.setattr("bot.outbound.streaming.PAUSE_S", 0.01)
        async with (
            asyncio.timeout(60),
            open_model_town(tmp_path, inside, monkeypatch, script, **settings) as (town, server),
        ):
            yield Talk(town, server)

    return opened


def held(after):
    return Hold(after=after, go_on=asyncio.Event())


def in_turn(*replies):
    """Reply to the questions that are no judging in this order, the last one for all others."""
    left = list(replies)
    return lambda _body, _index: left.pop(0) if len(left) > 1 else left[0]


def with_holds(reply, *holds, **more):
    """The reply, kept back where its text has these lengths; counted in the JSON it is in."""
    return Says(text=reply.text, holds=holds, **more)


def written(*holds, text=ANSWER, **more):
    """One step, then an answer written from it."""

    def script(body, _index):
        if purpose(body) == "plan":
            return plan(SUM)
        return Says(text=text, holds=holds, **more)

    return script


def half_of(reply, words):
    """The length of the reply's JSON up to the end of these words."""
    return reply.text.index(words) + len(words)


async def test_a_direct_answer_grows_and_ends_as_one_that_was_posted(talking):
    reply = answer(ANSWER)
    hold = held(half_of(reply, "Phobos and "))
    async with talking(in_turn(with_holds(reply, hold), reply)) as talk:
        ts = await talk.ask()
        half = await talk.shows_half(ts, "The larger one is Phobos")
        assert ANSWER.startswith(half.text)
        assert len(half.text) < len(ANSWER)
        hold.go_on.set()
        assert await talk.answered(ts) == [ANSWER]
        [message] = talk.ours(ts)
        assert message.ts == half.ts
        assert talk.calls()[0] == talk.calls()[2] == 1
        assert talk.town.calls("chat.update") == talk.town.calls("chat.postMessage") == 0
        elsewhere = await talk.town.mention("How many moons has Mars?")
        await talk.town.answered(elsewhere)
        posted = talk.snapshot(elsewhere, "general")[1:]
        assert without_times(talk.snapshot(ts)[1:]) == without_times(posted)
        assert message.metadata["event_payload"]["key"].endswith(":answer:0")


async def test_rows_read_before_the_answer_ended_do_not_take_it_away(talking, monkeypatch):
    reply, reading = answer(ANSWER), SqlThreadStore.runs
    hold = held(half_of(reply, "Phobos and "))

    async def slowly(store, thread):
        runs = await reading(store, thread)
        if hold.reached.is_set() and not hold.go_on.is_set():
            hold.go_on.set()
            while any(run.end is None for run in await reading(store, thread)):  # noqa: ASYNC110  a row has no event
                await asyncio.sleep(0.01)
        return runs

    async with talking(in_turn(with_holds(reply, hold))) as talk:
        ts = await talk.ask()
        half = await talk.shows_half(ts, "The larger one is Phobos")
        with monkeypatch.context() as patched:
            patched.setattr(SqlThreadStore, "runs", slowly)
            await SqlThreadStore(talk.town.works.database).touch(talk.thread(ts))
            assert await talk.answered(ts) == [ANSWER]
        [message] = talk.ours(ts)
        assert message.ts == half.ts


async def test_an_answer_written_from_steps_grows_below_the_plan(talking):
    hold = held(30)
    async with talking(written(hold)) as talk:
        ts = await talk.ask("What is 17 * 23?")
        await talk.shows_half(ts, "Mars has two moons.")
        hold.go_on.set()
        assert await talk.answered(ts) == [ANSWER]
        assert talk.calls()[0] == 1


async def test_in_a_channel_nothing_is_streamed(talking):
    async with talking(in_turn(answer(ANSWER))) as talk:
        ts = await talk.town.mention("How many moons has Mars?")
        assert await talk.town.answered(ts) == [ANSWER]
        assert talk.calls() == [0, 0, 0]
        assert not any("stream" in body for body in talk.server.bodies)


async def test_an_answer_that_new_words_overtake_is_taken_away(talking):
    first, other = answer(ANSWER), Says(text="Venus has none at all.")
    hold = held(half_of(first, "Phobos and "))
    replies = {"plan": with_holds(first, hold), "replan": done()}
    async with talking(lambda body, _: replies.get(purpose(body), other)) as talk:
        ts = await talk.ask()
        await talk.shows_half(ts, "Phobos")
        said = await talk.ask("I meant Venus.", thread_ts=ts)
        await talk.town.until_told(ts, "I meant Venus.", talk.channel)
        hold.go_on.set()
        assert await talk.answered(ts) == ["Venus has none at all."]
        [message] = talk.ours(ts)
        assert message.ts > said


async def test_what_was_said_stays_when_a_person_stops_the_answer(talking):
    reply = answer(ANSWER)
    hold = held(half_of(reply, "Phobos and "))
    async with talking(in_turn(with_holds(reply, hold))) as talk:
        ts = await talk.ask()
        half = await talk.shows_half(ts, "Phobos")
        await talk.town.person().stop_session(talk.channel, ts)
        await talk.town.unhappy_end(ts, talk.channel)
        hold.go_on.set()
        kept, notice = talk.ours(ts)
        assert (kept.ts, kept.is_streaming) == (half.ts, False)
        assert ANSWER.startswith(kept.text)
        assert "Run again" in str(notice.blocks)


@pytest.mark.parametrize("method", STREAMS[:2])
async def test_a_slack_that_does_not_stream_gets_the_answer_whole(talking, method):
    config = LocalWorkspaceConfig(manifest=load_manifest(), unsupported_methods={method})
    reply = answer(ANSWER)
    first, second = held(half_of(reply, "larger one ")), held(half_of(reply, "Phobos and "))
    script = in_turn(with_holds(reply, first, second), answer("And again."))
    async with LocalWorkspace(config) as inside, talking(script, inside=inside) as talk:
        ts = await talk.ask()
        await first.reached.wait()
        await talk.town.until(lambda: talk.calls()[0] > 0)
        first.go_on.set()
        await second.reached.wait()
        await talk.town.until(lambda: talk.town.calls(method) > 0)
        second.go_on.set()
        assert await talk.answered(ts) == [ANSWER]
        assert len(talk.ours(ts)) == 1
        again = await talk.ask("Once more?")
        assert await talk.answered(again) == ["And again."]
        assert talk.calls()[0] == 1


@pytest.mark.parametrize(
    ("method", "fault"),
    [
        ("chat.startStream", {"error": "fatal_error", "times": 9}),
        ("chat.startStream", {"status": 429, "retry_after": 1, "times": 1}),
        ("chat.startStream", {"error": "channel_not_supported", "times": 9}),
        ("chat.startStream", {"status": "reset", "times": 1, "applied": True}),
        ("chat.appendStream", {"status": "reset", "times": 1, "applied": True}),
        ("chat.appendStream", {"error": "msg_too_long", "times": 9}),
        ("chat.appendStream", {"status": 429, "retry_after": 1, "times": 1}),
        ("chat.stopStream", {"status": "reset", "times": 1, "applied": True}),
        ("chat.stopStream", {"status": 503, "times": 1}),
        ("chat.stopStream", {"error": "invalid_blocks", "times": 1}),
    ],
)
async def test_whatever_goes_wrong_there_is_one_whole_answer(talking, monkeypatch, method, fault):
    monkeypatch.setattr("bot.outbound.posting.LOOKUP_PAUSES_S", (0.0, 0.1))
    reply = answer(ANSWER)
    first, second = held(half_of(reply, "larger one ")), held(half_of(reply, "Phobos and "))
    async with talking(in_turn(with_holds(reply, first, second))) as talk:
        talk.workspace.faults.fail_api[method] = fault
        ts = await talk.ask()
        for hold, call in ((first, "chat.startStream"), (second, "chat.appendStream")):
            await hold.reached.wait()
            if method != "chat.startStream" or call == method:
                await talk.town.until(lambda call=call: talk.town.calls(call) > 0)
            hold.go_on.set()
        assert await talk.answered(ts) == [ANSWER]
        assert len(talk.ours(ts)) == 1


async def test_a_stream_that_slack_ended_is_finished_by_an_edit(talking):
    reply = answer(ANSWER)
    hold = held(half_of(reply, "Phobos and "))
    async with talking(in_turn(with_holds(reply, hold))) as talk:
        ts = await talk.ask()
        half = await talk.shows_half(ts, "Phobos")
        talk.workspace.faults.stream_expiry_s = 0.0
        hold.go_on.set()
        assert await talk.answered(ts) == [ANSWER]
        [message] = talk.ours(ts)
        assert message.ts == half.ts
        assert talk.town.calls("chat.update") == 1


async def test_a_model_that_breaks_off_and_says_something_else_is_believed_in_the_end(talking):
    broken = Says(text=ANSWER[:40], breaks_off="drop")
    other = "There are two of them: Phobos and Deimos."
    left = [broken, Says(text=other)]

    def script(body, _index):
        return plan(SUM) if purpose(body) == "plan" else left.pop(0)

    async with talking(script) as talk:
        ts = await talk.ask()
        assert await talk.answered(ts) == [other]


async def test_of_a_long_answer_the_first_message_grows_and_the_others_follow(talking):
    text = "\n\n".join(f"{n}. " + "word " * 100 for n in range(40))
    hold = held(9_500)
    async with talking(written(hold, text=text)) as talk:
        ts = await talk.ask()
        await talk.shows_half(ts, "\n\n1. word")
        hold.go_on.set()
        answers = await talk.answered(ts, times=3)
        assert "".join("\n\n".join(answers).split()) == "".join(text.split())
        assert talk.calls()[0] == 1


async def test_links_and_code_end_as_they_would_when_posted(talking):
    text = (
        "See [the page](https://example.com/a) and [this](javascript:alert) or <!channel>.\n\n"
        "```python\nprint('<@U1>')\n```\n\n| a | b |\n| - | - |\n| 1 | 2 |\n\nIs `x < y`? Yes."
    )
    hold = held(text.index("es."))
    async with talking(written(hold, text=text)) as talk:
        ts = await talk.ask()
        await talk.shows_half(ts, "Is `x < y`?")
        hold.go_on.set()
        [streamed] = await talk.answered(ts)
        elsewhere = await talk.town.mention("How many moons has Mars?")
        assert [streamed] == await talk.town.answered(elsewhere)
        edited = [call.args["ts"] for call in talk.workspace.traffic.calls("chat.update")]
        assert talk.ours(ts)[-1].ts not in edited


async def test_no_piece_of_a_growing_answer_shows_half_a_secret(talking):
    key = "-----BEGIN PRIVATE KEY-----\nMIIEowIBAAKCAQEA\nq8Ab/31x\n-----END PRIVATE KEY-----"
    text = f"This is it, all of it:\n\n{key}\n\nKeep it well, please."
    first, second = held(text.index("q8Ab")), held(text.index("well"))
    async with talking(written(first, second, text=text)) as talk:
        ts = await talk.ask()
        await talk.shows_half(ts, "all of it")
        first.go_on.set()
        await talk.shows_half(ts, "Keep")
        second.go_on.set()
        [streamed] = await talk.answered(ts)
        assert streamed.split() == text.replace(key, "[redacted: private key]").split()
        sent = str([call.args for name in STREAMS for call in talk.workspace.traffic.calls(name)])
        assert "MIIE" not in sent
        assert "q8Ab" not in sent


async def test_a_streamed_answer_can_be_rated(talking):
    hold = held(30)
    async with talking(written(hold)) as talk:
        ts = await talk.ask()
        await talk.shows_half(ts, "Mars has two moons.")
        hold.go_on.set()
        await talk.answered(ts)
        message = talk.ours(ts)[-1]
        await talk.town.person().react(talk.channel, message.ts, "+1")
        await talk.town.rated(good=1, low=0)
