"""What nobody said is asked about in its thread, and remembered only when a person keeps it."""

import json

import pytest

from tests.fakes.openai_server import Says, as_json
from tests.scenario.whole.models import done, open_model_town, purpose

FACT = "the vault opens at nine"
STEP = {
    "step": 1,
    "description": "Note it",
    "action": "remember",
    "tool": "",
    "arguments": [{"name": "key", "value": "vault"}, {"name": "value", "value": FACT}],
    "depends_on": [],
    "expected_outcome": "it is noted",
    "check": "succeeds",
    "check_value": "",
}
PLAN = {"mode": "plan", "answer": "", "question": "", "choices": [], "steps": [STEP]}


def script(body, _index):
    match purpose(body):
        case "plan":
            return as_json(PLAN)
        case "replan":
            return done()
        case _:
            return Says(text="Found it.")


@pytest.fixture
async def house(tmp_path, workspace, monkeypatch):
    async with open_model_town(tmp_path, workspace, monkeypatch, script) as (town, _):
        yield town


async def asked(town):
    """Ask something; return the thread and the line that asks whether to remember."""
    ts = await town.mention("What does the page say?")
    await town.answered(ts)

    def line():
        return next((m for m in town.ours(ts) if town.button(m, "Keep")), None)

    return ts, await town.until(line)


async def press(town, message, label, *, person="ada"):
    elements = [e for b in message.blocks if b["type"] == "actions" for e in b["elements"]]
    button = next(e for e in elements if e["text"]["text"] == label)
    await town.person(person).click("general", message.ts, button["action_id"], button["value"])


async def says(town, ts, message, words):
    def changed():
        now = next(m for m in town.ours(ts) if m.ts == message.ts)
        return words in f"{now.text} {json.dumps(now.blocks)}"

    await town.until(changed)


async def found(town):
    said = await town.person("grace").slash("general", "/memory", "search vault")
    return FACT in json.dumps(said.get("blocks", []))


async def test_a_proposed_fact_is_kept_at_a_persons_word_and_the_line_says_so(house):
    ts, line = await asked(house)
    assert FACT in line.text
    assert not await found(house)
    await press(house, line, "Keep", person="linus")
    await house.until(lambda: any("Only <@" in text for text in house.ephemerals("linus")))
    assert not await found(house)
    await press(house, line, "Keep")
    await says(house, ts, line, "Remembered: the vault")
    assert await found(house)


async def test_a_proposed_fact_is_forgotten_from_the_list_and_its_line_says_so(house):
    ts, line = await asked(house)
    await house.person().slash("general", "/memory", "")
    listed = house.person().ephemerals("general")[-1]
    assert "proposed" in json.dumps(listed.blocks)
    await press(house, listed, "Forget")
    await says(house, ts, line, "Forgotten.")
    await press(house, listed, "Keep")
    await house.until(lambda: any("not remembered any more" in t for t in house.ephemerals()))
    assert not await found(house)
