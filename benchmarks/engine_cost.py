"""What a task of five tool steps costs: the engine against a bare ``openai`` client loop.

Six model calls per task, five of them tool calls, 50 tasks at a time, against a scripted server in
a process of its own. Each variant runs in a fresh process; CPU counts all its threads. The variants
take turns, and each is compared with the bare loop of its own round, for machines vary in speed.
"""

from benchmarks.fake_model import fake_model
from benchmarks.machine import measured, median, table

VARIANTS = {
    "bare": "`chat.completions.create` loop (bare)",
    "post": "`client.post` loop",
    "library": "engine, in memory (library)",
    "stored": "engine, everything stored (SQLite)",
    "durable": "engine, stored, with dbos around it",
}
TASKS = 200
ROUNDS = 5
MANY_TASKS = 1_000


def main() -> None:
    """Print CPU and memory per variant, and memory over many tasks."""
    print("### Engine cost per task (5 tool steps, 6 model calls)\n")
    with fake_model("echo5", latency_ms=0) as url:
        rounds = [{name: _measured(name, url, TASKS) for name in VARIANTS} for _ in range(ROUNDS)]
        growth = _measured("stored", url, MANY_TASKS)
    rows = [
        (
            label,
            median([each[name]["cpu_ms"] for each in rounds]),
            median([each[name]["cpu_ms"] / each["bare"]["cpu_ms"] for each in rounds]),
            median([each[name]["tasks_per_s"] for each in rounds]),
            median([each[name]["rss_mb"] for each in rounds]),
            median([each[name]["rss_mb"] - each["bare"]["rss_mb"] for each in rounds]),
        )
        for name, label in VARIANTS.items()
    ]
    table(("variant", "CPU ms/task", "x bare", "tasks/s", "peak RSS MB", "MB over bare"), rows)
    print(
        f"\nGrowth from task 200 to task {MANY_TASKS}, everything stored: "
        f"{growth['growth_mb']:.1f} MB."
    )
    print(f"Medians of {ROUNDS} rounds of {TASKS} tasks, 50 at a time, model latency 0 ms.")


def _measured(name: str, url: str, tasks: int) -> dict[str, float]:
    return measured("benchmarks.engine_cost_worker", name, url, str(tasks))


if __name__ == "__main__":
    main()
