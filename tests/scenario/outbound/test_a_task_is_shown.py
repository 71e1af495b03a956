"""A task from its first sign to its answer, as people see it."""

import asyncio
from dataclasses import replace
from itertools import pairwise

from agent_engine.types import (
    ActionType,
    EndReason,
    Resolution,
    StepStatus,
    TaskStatus,
    Usage,
    UserId,
    Wait,
    WaitKind,
    WorkspaceId,
)
from tests.fakes.runs import a_plan, a_run, a_step, answered, ended
from tests.fakes.stores import FakeThreads
from tests.scenario.outbound.desk import FAST, open_desk


async def test_the_first_sign_is_the_session_status_with_a_title():
    async with open_desk() as desk, desk.working():
        thread = await desk.ask()
        desk.put(a_run(thread=thread))
        await desk.shown(thread)
        assert desk.session(thread) == "processing"
        [call] = desk.calls("agents.sessions.setStatus")
        assert call.args["title"] == "Find the cause"
        assert desk.said(thread) == []


async def test_a_direct_answer_posts_no_plan_message():
    async with open_desk() as desk, desk.working():
        thread = await desk.ask()
        run = a_run(thread=thread)
        desk.put(run)
        await desk.shown(thread)
        plan = a_plan(a_step(1, "Answer", StepStatus.DONE, kind=ActionType.ANSWER))
        desk.put(answered(replace(run, plan=plan), "It is **42**."))
        await desk.shown(thread)
        [answer] = desk.said(thread)
        assert "It is **42**." in answer
        assert desk.session(thread) == "active"


async def test_the_plan_is_one_message_edited_in_place_and_the_answer_ends_the_thread():
    async with open_desk() as desk, desk.working():
        thread = await desk.ask()
        steps = [a_step(n, f"Step {n}") for n in range(1, 4)]
        run = a_run(thread=thread, plan=a_plan(*steps))
        desk.put(run)
        await desk.shown(thread)
        for n in range(3):
            steps[n] = a_step(n + 1, f"Step {n + 1}", StepStatus.STARTED)
            desk.put(replace(run, plan=a_plan(*steps)))
            steps[n] = a_step(n + 1, f"Step {n + 1}", StepStatus.DONE, outcome=f"found {n}")
            desk.put(run := replace(run, plan=a_plan(*steps)))
            await desk.shown(thread)
        desk.put(answered(run))
        await desk.shown(thread)
        plan, answer = desk.said(thread)
        assert '"status": "complete"' in plan
        assert "Done · Find the cause" in plan
        assert "found 2" in plan
        assert "It was the **cache**." in answer
        assert len(desk.calls("chat.postMessage")) == 2
        assert len(desk.calls("chat.update")) <= len(steps) + 2


async def test_quick_changes_are_one_edit_and_the_newest_wins():
    async with open_desk() as desk, desk.working():
        thread = await desk.ask()
        steps = [a_step(n, f"Step {n}") for n in range(1, 21)]
        run = a_run(thread=thread, plan=a_plan(*steps))
        desk.put(run)
        await desk.shown(thread)
        for n in range(20):
            steps[n] = a_step(n + 1, f"Step {n + 1}", StepStatus.DONE, outcome="ok")
            desk.put(replace(run, plan=a_plan(*steps)))
        await desk.shown(thread)
        assert len(desk.calls("chat.update")) <= 2
        assert "(20 of 20 steps)" in desk.said(thread)[0]


async def test_edits_of_one_message_keep_their_distance():
    async with open_desk() as desk, desk.working():
        thread = await desk.ask()
        for n in range(1, 6):
            desk.put(a_run(thread=thread, plan=a_plan(*[a_step(k) for k in range(1, n + 1)])))
            await desk.shown(thread)
        at_s = [call.at_s * FAST for call in desk.calls("chat.update")]
        assert len(at_s) == 4
        assert all(later - earlier > 1.2 for earlier, later in pairwise(at_s))


async def test_threads_of_another_workspace_are_left_alone():
    async with open_desk() as desk, desk.working():
        thread = await desk.ask()
        other = replace(thread, workspace_id=WorkspaceId("T-OTHER"))
        desk.put(answered(a_run("r0", thread=other)))
        desk.put(answered(a_run("r1", thread=thread)))
        await desk.shown(thread)
        assert not desk.threads.is_shown(other)
        assert len(desk.said(thread)) == 1


