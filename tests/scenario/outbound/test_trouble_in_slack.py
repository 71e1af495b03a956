"""Slack limits, fails and refuses; nothing is lost and nobody is held up."""

import asyncio
from dataclasses import replace

import pytest

from agent_engine.errors import StorageError
from agent_engine.types import EndReason, StepStatus
from tests.fakes.runs import a_plan, a_run, a_step, answered, ended
from tests.scenario.outbound.desk import open_desk

WORKING = a_plan(a_step(1, "Look", StepStatus.STARTED))
DONE = a_plan(a_step(1, "Look", StepStatus.DONE, outcome="found it"))


@pytest.mark.parametrize(
    "fault",
    [
        {"error": "ratelimited", "retry_after": 2, "times": 6},
        {"status": 503, "times": 4},
        {"status": "reset", "times": 3},
        {"error": "internal_error", "times": 2},
    ],
)
@pytest.mark.parametrize("method", ["chat.postMessage", "chat.update", "agents.sessions.setStatus"])
async def test_a_call_that_fails_for_a_while_is_made_up_for(fault, method):
    async with open_desk() as desk, desk.working():
        thread = await desk.ask()
        desk.workspace.faults.fail_api[method] = dict(fault)
        run = a_run(thread=thread, plan=WORKING)
        desk.put(run)
        await desk.shown(thread)
        desk.put(answered(replace(run, plan=DONE)))
        await desk.shown(thread)
        plan, answer = desk.said(thread)
        assert "found it" in plan
        assert "cache" in answer
        assert desk.session(thread) == "active"


async def test_everything_limited_at_once_still_ends_with_every_answer_once():
    async with open_desk() as desk, desk.working():
        threads = [await desk.ask(text=f"@treadle {n}") for n in range(10)]
        desk.workspace.faults.fail_api["*"] = {
            "error": "ratelimited",
            "retry_after": 1,
            "times": 60,
        }
        desk.put(*[a_run(f"r{n}", thread=t, plan=WORKING) for n, t in enumerate(threads)])
        desk.put(*[answered(a_run(f"r{n}", thread=t, plan=DONE)) for n, t in enumerate(threads)])
        await desk.shown(*threads, within_s=15)
        for thread in threads:
            assert sum("cache" in said for said in desk.said(thread)) == 1


async def test_a_thread_in_trouble_holds_up_no_other():
    async with open_desk() as desk, desk.working():
        bad, good = await desk.ask(), await desk.ask("data")
        read = desk.threads.runs

        async def runs(thread):
            if thread == bad:
                raise StorageError("the row is broken")
            return await read(thread)

        desk.threads.runs = runs
        desk.put(answered(a_run("r1", thread=bad)), answered(a_run("r2", thread=good)))
        await desk.shown(good)
        assert len(desk.said(good)) == 1
        desk.threads.runs = read
        await desk.shown(bad)
        assert len(desk.said(bad)) == 1


async def test_a_second_try_that_takes_its_time_keeps_nothing_else_busy():
    async with open_desk() as desk, desk.working():
        thread = await desk.ask()
        read, dirty = desk.threads.runs, desk.threads.dirty
        begun, go_on = asyncio.Event(), asyncio.Event()
        tries, looks = [], []

        async def slow_at_the_second_try(wanted):
            tries.append(wanted)
            if len(tries) == 1:
                raise RuntimeError("only this time")
            begun.set()
            await go_on.wait()
            return await read(wanted)

        async def look(*, limit):
            looks.append(limit)
            return await dirty(limit=limit)

        desk.threads.runs, desk.threads.dirty = slow_at_the_second_try, look
        desk.put(a_run(thread=thread, plan=WORKING))
        async with asyncio.timeout(5):
            await begun.wait()
        looks.clear()
        await desk.clock.sleep(5)
        assert len(looks) <= 7  # the poll of every second, not one of every ten milliseconds
        go_on.set()
        await desk.shown(thread)


