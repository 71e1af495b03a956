"""*Forget my tasks, too*: a person's tasks and our messages about them go, and nothing else."""

import asyncio
import json

import pytest
from sqlalchemy import func, select

from bot.agents_file import parse_agents_file
from storage.erasing import is_under_way
from storage.tables import tasks
from tests.scenario.whole.conftest import open_town
from tests.scenario.whole.test_memory_command import (
    buttons,
    memory,
    press,
    told,
    without_local_model,
)
from tests.scenario.whole.town import LOOK_S, MANY_LOOKS

SAVED = "calculate 17*23 then save the result to answer.txt"
MINE, THEIRS = "Forget my tasks, too", "Forget the tasks, too"
SLOW = "calculate 17*23 then run this\n```bash\nsleep 60\n```"

__all__ = ["without_local_model"]


async def asked_to_go(town, label=MINE, text="forget me", *, person="ada"):
    """Ask for it and press the button; return the question."""
    question = await memory(town, text, person=person)
    await press(town, question, label, person=person)
    return question


async def over(town):
    """Wait until no task is at work and all that they show is known to be shown."""
    under_way = select(func.count()).select_from(tasks).where(is_under_way())
    for _ in range(MANY_LOOKS):
        if not await town.works.database.read(lambda c: c.execute(under_way).scalar_one()):
            return
        await asyncio.sleep(LOOK_S)
    raise AssertionError(under_way)


async def vanished(town, ts):
    """Wait until nothing of ours is in the thread; return what is left of it."""
    await town.until(lambda: not town.ours(ts))
    return [m.text for m in town.workspace.thread("general", ts)]


async def test_all_of_a_task_goes_and_what_people_said_and_others_asked_stays(town):
    ts = await town.mention(SAVED)
    await town.answered(ts)
    await town.until(lambda: any(m.files for m in town.ours(ts)))
    other = await town.mention("calculate 3+3", person="grace")
    await town.answered(other)
    theirs = town.said(other)
    await town.person("linus").post("general", "Well done.", thread_ts=ts)
    await town.until(lambda: len(town.answers(ts)) > 1)
    await over(town)
    await asked_to_go(town)
    said = await told(town, "1 task with plans, results and files")
    assert "What people wrote stays there" in said.text
    left = await vanished(town, ts)
    assert [SAVED in text or text == "Well done." for text in left] == [True, True]
    await town.until(lambda: not town.workspace.core.files.files)
    assert town.said(other) == theirs
    assert await town.run(ts) is None
    assert "391" not in json.dumps((await memory(town, "episodes")).blocks)


async def test_the_two_buttons_are_apart_and_the_first_leaves_tasks(town):
    ts = await town.mention("calculate 2+2")
    await town.answered(ts)
    question = await memory(town, "forget me")
    [all_of_it] = buttons(question, "Forget it all")
    [with_tasks] = buttons(question, MINE)
    assert all_of_it["action_id"] != with_tasks["action_id"]
    assert with_tasks["confirm"]["confirm"]["text"] == "Forget it all"
    await press(town, question, "Forget it all")
    assert "Messages in Slack" in (await told(town, "Forgotten")).text
    assert town.answers(ts)
    assert await town.run(ts) is not None


@pytest.mark.usefixtures("without_local_model")
async def test_admins_may_for_somebody_else_and_nobody_but_they(tmp_path, workspace):
    file, _ = parse_agents_file({"slack": {"admins": [workspace.person("ada").id]}}, name="t")
    async with open_town(tmp_path, workspace, file=file) as town:
        ts = await town.mention("calculate 2+2", person="grace")
        await town.answered(ts)
        grace = town.person("grace").id
        question = await memory(town, f"forget <@{grace}>")
        [button] = buttons(question, THEIRS)
        own = await memory(town, "forget me", person="linus")
        await press(town, own, MINE, person="linus", value=button["value"])
        await told(town, "Only an admin", person="linus")
        assert town.answers(ts)
        await over(town)
        await press(town, question, THEIRS)
        await told(town, "1 task with plans")
        assert all("2+2" in text for text in await vanished(town, ts))


async def test_a_task_under_way_stays_until_it_is_over(town):
    ts = await town.mention(SLOW)
    plan = await town.working_on(ts, "Run")
    await asked_to_go(town)
    said = await told(town, "Not over or not all shown yet")
    assert "0 tasks" not in said.text
    assert "1 task. Stop them, then ask again." in said.text
    assert town.ours(ts)
    await town.person().click("general", plan.ts, town.button(plan, "Stop"))
    await town.unhappy_end(ts)
    await over(town)
    await asked_to_go(town)
    await told(town, "1 task with plans")
    assert all(SLOW in text for text in await vanished(town, ts))


async def test_what_slack_does_not_let_us_delete_is_logged_and_holds_nothing_up(town, caplog):
    ada, core = town.person(), town.workspace.core
    await ada.create_channel("kilns", is_private=True)
    await ada.invite("kilns", "treadle")
    out = await town.mention(SAVED, channel="kilns")
    await town.answered(out, channel="kilns")
    await town.until(lambda: any(m.files for m in town.ours(out, "kilns")))
    here = await town.mention("calculate 3+3")
    await town.answered(here)
    kilns = town.workspace.channel("kilns")
    core.state.remove_member(kilns, town.workspace.bot_user_id)
    await over(town)
    await asked_to_go(town)
    await told(town, "2 tasks with plans")
    await vanished(town, here)
    await town.until(lambda: "message_left" in caplog.text)
    await town.until(lambda: not town.workspace.core.files.files)
    assert town.answers(out, channel="kilns")


async def test_what_a_token_is_to_blame_for_is_kept_until_somebody_mends_it(
    town, caplog, monkeypatch
):
    monkeypatch.setattr("bot.outbound.removals.LOOK_EVERY_S", LOOK_S)
    ts = await town.mention(SAVED)
    await town.answered(ts)
    await over(town)
    methods = ("chat.delete", "files.info", "files.delete")
    refusal = {"error": "token_revoked"}
    town.workspace.core.faults.merge({"fail_api": dict.fromkeys(methods, refusal)})
    await asked_to_go(town)
    await told(town, "1 task with plans")
    await town.until(lambda: caplog.text.count("not_removed") > 1)
    assert town.answers(ts)
    town.workspace.core.faults.merge({"fail_api": {}})
    assert all(SAVED in text for text in await vanished(town, ts))
    await town.until(lambda: not town.workspace.core.files.files)
    assert "message_left" not in caplog.text


async def test_of_many_tasks_all_go_though_the_click_waits_for_some_only(town, monkeypatch):
    monkeypatch.setattr("storage.persons_tasks.MOST_TASKS", 1)
    threads = [await town.mention(f"calculate {n}+{n}") for n in range(4)]
    for ts in threads:
        await town.answered(ts)
    await over(town)
    await asked_to_go(town)
    said = await told(town, "1 task with plans")
    assert "3 more tasks will go in the next minutes" in said.text
    for ts in threads:
        assert len(await vanished(town, ts)) == 1
