"""Buttons and forms: what a click does, who may click, what happens with buttons of old."""

from dataclasses import replace

import pytest

from agent_engine.commands import Cancel, Decide, Rate, RunAgain
from agent_engine.types import EndReason, RunEnd, RunId, Wait, WaitKind
from bot.outbound.blocks import ids
from bot.outbound.blocks.parts import actions, button
from bot.outbound.content import Content

R1 = RunId("r1")
ENDED = {"end": RunEnd(reason=EndReason.FAILED)}
ASKED = Wait(id="w", kind=WaitKind.QUESTION, step=1, question="Go on?", choices=("yes", "no"))


async def a_task(world):
    """Ada's task in #general; gives the ts of its root."""
    root = await world.workspace.person("ada").post("general", "@treadle work")
    await world.core.until(world.core.said)
    return root


def change_run(world, **facts):
    world.core.run_rows[R1] = replace(world.core.run_rows[R1], **facts)


async def click(world, bot, name, action, **run):
    """Post a message of ours with this one button into Ada's task, and let somebody click it."""
    root = await a_task(world)
    change_run(world, **run)
    channel = world.core.said()[0].thread.channel_id
    content = Content(text="A message", blocks=(actions([button("Go", action)]),))
    ts = await bot.talk.post_message(channel, content, thread_ts=root)
    person = world.workspace.person(name)
    await person.click("general", ts, ids.action_id(action), ids.value(action))
    return ts, person


def carried(world, kind):
    return [command for command in world.core.carried if isinstance(command, kind)]


@pytest.mark.parametrize(
    ("action", "run", "kind"),
    [
        (ids.StopRun(run_id=R1), {}, Cancel),
        (ids.AgainRun(run_id=R1, keep_work=True), ENDED, RunAgain),
        (ids.DecideWait(run_id=R1, wait_id="w", value="yes"), {"waits": (ASKED,)}, Decide),
        (ids.RateAnswer(run_id=R1, rating=5), {}, Rate),
    ],
)
async def test_a_click_is_carried_out_before_it_is_acknowledged(world, bot, action, run, kind):
    await click(world, bot, "ada", action, **run)
    assert len(carried(world, kind)) == 1


async def test_only_the_requester_stops_by_button(world, bot):
    await click(world, bot, "grace", ids.StopRun(run_id=R1))
    assert carried(world, Cancel) == []
    assert world.workspace.person("ada").id in world.replies_to("grace")[0]


@pytest.mark.parametrize("value", ["maybe", ""])
async def test_what_was_not_offered_is_not_chosen(world, bot, value):
    action = ids.DecideWait(run_id=R1, wait_id="w", value=value)
    await click(world, bot, "ada", action, waits=(ASKED,))
    assert carried(world, Decide) == []
    assert len(world.replies_to("ada")) == 1


@pytest.mark.parametrize("keeps_work", [True, False])
async def test_only_the_requester_has_a_task_run_again(world, bot, keeps_work):
    await click(world, bot, "grace", ids.AgainRun(run_id=R1, keep_work=keeps_work), **ENDED)
    assert carried(world, RunAgain) == []
    assert world.workspace.person("ada").id in world.replies_to("grace")[0]


@pytest.mark.parametrize("value", ["repeat", "skip"])
async def test_only_the_requester_says_whether_something_is_done_again(world, bot, value):
    wait = replace(ASKED, kind=WaitKind.REPEAT, choices=("repeat", "skip"))
    action = ids.DecideWait(run_id=R1, wait_id="w", value=value)
    await click(world, bot, "grace", action, waits=(wait,))
    assert carried(world, Decide) == []
    assert world.workspace.person("ada").id in world.replies_to("grace")[0]


async def test_a_guest_decides_nothing(world, bot):
    action = ids.DecideWait(run_id=R1, wait_id="w", value="yes")
    await click(world, bot, "gus", action)
    assert carried(world, Decide) == []
    assert len(world.replies_to("gus")) == 1


