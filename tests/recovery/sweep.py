"""Kills a bot at one point of a task, starts another one, and compares what is left."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tests.recovery import rows
from tests.recovery.house import Builder, House, Remains
from tests.recovery.processes import DeathWish
from tests.recovery.workspace import AFTER, BEFORE

PROBLEM = "calculate 17*23 then save the result to answer.txt"
MOST_ALIVE = 5
"""At most one in so many wishes may come to nothing."""
AT_ONCE = 4
"""Lives that go on side by side; much of each is waiting."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Undisturbed:
    """The same task with nobody dying."""

    remains: Remains
    writes: Sequence[str]
    calls: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one life."""

    died: bool
    wrong: Sequence[str]


Live = Callable[[DeathWish], Awaitable[Outcome]]


async def undisturbed(builder: Builder, *, approves: bool = False) -> Undisturbed:
    """Do the task once with a bot that lives."""
    async with builder.house("undisturbed", approves=approves) as house, house.bot() as bot:
        await house.until_connected(bot)
        ts = await house.ask(PROBLEM)
        await house.until_settled(bot)
        remains = await house.remains(ts)
        writes, calls = tuple(bot.writes), tuple(house.doorman.calls)
    return Undisturbed(remains=remains, writes=writes, calls=calls)


def both_sides(points: Sequence[str]) -> Sequence[DeathWish]:
    """Return the wish to die before, and the wish to die after, each of the points."""
    return [DeathWish(at=point, side=side) for point in points for side in (BEFORE, AFTER)]


async def each(wishes: Sequence[DeathWish], live: Live) -> None:
    """Live once per wish, a few side by side; fail with all that went wrong in any of them."""
    slots = asyncio.Semaphore(AT_ONCE)
    wrong: list[str] = []
    alive: list[str] = []

    async def one(wish: DeathWish) -> None:
        async with slots:
            try:
                outcome = await live(wish)
            except Exception as error:  # noqa: BLE001 - the other lives are to be seen too
                outcome = Outcome(died=True, wrong=[repr(_first(error))])
        wrong.extend(f"killed {wish.side} {wish.at}: {what}" for what in outcome.wrong)
        if not outcome.died:
            alive.append(f"{wish.side} {wish.at}")

    async with asyncio.TaskGroup() as group:
        for wish in wishes:
            group.create_task(one(wish))
    assert not wrong, "\n".join(wrong)
    # What is done side by side may be done in fewer transactions; a renamed point is a mistake.
    assert len(alive) <= len(wishes) / MOST_ALIVE, f"nobody died {alive}"


async def die_and_go_on(
    house: House,
    expected: Remains,
    *,
    at_write: DeathWish | None = None,
    at_call: DeathWish | None = None,
    between: Callable[[], None] = lambda: None,
) -> Outcome:
    """Do the task with a bot that dies on the way and one that goes on; compare what is left."""
    ts = ""
    async with house.bot(at_write=at_write, at_call=at_call) as bot:
        await house.until_connected(bot)
        if bot.exit_code is None:
            ts = await house.ask(PROBLEM)
            await house.until_over(bot)
        died = bot.exit_code is not None
    between()
    async with house.bot() as bot:
        if not ts:
            await house.until_connected(bot)
            ts = await house.ask(PROBLEM)
        await house.until_settled(bot)
    return Outcome(died=died, wrong=await differences(house, ts, expected))


async def differences(house: House, ts: str, expected: Remains) -> Sequence[str]:
    """Say how what is left differs from what an undisturbed task leaves."""
    remains = await house.remains(ts)
    started = await rows.starts(house.database)
    most = house.lives
    return [
        *await rows.repeated_steps(house.database),
        *(f"{step} was started {times} times" for step, times in started.items() if times > most),
        *_differences(remains.thread, expected.thread, "the thread"),
        *_differences(remains.rows, expected.rows, "the rows"),
    ]


def _first(error: BaseException) -> BaseException:
    return _first(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error


def _differences(found: Any, expected: Any, where: str) -> Iterator[str]:
    """Name the places at which plain data differ."""
    match found, expected:
        case dict(), dict() if found.keys() == expected.keys():
            for key in found:
                yield from _differences(found[key], expected[key], f"{where}, {key}")
        case list(), list() if len(found) == len(expected):
            for number, pair in enumerate(zip(found, expected, strict=True), start=1):
                yield from _differences(*pair, f"{where} {number}")
        case _ if found != expected:
            yield f"{where}: {rows.json_of(found)} instead of {rows.json_of(expected)}"
        case _:
            pass
