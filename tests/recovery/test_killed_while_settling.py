"""Killed while people settle what a run left: a fact kept or not, its lesson put right, gone."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from sqlalchemy import select

from bot.local_slack.errors import RefusedError
from storage.tables import audit_entries, posts
from tests.fakes.openai_server import OpenAIServer, Says, as_json
from tests.recovery.house import CHANNEL, PERSON, Builder, House
from tests.recovery.processes import BotProcess, DeathWish
from tests.recovery.sweep import Outcome, both_sides, differences, each
from tests.scenario.whole.test_proposed_memory import script as proposing

LESSON, CORRECTED = "Subtract refunds.", "Subtract refunds of this year."
PROPOSED = "Shall I remember this?"
GESTURES = (
    {"keep": PROPOSED, "correct": LESSON, "forget": "Lesson for next time"},
    {"forget": PROPOSED},
)
"""Buttons, and what the thread says until each of them has done its work."""
Gestures = Mapping[str, str]
UNANSWERED = ("operation_timeout", "not_connected", "dispatch_failed")
POINTS = ("SqlCommandStore.carry_out", "views.open", "chat.update")
ANSWER = select(posts.c.ts).where(posts.c.kind == "answer")
ON_RECORD = (
    select(audit_entries.c.action, audit_entries.c.decision)
    .where(audit_entries.c.action.in_(("memory", "lesson")))
    .order_by(audit_entries.c.action, audit_entries.c.decision)
)


def script(body: dict[str, Any], index: int) -> Says:
    """Propose a fact, and learn always the same."""
    if "rated the work" in body["messages"][0]["content"]:
        return as_json({"wrong": "", "next_time": LESSON, "applies_when": ""})
    return proposing(body, index)


@pytest.fixture
async def model_url() -> AsyncIterator[str]:
    async with OpenAIServer(script).running() as url:
        yield url


@pytest.mark.parametrize("gestures", GESTURES, ids=["kept", "forgotten"])
async def test_what_people_settle_is_settled_once_wherever_the_bot_dies(
    sqlite_builder: Builder, model_url: str, gestures: Gestures
):
    async with sqlite_builder.house("undisturbed", model_url=model_url) as house:
        ts = await _begin(house)
        async with house.bot() as bot:
            assert await _go_on(house, bot, ts, gestures) == {}
            points = [*bot.writes, *house.doorman.calls]
            points = [point for point in points if point.startswith(POINTS)]
        expected, recorded = await house.remains(ts), await house.read(ON_RECORD)
    assert len(recorded) == len(gestures)
    assert len(points) > len(gestures), points

    async def live(wish: DeathWish) -> Outcome:
        name = f"{wish.side}-{wish.at}"
        async with sqlite_builder.house(name, model_url=model_url) as house:
            ts = await _begin(house)
            died = await _die_and_go_on(house, wish, ts, gestures)
            wrong = list(await differences(house, ts, expected))
            if (found := await house.read(ON_RECORD)) != recorded:
                wrong.append(f"on record is {found}")
        return Outcome(died=died, wrong=wrong)

    await each(both_sides(points), live)


# ------------------------------------------------------------------------------------------------


async def _begin(house: House) -> str:
    """Have a fact proposed and a lesson learned by a bot that lives; return the thread."""
    async with house.bot() as bot:
        await house.until_connected(bot)
        ts = await house.ask("What does the page say?")
        await house.until_settled(bot)
        [(answer,)] = await house.read(ANSWER)
        await house.workspace.person(PERSON).react(CHANNEL, answer, "-1")
        await house.until_settled(bot)
    return ts


async def _die_and_go_on(house: House, wish: DeathWish, ts: str, gestures: Gestures) -> bool:
    is_write = wish.at.startswith("Sql")
    at_write, at_call = (wish, None) if is_write else (None, wish)
    async with house.bot(at_write=at_write, at_call=at_call) as bot:
        left = await _go_on(house, bot, ts, gestures)
        died = bot.exit_code is not None
    async with house.bot() as bot:
        assert await _go_on(house, bot, ts, left) == {}
    return died


async def _go_on(house: House, bot: BotProcess, ts: str, gestures: Gestures) -> Gestures:
    """Do what the thread does not show as done; return what is left when the bot dies."""
    await house.until_connected(bot)
    await house.until_over(bot)
    todo = dict(gestures)
    for gesture, asked in gestures.items():
        if bot.exit_code is not None:
            break
        try:
            # Who sees that it was done would not do it again.
            if asked in str(house.workspace.snapshot_thread(CHANNEL, ts)):
                await _do(house, ts, gesture)
        except RefusedError as error:
            if error.code not in UNANSWERED:
                raise
            await bot.until_ended()
        else:
            del todo[gesture]
        await house.until_over(bot)
    return todo


async def _do(house: House, ts: str, gesture: str) -> None:
    person = house.workspace.person(PERSON)
    await house.press(ts, gesture)
    if gesture == "correct":
        form = person.modal()
        assert form is not None
        [block] = [block for block in form.payload["blocks"] if block["type"] == "input"]
        value = {"type": "plain_text_input", "value": CORRECTED}
        await person.submit(form.id, {block["block_id"]: {block["element"]["action_id"]: value}})
