"""A tool that asks first: people approve, change, deny, allow for good, are reminded, come late."""

import asyncio
import json
from copy import deepcopy

import pytest

from agent_engine.ports import ToolTraits
from agent_engine.types import Asks, TaskStatus
from bot.agents_file import parse_agents_file
from bot.inbound.sentences import NOT_KEPT
from tests.fakes.openai_server import Says
from tests.fakes.tools import FakeTool
from tests.scenario.whole.models import (
    done,
    open_model_town,
    plan,
    prompt,
    purpose,
    working,
)

PROPERTIES = {"to": {"type": "string"}, "times": {"type": "integer", "minimum": 1}}
SCHEMA = {
    "type": "object",
    "properties": PROPERTIES,
    "required": ["to"],
    "additionalProperties": False,
}
CALL = ("send_note", {"to": "bob@example.com", "times": "2"})
MADE = {"to": "bob@example.com", "times": 2}
PASTED = "xoxp-123456789012-1234567890123-AbCdEfGhIjKlMnOpQrStUvWx"


@pytest.fixture
def sent(monkeypatch):
    """What the tool that asks did; with it the bot has that tool besides its own."""
    from bot import toolbox  # noqa: PLC0415  # as the test patches it

    calls, make_tools = [], toolbox.make_tools

    async def send(arguments):
        calls.append(dict(arguments))
        return {"success": True, "text": "sent"}

    def with_note(settings):
        traits = ToolTraits(asks=Asks.ALWAYS)
        note = FakeTool(act=send, name="send_note", parameters_schema=SCHEMA, traits=traits)
        return (*make_tools(settings), note)

    monkeypatch.setattr(toolbox, "make_tools", with_note)
    return calls


def config(**tables):
    file, problems = parse_agents_file(tables, name="treadle.toml")
    assert list(problems) == []
    return file


async def asked(town, ts, label="Approve"):
    """Wait for the question; return its message."""

    def shown():
        return next((m for m in town.ours(ts) if town.button(m, label)), None)

    return await town.until(shown)


async def press(town, message, label, person="ada"):
    return await town.person(person).click("general", message.ts, town.button(message, label))


async def press_late(town, message, blocks, label, person):
    """Press a button that the message had when it looked like this."""
    button = next(e for b in blocks for e in b.get("elements", ()) if _says(e, label))
    place = town.person(person)
    return await place.click_stale("general", message.ts, blocks, button["action_id"])


def _says(element, label):
    return element["type"] == "button" and element["text"]["text"] == label


def filled(**fields):
    """The state of a view in which this was typed."""
    return {name: {name: {"type": "plain_text_input", "value": v}} for name, v in fields.items()}


def typed(to, times):
    return filled(**{"argument-0": to, "argument-1": times})


def text_of(town, ts, message_ts):
    message = next(m for m in town.ours(ts) if m.ts == message_ts)
    return f"{message.text} {json.dumps(message.blocks, ensure_ascii=False)}"


def stored(home):
    """All that lies under the bot's home, as bytes."""
    return b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file())


def told(town, part, person="ada"):
    return any(part in text for text in town.ephemerals(person))


async def test_approving_makes_the_call_and_says_who_approved(
    tmp_path, workspace, monkeypatch, sent
):
    async with open_model_town(tmp_path, workspace, monkeypatch, working(CALL)) as (town, _):
        ts = await town.mention("tell Bob")
        message = await asked(town, ts)
        place = workspace.channel("general").id
        await town.until(lambda: workspace.session_status(place, ts) == "suspended")
        assert "waiting for approval" in town.said(ts)
        assert "bob@example.com" in text_of(town, ts, message.ts)
        assert sent == []
        await press(town, message, "Approve")
        assert await town.answered(ts) == ["All done."]
        assert sent == [MADE]
        await town.until(lambda: "Approved by" in text_of(town, ts, message.ts))
        assert '"actions"' not in text_of(town, ts, message.ts)
        assert "approved by " in town.said(ts)