async def test_answers_go_before_plans_in_a_busy_channel():
    async with open_desk() as desk:
        threads = [await desk.ask(text=f"@treadle {n}") for n in range(12)]
        working = [a_run(f"w{n}", thread=t, plan=WORKING) for n, t in enumerate(threads[:8])]
        done = [answered(a_run(f"d{n}", thread=t)) for n, t in enumerate(threads[8:])]
        desk.put(*working, *done)
        async with desk.working():
            await desk.shown(*threads)
        posts = [
            call.args["metadata"]["event_payload"]["key"] for call in desk.calls("chat.postMessage")
        ]
        answers = [n for n, key in enumerate(posts) if ":answer:" in key]
        assert len(posts) == 12
        assert max(answers) <= 7


async def test_fifty_threads_in_one_channel_all_get_their_answer_within_the_limits():
    async with open_desk(factor=40.0) as desk, desk.working():
        threads = [await desk.ask(text=f"@treadle {n}") for n in range(50)]
        desk.put(*[answered(a_run(f"r{n}", thread=t)) for n, t in enumerate(threads)])
        await desk.shown(*threads)
        assert all(len(desk.said(thread)) == 1 for thread in threads)
        calls = desk.calls("chat.postMessage")
        took_s = (calls[-1].at_s - calls[0].at_s) * 40
        assert took_s > 0.9 * (50 - 3)


async def test_where_the_new_blocks_are_refused_plain_ones_are_used():
    refused = frozenset({"plan", "markdown", "context_actions"})
    async with open_desk(refuse_block_types=refused) as desk, desk.working():
        first, second = await desk.ask(), await desk.ask("data")
        desk.put(a_run("r1", thread=first, plan=WORKING))
        await desk.shown(first)
        desk.put(answered(a_run("r1", thread=first, plan=DONE)))
        await desk.shown(first)
        plan, answer = desk.said(first)
        assert "✅ Look: found it" in plan
        assert "It was the *cache*." in answer
        assert "👎" in answer
        before = len([e for e in desk.workspace.traffic if e.status == "invalid_blocks"])
        desk.put(answered(a_run("r2", thread=second, plan=DONE)))
        await desk.shown(second)
        after = len([e for e in desk.workspace.traffic if e.status == "invalid_blocks"])
        assert (before, after) == (2, 2)


async def test_where_no_blocks_are_taken_texts_say_every_word():
    refused = frozenset({"plan", "markdown", "section", "context"})
    async with open_desk(refuse_block_types=refused) as desk, desk.working():
        thread = await desk.ask()
        text = "".join(f"Paragraph {n} of many.\n\n" for n in range(300))
        desk.put(answered(a_run(thread=thread, plan=DONE), text))
        await desk.shown(thread)
        said = "".join(desk.said(thread))
        assert all(f"Paragraph {n} " in said for n in range(300))
        assert "blocks" not in said


async def test_without_sessions_the_status_line_is_the_first_sign():
    methods = frozenset({"agents.sessions.*"})
    async with open_desk(unsupported_methods=methods) as desk, desk.working():
        thread, other = await desk.ask(), await desk.ask("data")
        desk.put(a_run(thread=thread))
        await desk.shown(thread)
        found = desk.workspace.core.sessions.find(thread.channel_id, thread.thread_ts)
        assert found.status_text == "is working…"
        desk.put(a_run("r2", thread=other))
        await desk.shown(other)
        tried = [e for e in desk.workspace.traffic if e.name == "agents.sessions.setStatus"]
        assert len(tried) == 1


async def test_the_status_line_is_shown_again_before_slack_takes_it_away():
    methods = frozenset({"agents.sessions.*"})
    async with open_desk(factor=200.0, unsupported_methods=methods) as desk, desk.working():
        thread = await desk.ask()
        desk.put(a_run(thread=thread))
        await desk.shown(thread)
        await desk.workspace.until(lambda: len(desk.calls("assistant.threads.setStatus")) >= 3)


async def test_without_any_status_the_plan_message_is_the_first_sign():
    methods = frozenset({"agents.sessions.*", "assistant.threads.*"})
    async with open_desk(unsupported_methods=methods) as desk, desk.working():
        thread = await desk.ask()
        desk.put(a_run(thread=thread))
        await desk.shown(thread)
        [sign] = desk.said(thread)
        assert "Thinking · Find the cause" in sign
        desk.put(answered(a_run(thread=thread)))
        await desk.shown(thread)
        assert len(desk.said(thread)) == 2