async def test_usage_alone_edits_nothing():
    async with open_desk() as desk, desk.working():
        thread = await desk.ask()
        run = a_run(thread=thread, plan=a_plan(a_step(1)))
        desk.put(run)
        await desk.shown(thread)
        desk.put(replace(run, usage=Usage(seconds=3.0, prompt_tokens=100)))
        await desk.shown(thread)
        assert desk.calls("chat.update") == []


async def test_a_task_that_ended_before_anything_was_shown_shows_plan_and_then_answer():
    async with open_desk() as desk, desk.working():
        thread = await desk.ask()
        plan = a_plan(a_step(1, "Look", StepStatus.DONE, outcome="ok"))
        desk.put(answered(a_run(thread=thread, plan=plan)))
        await desk.shown(thread)
        shown, answer = desk.said(thread)
        assert "Done · Find the cause" in shown
        assert "cache" in answer
        assert desk.session(thread) is None


async def test_a_question_suspends_the_session_and_its_answer_takes_the_buttons_away():
    async with open_desk() as desk, desk.working():
        thread = await desk.ask()
        wait = Wait(id="w1", kind=WaitKind.QUESTION, step=1, question="Which?", choices=("a", "b"))
        plan = a_plan(a_step(1, "Ask", StepStatus.WAITING, kind=ActionType.ASK))
        run = a_run(thread=thread, plan=plan, waits=(wait,), status=TaskStatus.WAITING)
        desk.put(run)
        await desk.shown(thread)
        assert desk.session(thread) == "suspended"
        question = next(said for said in desk.said(thread) if "Which?" in said)
        assert "Choose, or reply in this thread." in question
        reply = Resolution(value="b", by=UserId("U2"))
        desk.put(replace(run, waits=(replace(wait, resolution=reply),), status=TaskStatus.RUNNING))
        await desk.shown(thread)
        assert desk.session(thread) == "processing"
        question = next(said for said in desk.said(thread) if "Which?" in said)
        assert "Answered by <@U2>: b" in question
        assert '"type": "button"' not in question


async def test_a_question_of_a_stopped_task_is_closed():
    async with open_desk() as desk, desk.working():
        thread = await desk.ask()
        wait = Wait(id="w1", kind=WaitKind.QUESTION, step=1, question="Which?", choices=("a", "b"))
        step = replace(a_step(1, "Ask", StepStatus.WAITING, kind=ActionType.ASK), observation=None)
        run = a_run(thread=thread, plan=a_plan(step), waits=(wait,), status=TaskStatus.WAITING)
        desk.put(run)
        await desk.shown(thread)
        desk.put(ended(replace(run, waits=()), EndReason.STOPPED, "Stopped by Ada."))
        await desk.shown(thread)
        assert any("No longer needed." in said for said in desk.said(thread))
        assert any("Stopped by Ada." in said for said in desk.said(thread))


async def test_a_failed_task_says_one_sentence_in_a_new_message_and_can_run_again():
    async with open_desk() as desk, desk.working():
        thread = await desk.ask()
        run = a_run(thread=thread, plan=a_plan(a_step(1, "Look", StepStatus.FAILED, outcome="no")))
        desk.put(run)
        await desk.shown(thread)
        desk.put(ended(run, EndReason.FAILED, "The log is gone."))
        await desk.shown(thread)
        plan, end = desk.said(thread)
        assert "Failed · Find the cause" in plan
        assert "The log is gone." not in plan
        assert "The log is gone." in end
        assert "Run again" in end
        assert "Continue" in end
        assert desk.session(thread) == "active"


async def test_a_task_that_fails_without_a_plan_says_so_in_a_notice():
    async with open_desk() as desk, desk.working():
        thread = await desk.ask()
        desk.put(ended(a_run(thread=thread), EndReason.FAILED, "The model does not answer."))
        await desk.shown(thread)
        [notice] = desk.said(thread)
        assert "The model does not answer." in notice
        assert "Run again" in notice


async def test_a_queued_task_says_its_place_and_moves_up():
    async with open_desk() as desk, desk.working():
        thread = await desk.ask()
        desk.put(a_run(thread=thread, queue_place=2, status=TaskStatus.PENDING))
        await desk.shown(thread)
        assert "In line, place 2" in desk.said(thread)[0]
        desk.put(a_run(thread=thread, queue_place=1, status=TaskStatus.PENDING))
        await desk.shown(thread)
        [message] = desk.said(thread)
        assert "In line, place 1" in message


async def test_a_follow_up_in_the_thread_gets_messages_of_its_own():
    async with open_desk() as desk, desk.working():
        thread = await desk.ask()
        desk.put(answered(a_run("r1", thread=thread), "First."))
        await desk.shown(thread)
        desk.put(answered(a_run("r2", thread=thread), "Second."))
        await desk.shown(thread)
        first, second = desk.said(thread)
        assert "First." in first
        assert "Second." in second


