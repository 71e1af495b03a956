"""Thumbs, numbers and buttons are ratings; the last choice counts and can be taken back."""

import asyncio

import pytest
from sqlalchemy import select

from storage.tables import feedback
from tests.scenario.whole.test_commands import field_values

STEPS = "calculate 17 * 23 then save the result to answer.txt"


@pytest.fixture
async def answer(town):
    ts = await town.mention("calculate 2+2")
    await town.answered(ts)
    return next(m for m in town.ours(ts) if m.blocks and m.blocks[0]["type"] == "markdown")


async def ratings(town, good, low):
    """Wait until the ratings that count are these; an event is stored before it is acknowledged."""
    for _ in range(100):
        tally = await town.tally()
        if (tally.good_ratings, tally.low_ratings) == (good, low):
            return
        await asyncio.sleep(0.02)
    raise AssertionError(tally)


@pytest.mark.parametrize(
    ("name", "good", "low"),
    [
        ("+1", 1, 0),
        ("thumbsup", 1, 0),
        ("-1", 0, 1),
        ("one", 0, 1),
        ("two", 0, 1),
        ("three", 0, 0),
        ("four", 1, 0),
        ("five", 1, 0),
        ("tada", 0, 0),
    ],
)
async def test_a_reaction_is_a_rating(town, answer, name, good, low):
    await town.person().react("general", answer.ts, name)
    await ratings(town, good, low)


async def test_the_last_choice_counts_and_taking_it_back_brings_the_one_before(town, answer):
    ada = town.person()
    await ada.react("general", answer.ts, "+1")
    await ada.react("general", answer.ts, "-1")
    await ratings(town, 0, 1)
    await ada.unreact("general", answer.ts, "-1")
    await ratings(town, 1, 0)
    await ada.unreact("general", answer.ts, "+1")
    await ratings(town, 0, 0)


async def test_several_people_may_rate(town, answer):
    for name in ("ada", "grace"):
        await town.person(name).react("general", answer.ts, "+1")
    await ratings(town, 2, 0)


async def test_the_feedback_buttons_rate_too(town, answer):
    block = next(b for b in answer.blocks if b["type"] == "context_actions")
    element = block["elements"][0]
    value = element["positive_button"]["value"]
    await town.person().click("general", answer.ts, element["action_id"], value)
    await ratings(town, 1, 0)


async def test_a_low_rating_offers_a_form_to_its_author_only(town, answer):
    await town.person().react("general", answer.ts, "-1")
    await town.until(town.ephemerals)
    assert town.ephemerals("grace") == []


async def test_a_reaction_on_another_message_rates_nothing(town, answer):
    ts = await town.person().post("general", "lunch?")
    await town.person("grace").react("general", ts, "-1")
    await town.person().react("general", answer.ts, "+1")
    await ratings(town, 1, 0)


# -- per step, and in words ----------------------------------------------------------------------


async def counting(town):
    """What is stored and counts: (who, step, rating, words), in the order of the people's names."""
    columns = (feedback.c.person, feedback.c.step, feedback.c.rating, feedback.c.text)
    wanted = select(*columns).where(feedback.c.retracted_at.is_(None))
    rows = await town.works.database.read(lambda connection: connection.execute(wanted).all())
    names = {town.person(name).id: name for name in ("ada", "grace")}
    return sorted((names[row.person], row.step, row.rating, row.text) for row in rows)


async def plan_of(town, problem=STEPS):
    """Let a task with several steps end; return its plan message."""
    ts = await town.mention(problem)
    await town.answered(ts)
    return await town.until(
        lambda: next((m for m in town.plans(ts) if town.button(m, "Rate a step")), None)
    )


async def rate_steps(town, plan, name, words, **choices):
    button = town.button(plan, "Rate a step")
    elements = [e for b in plan.blocks for e in b.get("elements", ())]
    value = next(e["value"] for e in elements if e["action_id"] == button)
    person = town.person(name)
    await person.click("general", plan.ts, button, value)
    form = await town.until(person.modal)
    values = field_values(form, words=words)
    for step, rating in choices.items():
        values[step][step]["selected_option"] = {"value": f"{rating}"}
    assert not (await person.submit(form.id, values)).get("response_action")


async def test_several_people_rate_single_steps_and_change_their_minds(town):
    plan = await plan_of(town)
    await rate_steps(town, plan, "ada", "Name the file after the task.", step_1=5, step_2=1)
    await rate_steps(town, plan, "grace", None, step_2=3)
    said = "Name the file after the task."
    assert await counting(town) == [
        ("ada", 1, 5, said),
        ("ada", 2, 1, said),
        ("grace", 2, 3, ""),
    ]
    await rate_steps(town, plan, "ada", None, step_2=5)
    assert await counting(town) == [("ada", 1, 5, said), ("ada", 2, 5, ""), ("grace", 2, 3, "")]
    await rate_steps(town, plan, "ada", None, step_1=0, step_2=0)
    assert await counting(town) == [("grace", 2, 3, "")]
    await rate_steps(town, plan, "ada", None, step_1=3)
    assert await counting(town) == [("ada", 1, 3, ""), ("grace", 2, 3, "")]


async def test_a_reaction_on_the_plan_rates_the_plan_beside_its_steps(town):
    plan = await plan_of(town)
    await rate_steps(town, plan, "ada", None, step_1=5)
    await town.person("ada").react("general", plan.ts, "two")
    await ratings(town, 1, 1)
    assert await counting(town) == [("ada", 0, 2, ""), ("ada", 1, 5, "")]
    await town.person("ada").unreact("general", plan.ts, "two")
    await ratings(town, 1, 0)


async def test_the_reason_told_after_a_reaction_belongs_to_it_and_goes_with_it(town, answer):
    ada = town.person("ada")
    await ada.react("general", answer.ts, "-1")
    [asked] = await town.until(lambda: ada.ephemerals("general"))
    button = asked.blocks[-1]["elements"][0]
    await ada.click("general", asked.ts, button["action_id"], button["value"])
    form = await town.until(ada.modal)
    await ada.submit(form.id, field_values(form, words="Show the way to it."))
    assert await counting(town) == [("ada", 0, 1, "Show the way to it.")]
    await ratings(town, 0, 1)
    await ada.unreact("general", answer.ts, "-1")
    await ratings(town, 0, 0)
    assert await counting(town) == []
