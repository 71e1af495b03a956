"""Fifty mentions at once in one channel, where Slack's limits rule: who is left without a sign.

Slack takes one post a second there, so the answers take most of a minute. What counts is how late
the first signs are, and whether the answers keep the order of asking.
"""

from collections.abc import Sequence
from itertools import pairwise

from benchmarks.machine import percentile, table
from benchmarks.mentions import LATENCY_MS, MANY, Load, measured

LATE_MS = 3_000
ROUNDS = 3


def main() -> None:
    """Print how late signs and answers are, and in which order the answers come."""
    print(f"### {MANY} mentions in one channel (model latency {LATENCY_MS} ms)\n")
    rows = []
    for _ in range(ROUNDS):
        outcome = measured(Load(threads=MANY, channels=1))
        signs, answers = outcome.signs_ms, outcome.answers_ms
        rows.append(
            (
                percentile(signs, 0.5) / 1000,
                max(signs) / 1000,
                sum(sign > LATE_MS for sign in signs),
                percentile(answers, 0.5) / 1000,
                max(answers) / 1000,
                sum(later < earlier for earlier, later in pairwise(answers)),
                max(_places_late(answers)),
                str(outcome.refused or "none"),
            )
        )
    table(
        (
            "sign p50 s",
            "last sign s",
            f"signs later than {LATE_MS / 1000:g} s",
            "answer p50 s",
            "last answer s",
            "before the one asked before",
            "most places late",
            "refused by Slack",
        ),
        rows,
    )


def _places_late(answers: Sequence[float]) -> list[int]:
    """Return by how many places each answer came later than it was asked for."""
    in_order = sorted(range(len(answers)), key=lambda asked: answers[asked])
    return [place - asked for place, asked in enumerate(in_order)]


if __name__ == "__main__":
    main()
