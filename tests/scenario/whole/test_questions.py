"""An agent that asks, and a step that may have happened before: who answers, how, and when."""

import asyncio
import json

import pytest

from agent_engine.ports import ToolTraits
from agent_engine.types import StepStatus, TaskStatus
from bot.agents_file import parse_agents_file
from tests.fakes.openai_server import Says, as_json
from tests.fakes.tools import FakeTool
from tests.scenario.whole.models import done, open_model_town, plan, prompt, purpose

PASTED = "xoxp-123456789012-1234567890123-AbCdEfGhIjKlMnOpQrStUvWx"
ASK = {
    "mode": "ask",
    "answer": "",
    "question": "Which quarter?",
    "choices": ["Q1", "Q2"],
    "steps": [],
}
SEND = ("send_note", {"to": "bob@example.com"})


@pytest.fixture
def note(monkeypatch):
    """A tool that must not be done twice, which hangs until the test lets it go."""
    from bot import toolbox  # noqa: PLC0415  # as the test patches it

    hang, make_tools = asyncio.Event(), toolbox.make_tools
    hang.calls = []

    async def send(arguments):
        hang.calls.append(dict(arguments))
        await hang.wait()
        return {"success": True, "text": "sent"}

    schema = {"type": "object", "properties": {"to": {"type": "string"}}}

    def with_note(settings):
        tool = FakeTool(act=send, name="send_note", parameters_schema=schema, traits=ToolTraits())
        return (*make_tools(settings), tool)

    monkeypatch.setattr(toolbox, "make_tools", with_note)
    return hang


def asking(body, _index):
    """Ask first, then answer with what was said."""
    match purpose(body):
        case "plan":
            return as_json(ASK)
        case "replan":
            return done()
        case _:
            return Says(text="Taken: " + prompt(body)[-1_500:])


def sending(body, _index):
    match purpose(body):
        case "plan":
            return plan(SEND)
        case "replan":
            return done()
        case _:
            return Says(text="All done.")


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


def shown(town, ts, message):
    now = next(m for m in town.ours(ts) if m.ts == message.ts)
    return json.dumps(now.blocks, ensure_ascii=False)


def reply(text):
    return {"reply": {"reply": {"type": "plain_text_input", "value": text}}}


async def test_a_choice_is_taken_and_shown_with_who_chose(tmp_path, workspace, monkeypatch):
    async with open_model_town(tmp_path, workspace, monkeypatch, asking) as (town, _):
        ts = await town.mention("sum it up")
        message = await offered(town, ts, "Q2")
        await press(town, message, "Q2", person="linus")
        (said,) = await town.answered(ts)
        assert "Q2" in said
        linus = workspace.person("linus").id
        await town.until(lambda: f"Answered by <@{linus}>: Q2" in shown(town, ts, message))


async def test_a_reply_in_ones_own_words_is_taken_though_there_are_choices(
    tmp_path, workspace, monkeypatch
):
    async with open_model_town(tmp_path, workspace, monkeypatch, asking) as (town, _):
        ts = await town.mention("sum it up")
        message = await offered(town, ts, "Other…")
        await press(town, message, "Other…")
        view = await town.until(lambda: town.person().modal())
        assert "Which quarter?" in json.dumps(view.payload["blocks"])
        empty = await town.person().submit(view.id, reply("  "))
        assert "reply" in empty["errors"]
        await town.person().submit(view.id, reply(f"the whole *year*, with {PASTED}"))
        (said,) = await town.answered(ts)
        assert "the whole" in said
        step = (await town.run(ts)).steps[0]
        assert step.observation.content["reply"] == (
            "the whole *year*, with [redacted: Slack token]"
        )
        await town.until(lambda: "the whole *year*" in shown(town, ts, message))
        assert '"actions"' not in shown(town, ts, message)


async def test_of_two_who_answer_the_first_counts_and_the_second_is_told(
    tmp_path, workspace, monkeypatch
):
    async with open_model_town(tmp_path, workspace, monkeypatch, asking) as (town, _):
        ts = await town.mention("sum it up")
        message = await offered(town, ts, "Other…")
        await press(town, message, "Other…", person="grace")
        view = await town.until(lambda: town.person("grace").modal())
        await press(town, message, "Q1")
        await town.answered(ts)
        late = await town.person("grace").submit(view.id, reply("Q4"))
        assert "nothing to decide any more" in json.dumps(late)
        assert (await town.run(ts)).steps[0].observation.content["reply"] == "Q1"


@pytest.mark.parametrize("label", ["Repeat it", "Skip it"])
async def test_whether_a_call_is_made_twice_is_for_whoever_asked_to_say(
    tmp_path, workspace, monkeypatch, note, label
):
    async with open_model_town(tmp_path, workspace, monkeypatch, sending) as (town, _):
        ts = await town.mention("tell Bob")
        await town.until(lambda: note.calls)
    note.set()
    async with open_model_town(tmp_path, workspace, monkeypatch, sending) as (town, _):
        message = await offered(town, ts, label)
        assert "bob@example.com" in shown(town, ts, message)
        ada = workspace.person("ada").id
        await press(town, message, label, person="linus")
        await town.until(lambda: told(town, f"Only <@{ada}> or an admin can decide", "linus"))
        assert len(note.calls) == 1
        await press(town, message, label)
        await town.answered(ts)
        assert len(note.calls) == (2 if label == "Repeat it" else 1)
        word = label.lower()
        await town.until(lambda: f"Answered by <@{ada}>: {word}" in shown(town, ts, message))


async def test_a_call_that_others_allow_is_made_twice_only_with_their_word(
    tmp_path, workspace, monkeypatch, note
):
    grace = workspace.person("grace").id
    rule = {"tool": "*", "ask": "always", "approvers": [grace]}
    file = config(tools={"rules": [rule]})
    async with open_model_town(tmp_path, workspace, monkeypatch, sending, file=file) as (town, _):
        ts = await town.mention("tell Bob")
        await press(town, await offered(town, ts, "Approve"), "Approve", person="grace")
        await town.until(lambda: note.calls)
    note.set()
    async with open_model_town(tmp_path, workspace, monkeypatch, sending, file=file) as (town, _):
        message = await offered(town, ts, "Repeat it")
        await press(town, message, "Repeat it")
        await town.until(lambda: told(town, f"Only <@{grace}> or an admin can decide"))
        assert len(note.calls) == 1
        await press(town, message, "Repeat it", person="grace")
        await town.answered(ts)
        run = await town.run(ts)
        assert (len(note.calls), run.status) == (2, TaskStatus.COMPLETED)
        assert (run.steps[0].attempt, run.steps[0].status) == (2, StepStatus.DONE)
