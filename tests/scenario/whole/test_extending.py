"""A task that ended goes on: extended at a limit or a budget of the day, continued, run again."""

import asyncio
import json
from datetime import timedelta

import pytest
from sqlalchemy import update

from agent_engine.commands import ExtendBudget
from agent_engine.safeguards import BudgetOf
from agent_engine.types import EndReason, TaskStatus, now_utc
from bot.agents_file import parse_agents_file
from storage.budgets import SqlBudgetStore
from storage.tables import runs, usage
from tests.fakes.openai_server import Fails, Says
from tests.scenario.whole.conftest import open_town
from tests.scenario.whole.models import done, open_model_town, plan, purpose, working

ADD = ("calculate", {"expression": "1+1"})
PRICE = {"fake-model": {"prompt_usd": 10.0, "completion_usd": 10.0}}
"""Dear enough that a plan is a visible part of a dollar."""


def config(**tables):
    file, problems = parse_agents_file(tables, name="treadle.toml")
    assert list(problems) == []
    return file


async def offered(town, ts, label):
    """Wait for a message with this button; return it."""

    def shown():
        return next((m for m in town.ours(ts) if town.button(m, label)), None)

    return await town.until(shown)


async def press(town, message, label, person="ada"):
    return await town.person(person).click("general", message.ts, town.button(message, label))


def told(town, part, person="ada"):
    return any(part in text for text in town.ephemerals(person))


async def write(town, statement):
    await town.works.database.write(lambda c: c.execute(statement))


async def spend(town, **figures):
    """Let the plans that were made so far have cost this much."""
    await write(town, update(usage).where(usage.c.purpose == "plan").values(**figures))


async def added_today(town, ts):
    """The tokens that were added today to the budget of the thread's requester."""
    run = await town.run(ts)
    today = await SqlBudgetStore(town.works.database).spent_today(
        run.scope.workspace_id, person=run.requester, channel=run.scope.channel_id
    )
    return today.person.extra_tokens


def failing_once(*steps):
    """A model that breaks after its first plan was worked on, and is well from then on."""
    answers = []

    def script(body, index):
        if purpose(body) == "answer" and not answers:
            answers.append(index)
            return Fails(status=400)
        return working(*steps)(body, index)

    return script


async def test_extending_a_run_at_its_step_limit_goes_on_with_twice_as_many(tmp_path, workspace):
    sums = " then ".join(f"calculate {n}+{n}" for n in range(1, 5))
    file = config(limits={"iterations": 3})
    async with open_town(tmp_path, workspace, file=file) as town:
        ts = await town.mention(sums)
        message = await offered(town, ts, "Extend to 6 steps")
        assert (await town.run(ts)).end.reason is EndReason.LIMIT
        await press(town, message, "Extend to 6 steps", person="linus")
        await town.until(lambda: told(town, "can extend this task", "linus"))
        await press(town, message, "Extend to 6 steps")
        await town.until(lambda: "= **8**" in town.said(ts))
        run = await town.run(ts)
        assert run.limits.iterations == 6
        await town.until(lambda: told(town, "It goes on, with up to 6 steps"))


async def test_an_admin_extends_a_day_budget_and_the_work_is_completed(
    tmp_path, workspace, monkeypatch
):
    file = config(
        budgets={"person_tokens_per_day": 20_000}, slack={"admins": [workspace.person("grace").id]}
    )
    async with open_model_town(tmp_path, workspace, monkeypatch, working(ADD), file=file) as (
        town,
        _,
    ):
        first = await town.mention("add")
        await town.answered(first)
        await spend(town, prompt_tokens=19_900)
        ts = await town.mention("add once more")
        message = await offered(town, ts, "Extend today's budget")
        ended = await town.run(ts)
        assert (ended.end.limit, ended.end.reason) == ("person_day", EndReason.LIMIT)
        assert "of 20,000 tokens are used" in ended.end.sentence
        assert ended.end.sentence in town.said(ts)
        await press(town, message, "Extend today's budget", person="linus")
        await town.until(lambda: told(town, "Only an admin", "linus"))
        async with asyncio.TaskGroup() as both:  # once, however often it is pressed
            both.create_task(press(town, message, "Extend today's budget", person="grace"))
            both.create_task(press(town, message, "Extend today's budget", person="grace"))
        await town.until(lambda: told(town, "It goes on, with 20,000 tokens more", "grace"))
        assert await town.answered(ts) == ["All done."]
        run = await town.run(ts)
        ada = workspace.person("ada").id
        assert (run.status, run.requester) == (TaskStatus.COMPLETED, ada)
        assert await added_today(town, ts) == 20_000


