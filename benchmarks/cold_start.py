"""How long the bot takes from its command to an open connection, over what imports cost alone.

Then the first mention in a process that has answered nothing yet: what is imported at first use
must not be paid for by the first person who asks.
"""

import subprocess
import sys
import time

from benchmarks.machine import median, table
from benchmarks.whole_bot import Bench, whole_bot

ROUNDS = 5
LATENCY_MS = 200
IMPORTS = "import bot.cli, bot.app"
LATE = ("alembic", "httpx", "numpy", "openai", "sandlock", "tkinter")
"""Heavy, and not always needed; named when they come with the imports."""


def main() -> None:
    """Print start times, and what is imported although it need not be."""
    print("### Cold start\n")
    interpreter_s = [_ran("pass") for _ in range(ROUNDS)]
    imports_s = [_ran(IMPORTS) for _ in range(ROUNDS)]
    starts = [_started() for _ in range(ROUNDS)]
    rows = (
        ("interpreter alone", median(interpreter_s) * 1000),
        ("imports alone, interpreter included", median(imports_s) * 1000),
        ("command to connected", median([s["connected_s"] for s in starts]) * 1000),
        (
            "… over the imports",
            (median([s["connected_s"] for s in starts]) - median(imports_s)) * 1e3,
        ),
        ("CPU until connected", median([s["cpu_s"] for s in starts]) * 1000),
        ("first mention at once: first sign", median([s["sign_ms"] for s in starts])),
        (
            f"first mention at once: answer (model {LATENCY_MS} ms)",
            median([s["answer_ms"] for s in starts]),
        ),
    )
    table(("", "ms"), rows)
    memory = median([s["rss_mb"] for s in starts])
    print(f"\nMemory when connected: {memory:.0f} MB. Medians of {ROUNDS} rounds.")
    print(f"Imported with the command although not always needed: {_early() or 'nothing'}.")


def _ran(code: str) -> float:
    began_s = time.monotonic()
    subprocess.run([sys.executable, "-c", code], check=True)  # noqa: S603 - our own code
    return time.monotonic() - began_s


def _early() -> str:
    code = f"{IMPORTS}; import sys; print(*(m for m in {LATE!r} if m in sys.modules))"
    done = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def _started() -> dict[str, float]:
    with whole_bot(Bench(latency_ms=LATENCY_MS)) as bot:
        facts = {
            "connected_s": bot.connected_s - bot.started_s,
            "cpu_s": bot.cpu_s,
            "rss_mb": bot.rss_mb,
        }
        [thread] = bot.workspace.mention(threads=1, channels=1)["threads"]
        return {**facts, **thread}


if __name__ == "__main__":
    main()
