"""From a mention to the first sign and to the answer, with a model that takes 200 ms.

One to fifty threads in as many channels; fifty in one channel are ``one_channel``. The bot runs
alone in its process; both times are taken at the workspace.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.machine import median, percentile, table
from benchmarks.whole_bot import Bench, Bot, whole_bot

LATENCY_MS = 200
ROUNDS = 3
MANY = 50
SINGLE_MENTIONS = 5
"""Mentions one after the other, where there is only one thread at a time."""
REFILL_S = 4.0
"""After the mention that warms up: what it used of Slack's limits is there again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """How much at once, and where."""

    threads: int
    channels: int
    times: int = 1

    @property
    def label(self) -> str:
        """What the table calls it."""
        where = "one channel" if self.channels < self.threads else f"{self.channels} channel(s)"
        return f"{self.threads} thread(s), {where}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one load took."""

    signs_ms: Sequence[float]
    answers_ms: Sequence[float]
    """In the order of the mentions."""
    cpu_ms: float
    """Of the bot, per mention."""
    idle_mb: float
    peak_mb: float
    refused: dict[str, int]


def main() -> None:
    """Print times, memory and CPU."""
    print(f"### Mention to first sign and to answer (model latency {LATENCY_MS} ms)\n")
    loads = (
        Load(threads=1, channels=1, times=SINGLE_MENTIONS),
        Load(threads=10, channels=10),
        Load(threads=MANY, channels=MANY),
    )
    rounds = {load.label: [measured(load) for _ in range(ROUNDS)] for load in loads}
    table(
        ("load", "sign p50 ms", "sign max", "answer p50 ms", "answer max", "CPU ms/mention"),
        ((label, *_times(outcomes)) for label, outcomes in rounds.items()),
    )
    print(f"\nMedians of {ROUNDS} rounds, each with a fresh bot after one mention to warm up.\n")
    _print_memory(rounds)


def measured(load: Load) -> Outcome:
    """Put the load on a fresh bot."""
    with whole_bot(Bench(latency_ms=LATENCY_MS)) as bot:
        idle_mb = _idle_mb(bot)
        bot.workspace.mention(threads=1, channels=1)
        time.sleep(REFILL_S)
        bot.forget_peak()
        cpu_s = bot.cpu_s
        results = [
            bot.workspace.mention(threads=load.threads, channels=load.channels)
            for _ in range(load.times)
        ]
        return Outcome(
            signs_ms=_waits(results, "sign_ms"),
            answers_ms=_waits(results, "answer_ms"),
            cpu_ms=(bot.cpu_s - cpu_s) * 1000 / (load.threads * load.times),
            idle_mb=idle_mb,
            peak_mb=bot.peak_mb,
            refused=results[-1]["calls"]["refused"],
        )


def _idle_mb(bot: Bot) -> float:
    """Memory once the start is over: what it loads in the background has come."""
    time.sleep(REFILL_S)
    return bot.rss_mb


def _waits(results: Sequence[dict[str, Any]], what: str) -> list[float]:
    waits = [thread[what] for result in results for thread in result["threads"]]
    if missing := waits.count(None):
        raise RuntimeError(f"{missing} threads have no {what}")
    return waits


def _times(outcomes: Sequence[Outcome]) -> tuple[float, ...]:
    return (
        median([percentile(each.signs_ms, 0.5) for each in outcomes]),
        median([max(each.signs_ms) for each in outcomes]),
        median([percentile(each.answers_ms, 0.5) for each in outcomes]),
        median([max(each.answers_ms) for each in outcomes]),
        median([each.cpu_ms for each in outcomes]),
    )


def _print_memory(rounds: dict[str, list[Outcome]]) -> None:
    rows = []
    for label, outcomes in rounds.items():
        idle, peak = (
            median([each.idle_mb for each in outcomes]),
            median([each.peak_mb for each in outcomes]),
        )
        rows.append((label, idle, peak, peak - idle))
    table(("load", "just started MB", "peak MB", "more MB"), rows)


if __name__ == "__main__":
    main()
