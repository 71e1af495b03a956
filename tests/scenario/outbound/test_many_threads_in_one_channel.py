"""Many threads in one channel: nobody is left without a sign, and answers keep the order of asking.

Slack's limits hold, on a loop on which a minute takes no time.
"""

import asyncio
import random
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import pytest

from agent_engine.places import NewPost, PostKind
from agent_engine.ports import Topic
from agent_engine.types import ChannelId, StepStatus, Thread
from bot.local_slack import rate_limits
from bot.outbound.blocks.answer import RESENT
from bot.outbound.desired import answer_key
from bot.outbound.pacing import SESSIONS, Pacer
from bot.outbound.reconciler import Reconciler
from bot.outbound.signs import LINE_LASTS_S
from bot.outbound.slack_client import SlackClient
from bot.outbound.web_calls import WebCalls
from tests.fakes.limited_slack import LimitedSlack
from tests.fakes.runs import WORKSPACE, a_plan, a_run, a_step, answered
from tests.fakes.stores import FakeBell, FakeLeases, FakePosts, FakeThreads
from tests.fakes.virtual_time import VirtualClock, virtually

SESSION = "agents.sessions.setStatus"
LINE = "assistant.threads.setStatus"
POST = "chat.postMessage"
EDIT = "chat.update"
WORKING = a_plan(a_step(1, "Look", StepStatus.STARTED))
DONE = a_plan(a_step(1, "Look", StepStatus.DONE, outcome="found it"))
NOTICED_S = 0.35
"""An answer that is so new may not have been seen yet when a slot was free."""


class Crowd:
    """People who ask in one channel, and when each got what."""

    def __init__(self, clock, slack, pacer):
        self.clock = clock
        self.pacer = pacer
        self.slack = slack
        self.threads = FakeThreads()
        self.rows = FakePosts()
        self.leases = FakeLeases()
        self.bell = FakeBell(clock)
        self.asked_s = {}
        self.answered_s = {}

    def ask(self, number, *, channel="C1"):
        thread = Thread(
            workspace_id=WORKSPACE, channel_id=ChannelId(channel), thread_ts=f"{number:04}"
        )
        self.asked_s[thread.thread_ts] = self.clock.monotonic_s()
        run = a_run(f"r{number}", thread=thread, created_at=self.clock.now())
        self.put(run)
        return run

    def answer(self, run):
        self.answered_s[run.thread.thread_ts] = self.clock.monotonic_s()
        self.put(answered(run))

    def put(self, run):
        self.threads.put(run)
        self.bell.ring(Topic.THREADS)

    async def ask_and_answer(self, number, *, works_s, channel="C1"):
        run = self.ask(number, channel=channel)
        await self.clock.sleep(works_s)
        self.answer(run)

    async def left_by_a_crash(self, run):
        """Store the intent to post an answer; whether it was posted nobody knows."""
        facts = {"run_id": run.run_id, "task_id": run.task.id, "kind": PostKind.ANSWER}
        key = answer_key(run.run_id, 0)
        await self.rows.intend([NewPost(key=key, thread=run.thread, **facts)])

    async def is_shown(self):
        async with asyncio.timeout(600):
            while not all(self.threads.is_shown(thread) for thread in list(self.threads._seqs)):
                self.threads.news.clear()
                await self.threads.news.wait()

    def sign_waits_s(self):
        signs = self.slack.signs()
        return sorted(signs[ts] - at_s for ts, at_s in self.asked_s.items())

    def posts(self):
        return [call for call in self.slack.made(POST) if ":answer:" in call.word]

    def overtaken(self):
        """Posted answers that had to wait though asked for earlier and there already."""
        posts = self.posts()
        return [
            (call.thread_ts, later.thread_ts)
            for number, call in enumerate(posts)
            for later in posts[number + 1 :]
            if later.thread_ts < call.thread_ts
            and self.answered_s[later.thread_ts] < call.at_s - NOTICED_S
        ]


@pytest.fixture(autouse=True)
def limits_of_virtual_time(monkeypatch):
    monkeypatch.setattr(rate_limits, "time", SimpleNamespace(monotonic=VirtualClock().monotonic_s))


@asynccontextmanager
async def a_crowd(*, unknown=()):
    clock = VirtualClock()
    web = LimitedSlack(clock, unknown=unknown)
    pacer = Pacer(clock=clock, sleep=clock.sleep)
    calls = WebCalls(clock=clock, pacer=pacer, sleep=clock.sleep)
    crowd = Crowd(clock, web, pacer)
    reconciler = Reconciler(
        threads=crowd.threads,
        posts=crowd.rows,
        slack=SlackClient(web=web, session=None, calls=calls, clock=clock),
        leases=crowd.leases,
        bell=crowd.bell,
        clock=clock,
        workspace_id=WORKSPACE,
        sleep=clock.sleep,
    )
    async with asyncio.TaskGroup() as group:
        task = group.create_task(reconciler.run())
        yield crowd
        task.cancel()


