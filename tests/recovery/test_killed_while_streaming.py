"""Killed while an answer is being written in a direct message: it is there once, and whole."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from sqlalchemy import select

from storage.tables import posts
from tests.fakes.openai_server import Hold, OpenAIServer, Says, as_json
from tests.recovery.house import Builder
from tests.recovery.processes import DeathWish
from tests.recovery.sweep import (
    Outcome,
    Undisturbed,
    both_sides,
    die_and_go_on,
    each,
    undisturbed,
)
from tests.recovery.workspace import AFTER

ANSWER = "Mars has two moons. The larger one is Phobos and the smaller one is Deimos. " * 2
PIECE_S = 0.02
FEWEST_APPENDS = 3
STREAMED = select(posts.c.ts).where(posts.c.body_hash == "streaming")
_OURS = ("SqlPostStore.", "SqlRunStore.")


def script(_body: Mapping[str, Any], _index: int) -> Says:
    """Answer directly, whatever is asked."""
    empty = {"question": "", "choices": [], "steps": []}
    return as_json({"mode": "answer", "answer": ANSWER.strip(), **empty})


@pytest.fixture
async def where() -> AsyncIterator[dict[str, Any]]:
    """A conversation with a bot whose model takes its time."""
    async with OpenAIServer(script, piece_s=PIECE_S).running() as url:
        yield {"model_url": url, "is_direct": True}


@pytest.fixture
async def plain(sqlite_builder: Builder, where: dict[str, Any]) -> Undisturbed:
    done = await undisturbed(sqlite_builder, **where)
    appended = [call for call in done.calls if call.startswith("chat.appendStream")]
    assert len(appended) >= FEWEST_APPENDS, done.calls
    assert {"chat.startStream#1", "chat.stopStream#1"} <= set(done.calls)
    [message] = done.remains.thread[1:]
    assert message["blocks"][0]["text"] == ANSWER.strip()
    return done


async def test_killed_at_any_call_to_slack_it_ends_as_if_nothing_had_happened(
    sqlite_builder: Builder, where: dict[str, Any], plain: Undisturbed
):
    late = {f"chat.appendStream#{n}" for n in range(FEWEST_APPENDS, 99)}

    async def live(wish: DeathWish) -> Outcome:
        async with sqlite_builder.house(f"{wish.side}-{wish.at}", **where) as house:
            return await die_and_go_on(house, plain.remains, at_call=wish)

    await each(both_sides([call for call in plain.calls if call not in late]), live)


async def test_killed_at_any_commit_of_run_or_post_it_ends_as_if_nothing_had_happened(
    sqlite_builder: Builder, where: dict[str, Any], plain: Undisturbed
):
    async def live(wish: DeathWish) -> Outcome:
        async with sqlite_builder.house(f"{wish.side}-{wish.at}", **where) as house:
            return await die_and_go_on(house, plain.remains, at_write=wish)

    await each(both_sides([w for w in plain.writes if w.startswith(_OURS)]), live)


async def test_what_nobody_goes_on_with_is_taken_away_by_the_next_process(
    sqlite_builder: Builder,
):
    """The model, asked again, has a question instead of an answer."""
    hold = Hold(after=60, go_on=asyncio.Event())
    first = Says(text=script({}, 0).text, holds=[hold])
    later = as_json({"mode": "ask", "answer": "", "question": "Which?", "choices": [], "steps": []})
    replies = iter([first, later])
    server = OpenAIServer(lambda _body, _index: next(replies))
    async with (
        server.running() as url,
        sqlite_builder.house("taken-away", model_url=url, is_direct=True) as house,
    ):
        async with house.bot() as bot:
            await house.until_connected(bot)
            await house.ask("How many moons has Mars?")
            await house.until_any(STREAMED)
            bot.kill()
            await bot.until_ended()
        hold.go_on.set()
        async with house.bot() as bot:
            question = select(posts.c.ts).where(posts.c.kind == "question")
            await house.until_any(question.where(posts.c.state == "posted"))

        assert await house.read(STREAMED) == []
        assert [m for m in house.said() if "Phobos" in m.text or m.is_streaming] == []


async def test_a_half_answer_of_which_no_trace_was_stored_is_found_and_finished(
    sqlite_builder: Builder, where: dict[str, Any], plain: Undisturbed
):
    async with sqlite_builder.house("found", **where) as house:
        wish = DeathWish(at="chat.startStream#1", side=AFTER)
        outcome = await die_and_go_on(house, plain.remains, at_call=wish)
        assert (outcome.died, outcome.wrong) == (True, [])
        assert "conversations.replies#1" in house.doorman.calls
        assert len(house.said()) == 1
