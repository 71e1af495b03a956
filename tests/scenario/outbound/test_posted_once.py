"""Killed at any line, the bot says everything once."""

from dataclasses import replace

import pytest

from agent_engine.errors import StorageError
from agent_engine.places import NewPost, PostKind, PostState
from agent_engine.types import StepStatus, Wait, WaitKind
from bot.outbound.blocks import ids
from bot.outbound.blocks.answer import RESENT
from bot.outbound.content import Content
from bot.outbound.desired import answer_key, plan_key
from tests.fakes.runs import a_plan, a_run, a_step, answered
from tests.scenario.outbound.desk import open_desk

DONE = a_plan(a_step(1, "Look", StepStatus.DONE, outcome="found it"))


def intent(run, key, kind):
    return NewPost(key=key, thread=run.thread, kind=kind, run_id=run.run_id, task_id=run.task.id)


@pytest.mark.parametrize("kind", [PostKind.PLAN, PostKind.ANSWER])
async def test_a_message_posted_before_a_crash_is_found_and_not_posted_again(kind):
    async with open_desk() as desk:
        thread = await desk.ask()
        run = answered(a_run(thread=thread, plan=DONE))
        key = plan_key(run.run_id) if kind is PostKind.PLAN else answer_key(run.run_id, 0)
        await desk.posts.intend([intent(run, key, kind)])
        ts = await desk.slack.post_message(
            thread.channel_id, Content(text="from before"), thread_ts=thread.thread_ts, key=key
        )
        desk.put(run)
        async with desk.working():
            await desk.shown(thread)
        assert desk.posts.rows[key].ts == ts
        assert len(desk.said(thread)) == (2 if kind is PostKind.PLAN else 1)


async def test_a_plan_found_after_a_crash_is_brought_up_to_date():
    async with open_desk() as desk:
        thread = await desk.ask()
        run = a_run(thread=thread, plan=DONE)
        key = plan_key(run.run_id)
        await desk.posts.intend([intent(run, key, PostKind.PLAN)])
        await desk.slack.post_message(
            thread.channel_id, Content(text="an old render"), thread_ts=thread.thread_ts, key=key
        )
        desk.put(run)
        async with desk.working():
            await desk.shown(thread)
        [plan] = desk.said(thread)
        assert "found it" in plan


async def test_a_plan_that_a_crash_kept_from_slack_is_not_posted_after_the_answer():
    async with open_desk() as desk:
        thread = await desk.ask()
        run = answered(a_run(thread=thread, plan=DONE))
        await desk.posts.intend([intent(run, plan_key(run.run_id), PostKind.PLAN)])
        desk.put(run)
        async with desk.working():
            await desk.shown(thread)
        plan, answer = desk.said(thread)
        assert "found it" in plan
        assert "feedback_buttons" in answer


async def test_an_intent_that_never_reached_slack_is_posted():
    async with open_desk() as desk:
        thread = await desk.ask()
        run = answered(a_run(thread=thread, plan=DONE))
        await desk.posts.intend([intent(run, answer_key(run.run_id, 0), PostKind.ANSWER)])
        desk.put(run)
        async with desk.working():
            await desk.shown(thread)
        [answer] = desk.said(thread)
        assert RESENT not in answer
        assert len(desk.calls("conversations.replies")) == 3


async def test_an_intent_that_cannot_be_looked_up_is_an_answer_sent_again_and_no_second_plan():
    async with open_desk() as desk:
        thread = await desk.ask()
        run = answered(a_run(thread=thread, plan=DONE))
        await desk.posts.intend([intent(run, plan_key(run.run_id), PostKind.PLAN)])
        await desk.posts.intend([intent(run, answer_key(run.run_id, 0), PostKind.ANSWER)])
        desk.workspace.faults.fail_api["conversations.replies"] = {"error": "missing_scope"}
        desk.put(run)
        async with desk.working():
            await desk.shown(thread)
        [answer] = desk.said(thread)
        assert RESENT in answer
        assert desk.posts.rows[plan_key(run.run_id)].state is PostState.ABANDONED


async def test_a_question_that_cannot_be_looked_up_is_asked_again():
    async with open_desk() as desk:
        thread = await desk.ask()
        wait = Wait(id="w1", kind=WaitKind.QUESTION, step=1, question="Which?")
        run = a_run(thread=thread, waits=(wait,))
        await desk.posts.intend([intent(run, "run:r1:question:w1", PostKind.QUESTION)])
        desk.workspace.faults.fail_api["conversations.replies"] = {"error": "missing_scope"}
        desk.put(run)
        async with desk.working():
            await desk.shown(thread)
        [question] = desk.said(thread)
        assert "Asked again after a restart." in question


@pytest.mark.parametrize("status", [500, "reset"])
async def test_a_call_whose_answer_was_lost_is_not_made_twice(status):
    async with open_desk() as desk, desk.working():
        thread = await desk.ask()
        fault = {"status": status, "times": 1, "applied": True}
        desk.workspace.faults.fail_api["chat.postMessage"] = fault
        desk.put(answered(a_run(thread=thread)))
        await desk.shown(thread)
        assert len(desk.said(thread)) == 1
        assert desk.posts.rows[answer_key("r1", 0)].state is PostState.POSTED