async def fifty_mentions(crowd, count=50):
    """Fifty people ask within half a second; the answers are there in any order soon after."""
    chance = random.Random(7)  # noqa: S311  # no secret
    async with asyncio.TaskGroup() as group:
        for number in range(count):
            works_s = 0.2 + 3 * chance.random()
            group.create_task(crowd.ask_and_answer(number, works_s=works_s))
            await crowd.clock.sleep(0.01)


def test_fifty_mentions_at_once_all_have_a_sign_within_two_seconds():
    async def scenario():
        async with a_crowd() as crowd:
            await fifty_mentions(crowd)
            await crowd.is_shown()
            assert crowd.slack.refused == []
            assert crowd.sign_waits_s()[-1] < 2.5
            assert crowd.sign_waits_s()[47] < 0.3

    virtually(scenario())


def test_fifty_answers_come_once_each_one_a_second_in_the_order_of_asking():
    async def scenario():
        async with a_crowd() as crowd:
            await fifty_mentions(crowd)
            await crowd.is_shown()
            assert len({call.word for call in crowd.posts()}) == len(crowd.posts()) == 50
            assert crowd.overtaken() == []
            took_s = crowd.posts()[-1].at_s - crowd.posts()[0].at_s
            assert 46 < took_s < 48.5

    virtually(scenario())


def test_every_session_rests_in_the_end_and_first_signs_went_before():
    async def scenario():
        async with a_crowd() as crowd:
            await fifty_mentions(crowd)
            await crowd.is_shown()
            ends = crowd.slack.ends()
            assert len(ends) == 50
            assert {end.get("session", "active") for end in ends.values()} == {"active"}
            assert not any(end.get("line") for end in ends.values())
            last_first = max(crowd.slack.signs().values())
            early = [call for call in crowd.slack.made(SESSION) if call.at_s < last_first]
            assert sum(call.word == "active" for call in early) <= 10

    virtually(scenario())


def test_no_session_rests_before_its_answer_is_there():
    async def scenario():
        async with a_crowd() as crowd:
            await fifty_mentions(crowd)
            await crowd.is_shown()
            posted_s = {call.thread_ts: call.at_s for call in crowd.posts()}
            rests = [call for call in crowd.slack.made(SESSION) if call.word == "active"]
            assert rests
            assert all(posted_s[call.thread_ts] < call.at_s for call in rests)

    virtually(scenario())


def test_more_threads_than_sessions_allow_get_a_status_line_that_costs_no_session():
    async def scenario():
        async with a_crowd() as crowd:
            runs = [crowd.ask(number) for number in range(SESSIONS.burst + 8)]
            await crowd.clock.sleep(3)
            assert crowd.sign_waits_s()[-1] < 2.5
            lines = {call.thread_ts for call in crowd.slack.made(LINE)}
            assert len(lines) == 7  # the one before them waits for a session: it is short
            for run in runs:
                crowd.answer(run)
            await crowd.is_shown()
            assert not lines & {call.thread_ts for call in crowd.slack.made(SESSION)}
            assert len(crowd.slack.made(LINE)) == len(lines)

    virtually(scenario())


def test_where_no_status_line_is_offered_first_signs_still_go_before_all_else():
    async def scenario():
        async with a_crowd(unknown={LINE}) as crowd:
            await fifty_mentions(crowd)
            await crowd.is_shown()
            waits = crowd.sign_waits_s()
            assert waits[-1] < 5.5
            assert waits[47] < 0.3

    virtually(scenario())


def test_an_answer_that_is_there_before_any_sign_and_has_to_wait_gets_a_sign_at_once():
    async def scenario():
        async with a_crowd() as crowd:
            for number in range(12):
                crowd.answer(crowd.ask(number))
            await crowd.is_shown()
            assert crowd.sign_waits_s()[-1] < 2.5
            assert crowd.slack.made(SESSION) == []
            assert crowd.posts()[-1].at_s > 8

    virtually(scenario())


def test_who_asks_right_after_a_flood_has_a_sign_at_once():
    async def scenario():
        async with a_crowd(unknown={LINE}) as crowd:
            await fifty_mentions(crowd, 40)
            await crowd.clock.sleep(30)
            for number in range(100, 108):
                crowd.ask(number)
            await crowd.clock.sleep(1)
            assert crowd.sign_waits_s()[-1] < 0.3

    virtually(scenario())


