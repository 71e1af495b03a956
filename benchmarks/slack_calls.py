"""How often a task calls Slack: a direct answer, and five steps at two speeds.

Counted at the workspace, from the mention until the session is at rest.
"""

from dataclasses import dataclass

from benchmarks.machine import table
from benchmarks.whole_bot import Bench, whole_bot

STEPS = 5
STEPWISE = '[agent]\nplanner = "stepwise"\n'
SLOW_MS = 2_000
"""Longer than edits of one message keep distance, so that every step could be an edit."""
SESSION_CALLS = frozenset({"agents.sessions.setStatus"})
AT_START = frozenset({"users.conversations", "users.info", "auth.test"})
"""Calls that are not made for the task: once per start, or once a day per person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One kind of task."""

    label: str
    bench: Bench
    aim: str


CASES = (
    Case(label="direct answer", bench=Bench(script="direct"), aim="1 post, 0 edits"),
    Case(
        label="5 steps, planned at once, quick",
        bench=Bench(script="five_steps", latency_ms=200),
        aim=f"2 posts, at most {STEPS + 2} edits",
    ),
    Case(
        label="5 steps, planned at once, 2 s each",
        bench=Bench(script="five_steps", latency_ms=SLOW_MS),
        aim=f"2 posts, at most {STEPS + 2} edits",
    ),
    Case(
        label="5 steps, one by one, 2 s each",
        bench=Bench(script="five_steps", latency_ms=SLOW_MS, agents_file=STEPWISE),
        aim=f"2 posts, at most {STEPS + 2} edits",
    ),
)


def main() -> None:
    """Print the calls per task."""
    print("### Calls to Slack per task\n")
    head = ("task", "posts", "edits", "session status", "others", "all", "refused", "aim")
    table(head, [(case.label, *_counted(case), case.aim) for case in CASES])
    print(f"\nNot counted, for they are made once: {', '.join(sorted(AT_START))}.")


def _counted(case: Case) -> tuple[object, ...]:
    with whole_bot(case.bench) as bot:
        result = bot.workspace.mention(threads=1, channels=1, until_rest=True)
    calls = {
        method: count
        for method, count in result["calls"]["by_method"].items()
        if method not in AT_START
    }
    posts, edits = calls.pop("chat.postMessage", 0), calls.pop("chat.update", 0)
    sessions = sum(calls.pop(method, 0) for method in SESSION_CALLS)
    others = ", ".join(f"{count} {method}" for method, count in calls.items()) or "none"
    everything = posts + edits + sessions + sum(calls.values())
    refused = sum(result["calls"]["refused"].values())
    return posts, edits, sessions, others, everything, refused


if __name__ == "__main__":
    main()
