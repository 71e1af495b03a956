"""What Slack still shows of a deleted task says so in a sentence, and starts nothing old."""

import asyncio
import json

import pytest

from bot.inbound import sentences
from bot.outbound.blocks import ids, memory_ids
from bot.outbound.blocks.parts import actions, button
from storage.erasing import erase_tasks
from tests.fakes.openai_server import Says
from tests.scenario.whole.models import answer, open_model_town, prompt, purpose
from tests.scenario.whole.test_commands import field_values
from tests.scenario.whole.test_feedback import plan_of
from tests.scenario.whole.test_proposed_memory import asked, found, press
from tests.scenario.whole.test_proposed_memory import script as proposing
from tests.scenario.whole.town import LOOK_S, MANY_LOOKS

GONE = sentences.TASK_IS_GONE


async def erase(town, ts, channel="general"):
    """Delete the thread's task as soon as all of it is shown; return what its run was called."""
    run = await town.run(ts, channel)
    for _ in range(MANY_LOOKS):
        if await town.works.database.write(lambda c: erase_tasks(c, [run.task.id])):
            return run.run_id
        await asyncio.sleep(LOOK_S)
    raise AssertionError(run)


@pytest.fixture
async def deleted(town):
    """The answer of a task that was deleted, and what its run was called."""
    ts = await town.mention("calculate 2+2")
    await town.answered(ts)
    run_id = await erase(town, ts)
    return run_id, next(m for m in town.ours(ts) if m.blocks and m.blocks[0]["type"] == "markdown")


async def said(town, person="ada"):
    """Wait for what the person alone is told."""
    return (await town.until(lambda: town.ephemerals(person)))[-1]


WAIT = {"wait_id": "w"}


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda run: ids.AgainRun(run_id=run, keep_work=False), GONE),
        (lambda run: ids.AgainRun(run_id=run, keep_work=True), GONE),
        (lambda run: ids.ExtendRun(run_id=run), GONE),
        (lambda run: ids.RateSteps(run_id=run), GONE),
        (lambda run: ids.RateAnswer(run_id=run, rating=1), GONE),
        (lambda run: ids.RateAnswer(run_id=run, rating=5), GONE),
        (lambda run: ids.DecideWait(run_id=run, value="yes", **WAIT), GONE),
        (lambda run: ids.ReplyOther(run_id=run, **WAIT), GONE),
        (lambda run: ids.DecideCall(run_id=run, value="once", **WAIT), GONE),
        (lambda run: ids.ChangeCall(run_id=run, **WAIT), GONE),
        (lambda run: ids.DenyCall(run_id=run, **WAIT), GONE),
        (lambda run: ids.ShowCall(run_id=run, **WAIT), GONE),
        (lambda run: memory_ids.UsedMemories(run_id=run), GONE),
        (lambda run: ids.StopRun(run_id=run), sentences.NOTHING_TO_STOP),
        (
            lambda run: ids.ForgetLesson(run_id=run, lesson_id="l"),
            sentences.LESSON_WITHOUT_TASK,
        ),
        (
            lambda run: ids.CorrectLesson(run_id=run, lesson_id="l"),
            sentences.LESSON_WITHOUT_TASK,
        ),
    ],
)
async def test_every_button_says_so_in_a_sentence(town, deleted, make, sentence):
    run_id, message = deleted
    action = make(run_id)
    blocks = [actions([button("Press", action)])]
    click = (ids.action_id(action), ids.value(action))
    await town.person().click_stale("general", message.ts, blocks, *click)
    assert await said(town) == sentence
    assert len(town.ephemerals()) == 1
    assert town.person().modal() is None


async def test_the_feedback_buttons_say_so(town, deleted):
    _, message = deleted
    block = next(b for b in message.blocks if b["type"] == "context_actions")
    element = block["elements"][0]
    value = element["positive_button"]["value"]
    await town.person().click("general", message.ts, element["action_id"], value)
    assert await said(town) == GONE


