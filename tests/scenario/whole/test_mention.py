"""A mention becomes a task in its thread."""

from agent_engine.types import TaskStatus


async def test_a_mention_is_planned_worked_on_and_answered_in_its_thread(town):
    ts = await town.mention("calculate 17*23 then save the result to answer.txt")
    (answer,) = await town.answered(ts)
    assert "391" in answer
    assert len(town.plans(ts)) == 1
    run = await town.run(ts)
    assert (run.status, run.usage.iterations) == (TaskStatus.COMPLETED, 2)


async def test_the_two_events_of_one_mention_are_one_task(town):
    ts = await town.mention("calculate 2+2")
    await town.answered(ts)
    tasks = await town.engine.tasks(town.thread(ts).workspace_id)
    assert len(tasks) == 1


async def test_a_direct_answer_is_one_post_without_a_plan(town):
    ts = await town.mention("good morning")
    await town.answered(ts)
    assert (len(town.ours(ts)), town.plans(ts)) == (1, [])


async def test_the_first_sign_comes_before_the_answer(town):
    ts = await town.mention("run this\n```bash\nsleep 0.5\n```")
    await town.answered(ts)
    names = [call.name for call in town.workspace.traffic.calls()]
    assert names.index("agents.sessions.setStatus") < names.index("chat.postMessage")


async def test_an_edit_of_an_answered_message_starts_no_second_task(town):
    ts = await town.mention("calculate 2+2")
    await town.answered(ts)
    await town.person().edit("general", ts, f"<@{town.workspace.bot_user_id}> calculate 2+3")
    town.workspace.unfurl("general", ts)
    other = await town.mention("calculate 5+5")
    await town.answered(other)
    assert len(town.answers(ts)) == 1
    assert len(await town.engine.tasks(town.thread(ts).workspace_id)) == 2


async def test_a_reply_continues_the_task_without_a_mention(town):
    ts = await town.mention("calculate 17*23")
    await town.answered(ts)
    await town.person().post("general", "calculate 2*21", thread_ts=ts)
    answers = await town.answered(ts, times=2)
    assert "42" in answers[1]


async def test_a_mention_with_nothing_else_gets_one_sentence_only_its_author_sees(town):
    ts = await town.mention("")
    await town.until(town.ephemerals)
    assert town.ours(ts) == []
    assert await town.run(ts) is None


async def test_a_message_of_forty_thousand_characters_is_answered(town):
    ts = await town.mention("hello " + "x" * 39_000)
    await town.answered(ts)


async def test_a_direct_message_is_a_task(town):
    dm = town.workspace.dm("ada").id
    ts = await town.person().post(dm, "calculate 6*7")
    await town.until(lambda: any("42" in m.text for m in town.workspace.thread(dm, ts)[1:]))