async def test_a_click_that_could_not_be_stored_is_not_acknowledged(world, bot):
    root = await a_task(world)
    change_run(world, **ENDED)
    action = ids.AgainRun(run_id=R1, keep_work=False)
    channel = world.core.said()[0].thread.channel_id
    content = Content(text="A message", blocks=(actions([button("Go", action)]),))
    ts = await bot.talk.post_message(channel, content, thread_ts=root)
    world.core.failures = 1
    with pytest.raises(Exception, match=r"operation_timeout|dispatch_failed"):
        await world.workspace.person("ada").click("general", ts, ids.action_id(action))
    assert carried(world, RunAgain) == []


async def test_a_low_rating_by_button_opens_the_form_at_once(world, bot):
    ts, ada = await click(world, bot, "ada", ids.RateAnswer(run_id=R1, rating=1))
    view = ada.modal()
    assert view is not None
    await ada.submit(view.id, {"words": {"words": {"value": "wrong numbers"}}})
    rates = carried(world, Rate)
    assert [(r.rating, r.choice, r.text) for r in rates] == [
        (1, "button", ""),
        (1, "button", "wrong numbers"),
    ]
    assert {r.message_ts for r in rates} == {ts}


async def test_a_secret_in_what_went_wrong_is_taken_out_before_it_is_kept(world, bot):
    _, ada = await click(world, bot, "ada", ids.RateAnswer(run_id=R1, rating=1))
    said = {"words": {"words": {"value": "it used xoxb-123456789012-abcdef"}}}
    await ada.submit(ada.modal().id, said)
    assert carried(world, Rate)[-1].text == "it used [redacted: Slack token]"


async def test_a_good_rating_opens_nothing(world, bot):
    _, ada = await click(world, bot, "ada", ids.RateAnswer(run_id=R1, rating=5))
    assert ada.modal() is None


async def test_a_late_decision_is_told_to_whoever_clicked(world, bot):
    await a_task(world)
    world.core.declines = "not_waiting"
    action = ids.DecideWait(run_id=R1, wait_id="w", value="yes")
    channel = world.core.said()[0].thread.channel_id
    content = Content(text="A question", blocks=(actions([button("yes", action)]),))
    ts = await bot.talk.post_message(channel, content)
    await world.workspace.person("ada").click("general", ts, ids.action_id(action))
    assert world.replies_to("ada") == ["That has been answered already."]


async def test_a_button_of_another_version_says_so_and_does_nothing(world, bot):
    await a_task(world)
    before = len(world.core.carried)
    old = {
        "type": "actions",
        "elements": [
            {
                "type": "button",
                "action_id": "treadle0:stop:r1",
                "value": "{}",
                "text": {"type": "plain_text", "text": "Stop"},
            }
        ],
    }
    channel = world.core.said()[0].thread.channel_id
    ts = await bot.talk.post_message(channel, Content(text="Old", blocks=(old,)))
    await world.workspace.person("ada").click("general", ts, "treadle0:stop:r1")
    assert "older version" in world.replies_to("ada")[0]
    assert len(world.core.carried) == before


async def test_stop_in_the_home_tab_finds_the_runs_channel(world, bot):
    await a_task(world)
    ada = world.workspace.person("ada")
    action = ids.StopRun(run_id=R1)
    view = {"type": "home", "blocks": [actions([button("Stop", action)])]}
    await bot.talk.publish_home(ada.id, view)
    home = await world.workspace.until(ada.home)
    await ada.click_in_view(home.id, ids.action_id(action), ids.value(action))
    assert [c.run_id for c in carried(world, Cancel)] == ["r1"]


async def test_a_run_of_another_workspace_cannot_be_stopped(world, bot):
    await a_task(world)
    run = world.core.run_rows[R1]
    world.core.add_run(
        type(run.thread)(workspace_id="T-other", channel_id="C9", thread_ts="1.0"),
        requester=world.workspace.person("ada").id,
    )
    action = ids.StopRun(run_id=RunId("r2"))
    channel = world.core.said()[0].thread.channel_id
    content = Content(text="A message", blocks=(actions([button("Go", action)]),))
    ts = await bot.talk.post_message(channel, content)
    await world.workspace.person("ada").click("general", ts, ids.action_id(action))
    assert carried(world, Cancel) == []