async def test_approving_with_changes_makes_the_changed_call(
    tmp_path, workspace, monkeypatch, sent
):
    async with open_model_town(tmp_path, workspace, monkeypatch, working(CALL)) as (town, _):
        ts = await town.mention("tell Bob")
        message = await asked(town, ts)
        await press(town, message, "Approve with changes…")
        view = await town.until(lambda: town.person().modal())
        wrong = await town.person().submit(view.id, typed("eve", "zero"))
        assert "number" in json.dumps(wrong)
        wrong = await town.person().submit(view.id, typed("eve", "0"))
        assert "argument-1" in json.dumps(wrong)
        await town.person().submit(view.id, typed("eve", "3"))
        await town.answered(ts)
        assert sent == [{"to": "eve", "times": 3}]
        await town.until(lambda: "Approved with changes by" in text_of(town, ts, message.ts))


async def test_denying_with_a_reason_makes_the_agent_plan_again(
    tmp_path, workspace, monkeypatch, sent
):
    def script(body, _index):
        match purpose(body):
            case "plan":
                return plan(CALL)
            case "replan":
                assert "Bob has left" in prompt(body)
                return done()
            case _:
                return Says(text="I did not send it.")

    async with open_model_town(tmp_path, workspace, monkeypatch, script) as (town, _):
        ts = await town.mention("tell Bob")
        message = await asked(town, ts)
        await press(town, message, "Deny")
        view = await town.until(lambda: town.person().modal())
        await town.person().submit(view.id, filled(remark="Bob has left"))
        assert await town.answered(ts) == ["I did not send it."]
        assert sent == []
        await town.until(lambda: "Denied by" in text_of(town, ts, message.ts))
        assert "Bob has left" in text_of(town, ts, message.ts)


async def test_a_stranger_and_a_second_press_get_one_sentence_and_change_nothing(
    tmp_path, workspace, monkeypatch, sent
):
    async with open_model_town(tmp_path, workspace, monkeypatch, working(CALL)) as (town, _):
        ts = await town.mention("tell Bob")
        message = await asked(town, ts)
        await press(town, message, "Approve", person="linus")
        await town.until(lambda: told(town, "or an admin can decide this", "linus"))
        await press(town, message, "Deny", person="linus")
        await town.until(lambda: len(town.ephemerals("linus")) == 2)
        assert town.person("linus").modal() is None
        assert sent == []
        async with asyncio.TaskGroup() as both:
            both.create_task(press(town, message, "Approve"))
            both.create_task(press(town, message, "Approve"))
        await town.answered(ts)
        await town.until(lambda: told(town, "already"))
        assert len(sent) == 1


async def test_a_press_after_a_stop_changes_nothing_and_the_question_is_closed(
    tmp_path, workspace, monkeypatch, sent
):
    async with open_model_town(tmp_path, workspace, monkeypatch, working(CALL)) as (town, _):
        ts = await town.mention("tell Bob")
        message = await asked(town, ts)
        await town.mention("stop", thread_ts=ts)
        await town.until(lambda: '"actions"' not in text_of(town, ts, message.ts))
        await town.unhappy_end(ts)
        assert (await town.run(ts)).status is TaskStatus.CANCELLED
        assert "No longer needed" in text_of(town, ts, message.ts)
        assert sent == []


async def test_a_question_survives_a_restart(tmp_path, workspace, monkeypatch, sent):
    script = working(CALL)
    async with open_model_town(tmp_path, workspace, monkeypatch, script) as (town, _):
        ts = await town.mention("tell Bob")
        message = await asked(town, ts)
    async with open_model_town(tmp_path, workspace, monkeypatch, script) as (town, _):
        assert [m.ts for m in town.ours(ts) if town.button(m, "Approve")] == [message.ts]
        await press(town, message, "Approve")
        await town.answered(ts)
        assert sent == [MADE]


async def test_always_allowed_is_not_asked_again_until_it_is_revoked(
    tmp_path, workspace, monkeypatch, sent
):
    async with open_model_town(tmp_path, workspace, monkeypatch, working(CALL)) as (town, _):
        first = await town.mention("tell Bob")
        await press(town, await asked(town, first), "Always allow this here")
        await town.answered(first)
        second = await town.mention("tell Bob again")
        await town.answered(second)
        assert len(sent) == 2
        await town.mention("rules")
        shown = await town.until(
            lambda: next(
                (
                    m
                    for m in town.person().ephemerals("general")
                    if "standing rule" in (m.text or "")
                ),
                None,
            )
        )
        revoke = shown.blocks[1]["accessory"]["action_id"]
        await town.person("linus").slash("general", "/treadle", "rules")
        await town.person().click("general", shown.ts, revoke)
        await town.until(lambda: told(town, "Revoked: "))
        third = await town.mention("tell Bob once more")
        await asked(town, third)
        assert len(sent) == 2