@pytest.mark.parametrize("error", ["msg_too_long", "msg_blocks_too_long"])
async def test_a_message_that_is_too_long_is_made_smaller_without_losing_words(error):
    async with open_desk() as desk, desk.working():
        thread = await desk.ask()
        text = "".join(f"Paragraph {n} of many.\n\n" for n in range(300))
        desk.workspace.faults.fail_api["chat.postMessage"] = {"error": error, "times": 1}
        desk.put(answered(a_run(thread=thread), text))
        await desk.shown(thread)
        parts = desk.said(thread)
        assert len(parts) == 2
        assert all(f"Paragraph {n} " in "".join(parts) for n in range(300))


async def test_the_tasks_of_an_archived_channel_are_given_up():
    async with open_desk() as desk, desk.working():
        thread = await desk.ask()
        run = a_run(thread=thread, plan=WORKING)
        desk.put(run)
        await desk.shown(thread)
        await desk.workspace.person("ada").archive("general")
        desk.put(answered(replace(run, plan=DONE)))
        await desk.shown(thread)
        assert {(place.error, place.whole_channel) for place in desk.lost} == {
            ("is_archived", True)
        }
        desk.put(ended(run, EndReason.STOPPED))
        await desk.shown(thread)


async def test_the_tasks_of_a_channel_the_bot_was_removed_from_are_given_up():
    async with open_desk() as desk, desk.working():
        thread = await desk.ask()
        channel = desk.workspace.channel("general")
        desk.workspace.core.state.remove_member(channel, desk.workspace.core.state.bot.id)
        desk.put(answered(a_run(thread=thread)))
        await desk.shown(thread)
        assert [place.error for place in desk.lost] == ["not_in_channel"]


async def test_a_thread_whose_root_was_deleted_is_given_up():
    async with open_desk() as desk, desk.working():
        thread = await desk.ask()
        await desk.workspace.person("ada").delete("general", thread.thread_ts)
        desk.put(answered(a_run(thread=thread)))
        await desk.shown(thread)
        assert [(place.whole_channel, place.thread) for place in desk.lost] == [(False, thread)]


async def test_a_deleted_plan_message_is_not_posted_again_but_a_bad_end_is_said():
    async with open_desk() as desk, desk.working():
        thread = await desk.ask()
        run = a_run(thread=thread, plan=WORKING)
        desk.put(run)
        await desk.shown(thread)
        ts = desk.posts.rows["run:r1:plan"].ts
        await desk.slack.delete_message(thread.channel_id, ts)
        desk.put(replace(run, plan=DONE))
        await desk.shown(thread)
        assert desk.said(thread) == []
        desk.put(ended(replace(run, plan=DONE), EndReason.FAILED, "It broke."))
        await desk.shown(thread)
        [notice] = desk.said(thread)
        assert "It broke." in notice


async def test_a_token_that_is_refused_is_tried_again_later():
    async with open_desk(factor=100.0) as desk, desk.working():
        thread = await desk.ask()
        desk.workspace.faults.fail_api["chat.postMessage"] = {"error": "invalid_auth", "times": 1}
        desk.put(answered(a_run(thread=thread)))
        await desk.shown(thread)
        assert len(desk.said(thread)) == 1


async def test_an_answer_does_not_wait_for_its_plan_that_is_limited():
    async with open_desk() as desk, desk.working():
        thread = await desk.ask()
        run = a_run(thread=thread, plan=WORKING)
        desk.put(run)
        await desk.shown(thread)
        desk.workspace.faults.fail_api["chat.update"] = {"error": "ratelimited", "retry_after": 900}
        desk.put(replace(run, plan=DONE))
        await desk.workspace.until(
            lambda: [e for e in desk.workspace.traffic if e.name == "chat.update"]
        )
        desk.put(answered(replace(run, plan=DONE)))
        await desk.workspace.until(lambda: "cache" in "".join(desk.said(thread)))