async def test_a_long_answer_is_posted_in_order_and_a_very_long_one_as_a_file():
    async with open_desk() as desk, desk.working():
        thread, other = await desk.ask(), await desk.ask("data")
        text = "".join(f"Paragraph {n} of many.\n\n" for n in range(900))
        desk.put(answered(a_run("r1", thread=thread), text))
        desk.put(answered(a_run("r2", thread=other), text * 5))
        await desk.shown(thread, other)
        parts = desk.said(thread)
        assert len(parts) > 1
        order = [parts.index(p) for n in (0, 450, 899) for p in parts if f"Paragraph {n} " in p]
        assert order == sorted(order)
        assert "the whole answer is in answer.md" in desk.said(other)[0]
        files = desk.workspace.core.files.files.values()
        [file] = [f for f in files if f.name == "answer.md"]
        assert file.content.decode().count("Paragraph 899 ") == 5


async def test_files_the_agent_made_are_handed_over_once():
    async with open_desk() as desk, desk.working():
        thread = await desk.ask()
        desk.files["out/table.csv"] = b"a,b\n1,2\n"
        run = answered(a_run(thread=thread), "See the table.", files=("out/table.csv", "gone.txt"))
        desk.put(run)
        await desk.shown(thread)
        desk.put(run)
        await desk.shown(thread)
        assert len(desk.calls("files.completeUploadExternal")) == 1
        messages = desk.workspace.thread(thread.channel_id, thread.thread_ts)
        assert sum(bool(message.files) for message in messages) == 1
        [sentence] = [m.text for m in messages if "gone.txt" in m.text and not m.blocks]
        assert "I could not hand over gone.txt: it is gone from the task's folder" in sentence


async def test_a_file_that_slack_refuses_is_told_of_by_name_once():
    async with open_desk() as desk, desk.working():
        desk.workspace.faults.fail_api["files.completeUploadExternal"] = {
            "error": "file_type_not_allowed"
        }
        thread = await desk.ask()
        desk.files["a.exe"] = b"MZ"
        run = answered(a_run(thread=thread), "See the file.", files=("a.exe",))
        for _ in range(2):
            desk.put(run)
            await desk.shown(thread)
        told = [m for m in desk.said(thread) if "Slack refused it (file_type_not_allowed)" in m]
        assert len(told) == 1
        assert "a.exe" in told[0]


async def test_a_missing_scope_is_told_of_once_for_all_files():
    async with open_desk() as desk, desk.working():
        desk.workspace.faults.fail_api["files.getUploadURLExternal"] = {"error": "missing_scope"}
        thread = await desk.ask()
        desk.files.update({"a.txt": b"1", "b.txt": b"2"})
        desk.put(answered(a_run(thread=thread), "See the files.", files=("a.txt", "b.txt")))
        await desk.shown(thread)
        assert sum("lacks the scope files:write" in m for m in desk.said(thread)) == 1


class SlowRows(FakeThreads):
    """Reads that a test holds back after they have seen the rows."""

    def __init__(self):
        super().__init__()
        self.may_list, self.may_read = asyncio.Event(), asyncio.Event()
        self.listed, self.has_read = 0, False
        self.may_list.set()
        self.may_read.set()

    async def dirty(self, *, limit):
        found = await super().dirty(limit=limit)
        self.listed += 1
        self.news.set()
        await self.may_list.wait()
        return found

    async def runs(self, thread):
        found = await super().runs(thread)
        self.has_read = True
        self.news.set()
        await self.may_read.wait()
        return found


async def until(rows, predicate):
    while not predicate():
        rows.news.clear()
        await rows.news.wait()


async def test_what_was_read_while_the_first_sign_was_shown_does_not_hide_the_end():
    """Else the answer is there and the thread seems to be at work for ever."""
    async with open_desk() as desk:
        rows = desk.threads = SlowRows()
        desk.reconciler = desk.new_reconciler()
        async with desk.working(), asyncio.timeout(5):
            thread = await desk.ask()
            run = a_run(thread=thread)
            rows.may_read.clear()
            desk.put(run)
            await until(rows, lambda: rows.has_read)
            rows.may_list.clear()
            before = rows.listed
            desk.put(answered(run, "It is **42**."))
            await until(rows, lambda: rows.listed > before)
            rows.may_read.set()
            await until(rows, lambda: rows.statuses.get(thread) == "processing")
            rows.may_list.set()
            await desk.shown(thread)
            assert desk.session(thread) == "active"