async def test_a_database_that_fails_after_the_call_leads_to_no_second_message():
    async with open_desk() as desk, desk.working():
        thread = await desk.ask()
        note, failures = desk.posts.posted, [StorageError("disk full")]

        async def posted(key, **facts):
            if failures:
                raise failures.pop()
            await note(key, **facts)

        desk.posts.posted = posted
        desk.put(answered(a_run(thread=thread)))
        await desk.shown(thread)
        assert len(desk.said(thread)) == 1


async def test_an_event_about_our_own_message_ends_the_search():
    async with open_desk() as desk:
        thread = await desk.ask()
        run = answered(a_run(thread=thread))
        key = answer_key(run.run_id, 0)
        await desk.posts.intend([intent(run, key, PostKind.ANSWER)])
        replies = desk.slack.replies

        async def replies_then_event(*args, **facts):
            desk.reconciler.own_message_seen("1732.99", ids.metadata(key))
            return await replies(*args, **facts)

        desk.slack.replies = replies_then_event
        desk.put(run)
        async with desk.working():
            await desk.shown(thread)
        assert desk.posts.rows[key].ts == "1732.99"
        assert desk.said(thread) == []


async def test_another_apps_message_with_our_key_is_not_taken_for_ours():
    async with open_desk() as desk:
        thread = await desk.ask()
        run = answered(a_run(thread=thread))
        key = answer_key(run.run_id, 0)
        await desk.posts.intend([intent(run, key, PostKind.ANSWER)])
        await desk.slack.post_message(
            thread.channel_id, Content(text="forged"), thread_ts=thread.thread_ts, key=key
        )
        desk.workspace.thread(thread.channel_id, thread.thread_ts)[1].bot_id = "BOTHER"
        desk.put(run)
        async with desk.working():
            await desk.shown(thread)
        assert len(desk.said(thread)) == 2


async def test_a_file_handed_over_before_a_crash_is_not_handed_over_again():
    async with open_desk() as desk:
        thread = await desk.ask()
        desk.files["a.csv"] = b"1,2"
        run = answered(a_run(thread=thread), files=("a.csv",))
        desk.put(run)
        async with desk.working():
            await desk.shown(thread)
        row = desk.posts.rows["run:r1:file:0"]
        desk.posts.rows[row.key] = replace(row, state=PostState.INTENDED, ts=None)
        desk.put(run)
        desk.reconciler = desk.new_reconciler()
        async with desk.working():
            await desk.shown(thread)
        assert len(desk.calls("files.completeUploadExternal")) == 1


async def test_another_file_of_the_same_name_is_not_taken_for_the_one_a_crash_kept_back():
    async with open_desk() as desk:
        thread = await desk.ask()
        desk.files |= {"a/out.csv": b"1", "b/out.csv": b"2"}
        desk.put(answered(a_run(thread=thread), files=("a/out.csv",)))
        async with desk.working():
            await desk.shown(thread)
        run = answered(a_run(thread=thread), files=("a/out.csv", "b/out.csv"))
        await desk.posts.intend([intent(run, "run:r1:file:1", PostKind.NOTICE)])
        desk.put(run)
        desk.reconciler = desk.new_reconciler()
        async with desk.working():
            await desk.shown(thread)
        files = desk.workspace.core.files.files.values()
        assert sorted(file.content for file in files) == [b"1", b"2"]


async def test_a_restart_shows_nothing_twice():
    async with open_desk() as desk:
        thread = await desk.ask()
        run = answered(a_run(thread=thread, plan=DONE))
        for _ in range(3):
            desk.put(run)
            async with desk.working():
                await desk.shown(thread)
            desk.reconciler = desk.new_reconciler()
        assert len(desk.said(thread)) == 2


async def test_only_who_holds_the_workspace_posts():
    async with open_desk() as desk:
        thread = await desk.ask()
        desk.leases.taken = True
        desk.put(answered(a_run(thread=thread)))
        async with desk.working():
            await desk.bell.wait(None, timeout_s=5)
            assert desk.said(thread) == []
            desk.leases.taken = False
            await desk.shown(thread)
        assert len(desk.said(thread)) == 1


@pytest.mark.parametrize("name", ["question", "approval", "reminder"])
@pytest.mark.parametrize("was_posted", [True, False], ids=["left in Slack", "never sent"])
async def test_what_was_asked_before_a_crash_and_settled_since_is_closed_and_not_asked(
    name, was_posted
):
    async with open_desk() as desk:
        thread = await desk.ask()
        run = answered(a_run(thread=thread, plan=DONE))
        key = f"run:{run.run_id}:{name}:w1"
        await desk.posts.intend([replace(intent(run, key, PostKind.QUESTION), step=1)])
        if was_posted:
            await desk.slack.post_message(
                thread.channel_id, Content(text="Shall I?"), thread_ts=thread.thread_ts, key=key
            )
        desk.put(run)
        async with desk.working():
            await desk.shown(thread)
        assert not any("Shall I?" in said for said in desk.said(thread))
        state = desk.posts.rows[key].state
        assert state is (PostState.POSTED if was_posted else PostState.ABANDONED)