async def test_a_rating_by_reaction_is_answered_and_other_reactions_mean_nothing(town, deleted):
    _, message = deleted
    ada, grace = town.person(), town.person("grace")
    await grace.react("general", message.ts, "x")
    await grace.react("general", message.ts, "tada")
    await ada.react("general", message.ts, "+1")
    assert await said(town) == sentences.NOTHING_TO_RATE
    await ada.unreact("general", message.ts, "+1")
    await town.mention("status", thread_ts=message.ts, person="grace")
    assert await said(town, "grace") == sentences.NO_TASK_HERE
    assert len(town.ephemerals()) == len(town.ephemerals("grace")) == 1
    assert (await town.tally()).good_ratings == 0


async def test_forms_that_were_open_when_it_was_deleted_say_so(town):
    plan = await plan_of(town)
    ts = plan.thread_ts
    ada, grace = town.person(), town.person("grace")
    name = town.button(plan, "Rate a step")
    elements = [e for b in plan.blocks for e in b.get("elements", ())]
    value = next(e["value"] for e in elements if e["action_id"] == name)
    await ada.click("general", plan.ts, name, value)
    steps = await town.until(ada.modal)
    await grace.react("general", plan.ts, "-1")
    [asked] = await town.until(lambda: grace.ephemerals("general"))
    await grace.click("general", asked.ts, town.button(asked, "Say what went wrong"))
    why = await town.until(grace.modal)
    await erase(town, ts)
    values = field_values(steps)
    values["step_1"]["step_1"]["selected_option"] = {"value": "5"}
    assert GONE in json.dumps(await ada.submit(steps.id, values))
    said = {"words": {"words": {"type": "plain_text_input", "value": "It is slow."}}}
    assert GONE in json.dumps(await grace.submit(why.id, said))


async def test_stop_in_a_home_tab_of_long_ago_renews_the_tab(town, deleted):
    run_id, message = deleted
    ada = town.person()
    await ada.open_home()
    old = await town.until(ada.home)
    action = ids.StopRun(run_id=run_id)
    old.payload["blocks"].append(actions([button("Stop", action)]))
    await ada.click_in_view(old.id, ids.action_id(action), ids.value(action))
    home = await town.until(lambda: ada.home() is not old and ada.home())
    assert run_id not in json.dumps(home.payload)
    assert message.ts.replace(".", "") not in json.dumps(home.payload)


async def test_deleted_tasks_are_in_no_list(town, deleted):
    _, message = deleted
    other = await town.mention("calculate 3+3")
    await town.answered(other)
    await town.person().slash("general", "/tasks")
    listed = json.dumps((await town.until(lambda: town.person().ephemerals("general")))[-1].blocks)
    assert other.replace(".", "") in listed
    assert message.thread_ts.replace(".", "") not in listed


async def test_a_reply_means_nothing_and_a_mention_starts_a_task_that_reads_the_thread(
    tmp_path, workspace, monkeypatch
):
    def script(body, _index):
        return answer("It is 12.") if purpose(body) == "plan" else Says(text="It is 12.")

    async with open_model_town(tmp_path, workspace, monkeypatch, script) as (town, server):
        ts = await town.mention("Sum up the revenue of October.")
        await town.answered(ts)
        first = await erase(town, ts)
        await town.person().post("general", "Refunds are missing.", thread_ts=ts)
        await town.mention("do it again", thread_ts=ts)
        await town.answered(ts, times=2)
        run = await town.run(ts)
        assert run.run_id != first
        assert len([body for body in server.bodies if purpose(body) == "plan"]) == 2
        told = prompt(server.bodies[-1])
        assert "Sum up the revenue of October." in told
        assert "Refunds are missing." in told


async def test_a_fact_that_a_deleted_task_proposed_is_kept_by_its_button(
    tmp_path, workspace, monkeypatch
):
    async with open_model_town(tmp_path, workspace, monkeypatch, proposing) as (town, _):
        ts, line = await asked(town)
        await erase(town, ts)
        await press(town, line, "Keep")
        assert await said(town) == sentences.REMEMBERED
        assert await found(town)
