"""A thumb down becomes a lesson that is told, applied, forgotten, corrected and taken back."""

import json

import pytest

from tests.fakes.openai_server import Says, as_json
from tests.scenario.whole.models import answer, open_model_town, prompt, purpose

REASON = "You left out the refunds."
LESSON = {
    "wrong": "The refunds were left out.",
    "next_time": "Subtract refunds before you sum up revenue.",
    "applies_when": "Revenue is summed up.",
}
TOLD = "Lesson for next time: Subtract refunds before you sum up revenue."


def script(body, _index):
    if "rated the work" in body["messages"][0]["content"]:
        return as_json(LESSON)
    return answer("It is 12.") if purpose(body) == "plan" else Says(text="It is 12.")


@pytest.fixture
async def house(tmp_path, workspace, monkeypatch):
    async with open_model_town(tmp_path, workspace, monkeypatch, script) as (town, server):
        yield town, server


def words(text):
    """The state of the form's one field."""
    return {"words": {"words": {"type": "plain_text_input", "value": text}}}


async def rated_task(town, text="Sum up the revenue of October."):
    """Ask, and rate the answer low by its button; the form for the reason is open then."""
    ts = await town.mention(text)
    await town.answered(ts)
    message = town.ours(ts)[-1]
    block = next(b for b in message.blocks if b["type"] == "context_actions")
    element = block["elements"][0]
    value = element["negative_button"]["value"]
    await town.person().click("general", message.ts, element["action_id"], value)
    return ts, message


async def with_reason(town):
    ts, _ = await rated_task(town)
    view = await town.until(town.person().modal)
    await town.person().submit(view.id, words(REASON))
    return ts


def lesson_lines(town, ts):
    return [m for m in town.ours(ts) if town.button(m, "Forget")]


async def told(town, ts):
    """Wait for the line that tells the lesson."""
    return await town.until(lambda: next(iter(lesson_lines(town, ts)), None))


async def press(town, message, label, person="ada"):
    await town.person(person).click("general", message.ts, town.button(message, label))


def shows(town, ts, sentence):
    return lambda: sentence in town.said(ts)


def asked_for_plans(server):
    return [prompt(body) for body in server.bodies if purpose(body) == "plan"]


def analyses(server):
    return [prompt(body) for body in server.bodies if "rated the work" in prompt(body)]


async def test_a_lesson_is_told_once_and_applied_in_the_next_similar_task(house):
    town, server = house
    ts = await with_reason(town)
    line = await told(town, ts)
    assert TOLD in line.text
    # The rating counts before its reason is sent, so that a quick analysis may end without it.
    analysed = await town.until(lambda: [text for text in analyses(server) if REASON in text])
    assert "It is 12." in analysed[-1]
    next_ts = await town.mention("Sum up the revenue of November.")
    await town.answered(next_ts)
    assert LESSON["next_time"] in asked_for_plans(server)[-1]
    assert "1 lesson applied" in town.said(next_ts)
    assert len(lesson_lines(town, ts)) == 1


async def test_an_analysis_shows_in_no_list(house):
    town, _ = house
    ts = await with_reason(town)
    await told(town, ts)
    await town.mention("tasks")
    listed = await town.until(town.ephemerals)
    assert "rated low" not in json.dumps(listed)


async def test_forget_takes_the_lesson_away_for_good(house):
    town, server = house
    ts = await with_reason(town)
    line = await told(town, ts)
    await press(town, line, "Forget")
    await town.until(shows(town, ts, "Forgotten."))
    assert not lesson_lines(town, ts)
    await town.answered(await town.mention("Sum up the revenue of November."))
    assert LESSON["next_time"] not in asked_for_plans(server)[-1]


async def test_forget_me_takes_the_lesson_and_the_reason_for_it(house):
    town, _ = house
    ts = await with_reason(town)
    line = await told(town, ts)
    ada = town.person("ada")
    await ada.slash("general", "/memory", "forget me")
    asked = ada.ephemerals("general")[-1]
    await ada.click("general", asked.ts, town.button(asked, "Forget it all"))
    found = "and what was said with 1 rating. Messages in Slack"
    await town.until(lambda: found in ada.ephemerals("general")[-1].text)
    await town.until(shows(town, ts, "Forgotten."))
    assert line.ts in [message.ts for message in town.ours(ts)]


async def test_correct_puts_it_in_the_persons_words(house):
    town, server = house
    ts = await with_reason(town)
    line = await told(town, ts)
    await press(town, line, "Correct")
    view = await town.until(town.person().modal)
    await town.person().submit(view.id, words("Ask me about <refunds> first."))
    await town.until(shows(town, ts, "Ask me about &lt;refunds&gt; first."))
    await town.answered(await town.mention("Sum up the revenue of November."))
    assert "Ask me about <refunds> first." in asked_for_plans(server)[-1]
    assert LESSON["next_time"] not in asked_for_plans(server)[-1]


async def test_others_may_not_change_it(house):
    town, _ = house
    ts = await with_reason(town)
    line = await told(town, ts)
    await press(town, line, "Forget", person="grace")
    [said] = await town.until(lambda: town.ephemerals("grace"))
    assert "can change this lesson" in said
    assert lesson_lines(town, ts)


async def test_taking_the_thumb_back_retires_it_and_giving_it_again_brings_it_back(house):
    town, server = house
    ts = await town.mention("Sum up the revenue of October.")
    await town.answered(ts)
    message = town.ours(ts)[-1]
    ada = town.person()
    await ada.react("general", message.ts, "-1")
    await told(town, ts)
    await ada.unreact("general", message.ts, "-1")
    await town.until(shows(town, ts, "Not applied any more"))
    await town.answered(await town.mention("Sum up the revenue of November."))
    assert LESSON["next_time"] not in asked_for_plans(server)[-1]
    await ada.react("general", message.ts, "-1")
    await town.until(shows(town, ts, TOLD))
    assert len(lesson_lines(town, ts)) == 1


async def test_without_a_model_the_reason_given_is_the_lesson(town):
    ts = await town.mention("calculate 2+2")
    await town.answered(ts)
    message = next(m for m in town.ours(ts) if m.blocks and m.blocks[0]["type"] == "markdown")
    block = next(b for b in message.blocks if b["type"] == "context_actions")
    element = block["elements"][0]
    value = element["negative_button"]["value"]
    await town.person().click("general", message.ts, element["action_id"], value)
    view = await town.until(town.person().modal)
    await town.person().submit(view.id, words("Show the sum, too."))
    line = await told(town, ts)
    assert "Lesson for next time: Show the sum, too." in line.text
