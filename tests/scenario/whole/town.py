"""What a test sees of a workspace with the bot in it."""

import asyncio
import json

from agent_engine.types import ChannelId, Thread, WorkspaceId
from storage.figures import SqlFigureStore

PATIENCE_S = 30.0
"""Waits end when the thing happens; this is for a very busy machine only."""
LOOK_S, MANY_LOOKS = 0.02, 250
"""How often the database is looked at that cannot tell of a change."""


class Town:
    """A workspace with the bot at work."""

    def __init__(self, workspace, works):
        self.workspace = workspace
        self.works = works
        self.engine = works.engine

    def person(self, name="ada"):
        return self.workspace.person(name)

    async def mention(self, text, *, channel="general", person="ada", thread_ts=None):
        """Mention the bot; return the thread's ts."""
        words = f"<@{self.workspace.bot_user_id}> {text}"
        ts = await self.person(person).post(channel, words, thread_ts=thread_ts)
        return thread_ts or ts

    def ours(self, ts, channel="general"):
        """The bot's messages in a thread."""
        bot = self.workspace.bot_user_id
        return [m for m in self.workspace.thread(channel, ts) if m.user == bot]

    def plans(self, ts, channel="general"):
        return [m for m in self.ours(ts, channel) if _has(m, "plan")]

    def answers(self, ts, channel="general"):
        """The texts of the bot's messages that are Markdown."""
        return [_markdown(m) for m in self.ours(ts, channel) if _has(m, "markdown")]

    def said(self, ts, channel="general"):
        """All that the bot's messages in the thread show, as one text."""
        return "\n".join(f"{m.text} {json.dumps(m.blocks)}" for m in self.ours(ts, channel))

    async def until(self, predicate):
        return await self.workspace.until(predicate, PATIENCE_S)

    async def answered(self, ts, *, times=1, channel="general"):
        """Wait for the answer to be shown and the plan to be final; return the answers."""
        await self.until(lambda: len(self.answers(ts, channel)) >= times)
        await self.until(lambda: self.is_quiet(ts, channel))
        return self.answers(ts, channel)

    async def unhappy_end(self, ts, channel="general"):
        """Wait for a run that did not get to its answer to end; return what offers it again."""

        def shown():
            if not self.is_quiet(ts, channel):
                return None
            return next((m for m in self.ours(ts, channel) if self.button(m, "Run again")), None)

        return await self.until(shown)

    def is_quiet(self, ts, channel="general"):
        """Whether the thread is not at work; what ends at once never has a status."""
        place = self.workspace.channel(channel).id
        return self.workspace.session_status(place, ts) != "processing"

    async def working_on(self, ts, title, channel="general"):
        """Wait until the plan shows a step of this title in progress; return the plan message."""

        def shown():
            return next((m for m in self.plans(ts, channel) if _in_progress(m, title)), None)

        return await self.until(shown)

    def shows(self, message, sentence):
        """Say whether the message shows this one sentence, with nothing behind it."""
        is_one = sentence.endswith(".") and ". " not in sentence
        return is_one and sentence in f"{message.text} {json.dumps(message.blocks)}"

    def button(self, message, text):
        """The action id of a message's button with this text; None when it has none."""
        elements = [e for b in message.blocks or [] for e in b.get("elements", ())]
        found = (e for e in elements if e["type"] == "button" and e["text"]["text"] == text)
        return next((e["action_id"] for e in found), None)

    async def tally(self):
        """Ratings and usage of the workspace."""
        figures = SqlFigureStore(self.works.database)
        return await figures.figures(WorkspaceId(self.workspace.team_id), days=1)

    def ephemerals(self, person="ada", channel="general"):
        return [m.text for m in self.person(person).ephemerals(channel)]

    def thread(self, ts, channel="general"):
        return Thread(
            workspace_id=WorkspaceId(self.workspace.team_id),
            channel_id=ChannelId(self.workspace.channel(channel).id),
            thread_ts=ts,
        )

    async def run(self, ts, channel="general"):
        """The newest run of the thread; None when it has none."""
        run_id = await self.engine.latest_run(self.thread(ts, channel))
        return None if run_id is None else await self.engine.run(run_id)

    async def until_told(self, ts, words, channel="general"):
        """Wait until these words of a person's are in the run's row."""
        for _ in range(MANY_LOOKS):
            if words in str((await self.run(ts, channel)).messages):
                return
            await asyncio.sleep(LOOK_S)
        raise AssertionError(words)

    async def rated(self, *, good, low):
        """Wait until the ratings that count are these; an event is stored before it is taken."""
        for _ in range(MANY_LOOKS):
            tally = await self.tally()
            if (tally.good_ratings, tally.low_ratings) == (good, low):
                return
            await asyncio.sleep(LOOK_S)
        raise AssertionError(tally)

    def calls(self, method):
        """How often the bot called a method of Slack's."""
        return len(self.workspace.traffic.calls(method))


def _has(message, block_type):
    return any(block.get("type") == block_type for block in message.blocks or [])


def _in_progress(message, title):
    tasks = [t for b in message.blocks or [] for t in b.get("tasks", ())]
    return any(t["status"] == "in_progress" and title in t["title"] for t in tasks)


def _markdown(message):
    texts = [b["text"] for b in message.blocks or [] if b.get("type") == "markdown"]
    return "\n".join(texts)