def test_a_thread_whose_answer_waits_shows_a_follow_up_in_its_plan_meanwhile():
    async def scenario():
        async with a_crowd() as crowd:
            first = crowd.ask(20)
            crowd.put(replace(first, plan=WORKING))
            await crowd.is_shown()
            for number in range(20):
                crowd.answer(crowd.ask(number))
            await crowd.clock.sleep(0.5)
            asked_s = crowd.clock.monotonic_s()
            crowd.put(replace(first, plan=a_plan(*DONE.steps, a_step(2, "Tell"))))
            await crowd.clock.sleep(2)
            [edit] = crowd.slack.made(EDIT)
            assert edit.at_s - asked_s < 1.5
            assert len(crowd.posts()) < 20

    virtually(scenario())


def test_the_plan_says_done_only_when_the_answer_is_there():
    async def scenario():
        async with a_crowd() as crowd:
            asked_at = crowd.clock.now() + timedelta(seconds=2)
            last = replace(crowd.ask(99), plan=WORKING, created_at=asked_at)
            crowd.put(last)
            await crowd.is_shown()
            for number in range(20):
                crowd.answer(crowd.ask(number))
            await crowd.clock.sleep(1)
            crowd.put(answered(replace(last, plan=DONE)))
            await crowd.is_shown()
            [edit] = crowd.slack.made(EDIT)
            [answer] = [call for call in crowd.posts() if call.thread_ts == "0099"]
            assert answer == crowd.posts()[-1]
            assert answer.at_s < edit.at_s < answer.at_s + 1

    virtually(scenario())


def test_an_intent_of_a_crash_is_looked_up_once_however_long_it_stands_in_line():
    async def scenario():
        async with a_crowd() as crowd:
            run = crowd.ask(70)
            await crowd.left_by_a_crash(run)
            for number in range(30):
                crowd.answer(crowd.ask(number))
            crowd.answer(run)
            await crowd.is_shown()
            assert len(crowd.posts()) == 31
            [again] = [call for call in crowd.posts() if call.thread_ts == "0070"]
            assert RESENT in again.text
            assert crowd.slack.lookups == 1

    virtually(scenario())


def test_a_limit_that_slack_sets_in_between_loses_nothing_and_keeps_the_order():
    async def scenario():
        async with a_crowd() as crowd:
            crowd.slack.use_up(POST, "C1", 5)
            crowd.slack.use_up(SESSION, "", 30)
            await fifty_mentions(crowd)
            await crowd.is_shown()
            assert {POST, SESSION} <= set(crowd.slack.refused)
            assert crowd.overtaken() == []
            assert len(crowd.posts()) == 50
            assert crowd.sign_waits_s()[-1] < 20

    virtually(scenario())


def test_a_line_is_shown_again_while_the_answer_waits():
    async def scenario():
        async with a_crowd() as crowd:
            crowd.pacer.block(POST, channel_id="C1", seconds=150)
            crowd.answer(crowd.ask(1))
            await crowd.is_shown()
            [first, again] = [call.at_s for call in crowd.slack.made(LINE)]
            assert first < 1
            assert LINE_LASTS_S < again < LINE_LASTS_S + 15
            assert crowd.posts()[0].at_s == pytest.approx(150, abs=1)

    virtually(scenario())


def test_who_no_longer_holds_the_workspace_posts_nothing_until_it_does_again():
    async def scenario():
        async with a_crowd() as crowd:
            for number in range(20):
                crowd.answer(crowd.ask(number))
            await crowd.clock.sleep(5)
            crowd.leases.taken = True
            await crowd.clock.sleep(2)
            before = len(crowd.posts())
            await crowd.clock.sleep(60)
            assert len(crowd.posts()) == before < 20
            crowd.leases.taken = False
            await crowd.is_shown()
            assert len({call.word for call in crowd.posts()}) == len(crowd.posts()) == 20

    virtually(scenario())


def test_more_tasks_a_minute_than_sessions_allow_still_all_come_to_rest():
    async def scenario():
        async with a_crowd() as crowd, asyncio.TaskGroup() as group:
            for number in range(300):  # 45 a minute, which would be 90 session changes
                channel = f"C{number % 20}"
                group.create_task(crowd.ask_and_answer(number, works_s=1, channel=channel))
                await crowd.clock.sleep(60 / 45)
            assert crowd.sign_waits_s()[-1] < 2.5
            posted_s = {call.thread_ts: call.at_s for call in crowd.posts()}
            rests = [c for c in crowd.slack.made(SESSION) if c.word == "active"]
            assert max(c.at_s - posted_s[c.thread_ts] for c in rests) < 60
            assert len(rests) > 100
            await crowd.is_shown()

    virtually(scenario())


def test_a_hundred_threads_in_two_channels_are_as_fast_as_fifty_in_one():
    async def scenario():
        async with a_crowd() as crowd:
            for number in range(100):
                crowd.answer(crowd.ask(number, channel=f"C{number % 2}"))
            await crowd.is_shown()
            assert crowd.overtaken() == []
            assert crowd.posts()[-1].at_s < 50

    virtually(scenario())
