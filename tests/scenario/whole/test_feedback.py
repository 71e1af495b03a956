"""Thumbs, numbers and buttons are ratings; the last choice counts and can be taken back."""

import asyncio

import pytest


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
    [("+1", 1, 0), ("thumbsup", 1, 0), ("-1", 0, 1), ("one", 0, 1), ("five", 1, 0), ("tada", 0, 0)],
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