async def test_a_press_that_died_half_way_goes_on_and_extends_nothing_twice(
    tmp_path, workspace, monkeypatch
):
    ada, grace = workspace.person("ada").id, workspace.person("grace").id
    file = config(budgets={"person_tokens_per_day": 20_000}, slack={"admins": [grace]})
    script = working(ADD)
    async with open_model_town(tmp_path, workspace, monkeypatch, script, file=file) as (town, _):
        await town.answered(await town.mention("add"))
        await spend(town, prompt_tokens=19_900)
        ts = await town.mention("add once more")
        message = await offered(town, ts, "Extend today's budget")
        run = await town.run(ts)
        more = ExtendBudget(
            workspace_id=run.scope.workspace_id, of=BudgetOf.PERSON, id=ada, by=grace, tokens=20_000
        )
        await town.engine.carry_out(more, keys=[f"extend:{run.run_id}"])
        await press(town, message, "Extend today's budget", person="grace")
        assert await town.answered(ts) == ["All done."]
        assert await added_today(town, ts) == 20_000


async def test_a_money_budget_is_reached_named_in_money_and_extended(
    tmp_path, workspace, monkeypatch
):
    file = config(
        budgets={"channel_usd_per_day": 0.2},
        prices=PRICE,
        slack={"admins": [workspace.person("grace").id]},
    )
    script = working(ADD, text="It is 2.")
    async with open_model_town(tmp_path, workspace, monkeypatch, script, file=file) as (town, _):
        first = await town.mention("add")
        await town.answered(first)
        await spend(town, usd=0.19)
        ts = await town.mention("add once more")
        message = await offered(town, ts, "Extend today's budget")
        run = await town.run(ts)
        assert run.end.limit == "channel_day"
        assert "This channel's budget for today allows no more: $0." in run.end.sentence
        assert "of $0.20 are used" in run.end.sentence
        await press(town, message, "Extend today's budget", person="grace")
        await town.until(lambda: told(town, "It goes on, with $0.20 more", "grace"))


async def test_a_day_later_the_budget_is_new_and_who_asked_goes_on_without_an_admin(
    tmp_path, workspace, monkeypatch
):
    file = config(budgets={"person_tokens_per_day": 20_000})
    async with open_model_town(tmp_path, workspace, monkeypatch, working(ADD), file=file) as (
        town,
        _,
    ):
        first = await town.mention("add")
        await town.answered(first)
        await spend(town, prompt_tokens=19_900)
        ts = await town.mention("add once more")
        message = await offered(town, ts, "Extend today's budget")
        yesterday = now_utc() - timedelta(days=1)
        await write(town, update(usage).values(at=yesterday))
        await write(town, update(runs).values(ended_at=yesterday))
        await press(town, message, "Extend today's budget", person="linus")
        await town.until(lambda: told(town, "can let this task run again", "linus"))
        await press(town, message, "Extend today's budget")
        assert await town.answered(ts) == ["All done."]


@pytest.mark.parametrize("label", ["Run again", "Continue"])
async def test_an_ended_task_goes_on_for_whom_it_was_for_and_nobody_else(
    tmp_path, workspace, monkeypatch, label
):
    ada, grace = workspace.person("ada").id, workspace.person("grace").id
    file = config(slack={"admins": [grace]})
    script = failing_once(ADD)
    async with open_model_town(tmp_path, workspace, monkeypatch, script, file=file) as (town, _):
        ts = await town.mention("add")
        message = await offered(town, ts, label)
        ended = await town.run(ts)
        await press(town, message, label, person="linus")
        await town.until(lambda: told(town, f"Only <@{ada}> or an admin", "linus"))
        assert (await town.run(ts)).run_id == ended.run_id
        await press(town, message, label, person="grace")
        *_, said = await town.answered(ts, times=2)
        assert said == "All done."
        run = await town.run(ts)
        assert (run.requester, run.status) == (ada, TaskStatus.COMPLETED)
        assert run.run_id != ended.run_id


async def test_a_tool_of_some_people_is_not_lent_to_a_task_of_others(
    tmp_path, workspace, monkeypatch
):
    grace = workspace.person("grace").id
    rule = {"tool": "calculate", "only_for": [grace]}
    file = config(slack={"admins": [grace]}, tools={"rules": [rule]})
    asked = []

    def script(body, _index):
        match purpose(body):
            case "plan":
                return plan(ADD)
            case "replan":
                return done()
            case _:
                asked.append(json.dumps(body))
                return Fails(status=400) if len(asked) == 1 else Says(text="Done.")

    async with open_model_town(tmp_path, workspace, monkeypatch, script, file=file) as (town, _):
        ts = await town.mention("add")
        message = await offered(town, ts, "Run again")
        await press(town, message, "Run again", person="grace")
        await town.until(lambda: len(asked) > 1)
        assert "may not be used for the person who asked" in asked[1]