@pytest.mark.parametrize(
    "late", [("Approve", "ada"), ("Always allow this here", "linus"), ("Deny", "ada")]
)
async def test_a_late_press_on_what_was_settled_does_nothing_but_say_so(
    tmp_path, workspace, monkeypatch, sent, late
):
    label, person = late
    async with open_model_town(tmp_path, workspace, monkeypatch, working(CALL)) as (town, _):
        ts = await town.mention("tell Bob")
        message = await asked(town, ts)
        open_blocks = deepcopy(message.blocks)
        await press(town, message, "Approve")
        await town.answered(ts)
        await town.until(lambda: "Approved by" in text_of(town, ts, message.ts))
        shown = text_of(town, ts, message.ts)
        await press_late(town, message, open_blocks, label, person)
        await town.until(lambda: told(town, "nothing to decide any more", person))
        assert town.person(person).modal() is None
        again = await town.mention("tell Bob again")
        await asked(town, again)
        assert sent == [MADE]
        assert text_of(town, ts, message.ts) == shown


async def test_a_form_that_was_open_while_others_decided_is_refused_in_its_place(
    tmp_path, workspace, monkeypatch, sent
):
    file = config(slack={"admins": [workspace.person("grace").id]})
    script = working(CALL, ("code_execution", {"language": "bash", "code": "sleep 20"}))
    async with open_model_town(tmp_path, workspace, monkeypatch, script, file=file) as (town, _):
        ts = await town.mention("tell Bob")
        message = await asked(town, ts)
        await press(town, message, "Deny", person="grace")
        view = await town.until(lambda: town.person("grace").modal())
        await press(town, message, "Approve")
        await town.until(lambda: sent)
        refused = await town.person("grace").submit(view.id, filled(remark="no"))
        assert "answered already" in json.dumps(refused)
        await town.until(lambda: "Approved by" in text_of(town, ts, message.ts))
        assert "Denied" not in text_of(town, ts, message.ts)


async def test_a_secret_that_an_approver_types_is_refused_in_its_place_and_kept_nowhere(
    tmp_path, workspace, monkeypatch, sent
):
    async with open_model_town(tmp_path, workspace, monkeypatch, working(CALL)) as (town, _):
        ts = await town.mention("tell Bob")
        message = await asked(town, ts)
        await press(town, message, "Approve with changes…")
        view = await town.until(lambda: town.person().modal())
        wrong = await town.person().submit(view.id, typed(PASTED, "3"))
        assert wrong["errors"] == {"argument-0": NOT_KEPT}
        await town.person().submit(view.id, typed("eve", "3"))
        await town.answered(ts)
        assert sent == [{"to": "eve", "times": 3}]
    assert PASTED.encode() not in stored(tmp_path)


async def test_a_secret_in_the_reason_of_a_denial_is_taken_out_before_it_is_kept(
    tmp_path, workspace, monkeypatch, sent
):
    script = working(CALL, text="Not sent.")
    async with open_model_town(tmp_path, workspace, monkeypatch, script) as (town, _):
        ts = await town.mention("tell Bob")
        await press(town, await asked(town, ts), "Deny")
        view = await town.until(lambda: town.person().modal())
        await town.person().submit(view.id, filled(remark=f"use {PASTED} instead"))
        await town.answered(ts)
        await town.until(lambda: "use [redacted: Slack token] instead" in town.said(ts))
        assert sent == []
    assert PASTED.encode() not in stored(tmp_path)


async def test_people_are_reminded_once(tmp_path, workspace, monkeypatch, sent):
    del sent
    monkeypatch.setattr("bot.outbound.reminders.LOOK_EVERY_S", 0.05)
    file = config(slack={"remind_after_hours": 0.0001})
    async with open_model_town(tmp_path, workspace, monkeypatch, working(CALL), file=file) as (
        town,
        _,
    ):
        ts = await town.mention("tell Bob")
        message = await asked(town, ts)
        await town.until(lambda: "still waiting for a decision" in town.said(ts))
        await press(town, message, "Approve")
        await town.answered(ts)
        await town.until(lambda: "still waiting" not in town.said(ts))
        assert len([m for m in town.ours(ts) if "it is settled" in m.text]) == 1
