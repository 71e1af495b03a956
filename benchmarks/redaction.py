"""How long taking secrets out of a text takes, which happens to all that is sent or logged."""

import asyncio
import time
from contextlib import suppress

from agent_engine.redaction import Redaction
from agent_engine.tools.shorten import plain_copy
from benchmarks.machine import median, table

ROUNDS = 9
TIMES = 200
RESULT_CHARS = 10 * 1024 * 1024
RESULT_ROUNDS = 5
TICK_S = 0.001
CONFIGURED = (
    *("xoxb-111-222-abcdefgh", "xapp-1-A-123-abcdef", "sk-proj-aaaabbbbcccc"),
    *("correct horse battery", "0123456789abcdef0123456789abcdef"),
)
TEXTS = {
    "prose": "The report says that revenue grew 12% & costs fell; see the table. " * 16,
    "code with addresses": 'x = {"url": "https://example.com/a?b=c%20d"}  # see sk-learn\n' * 17,
    "a token in prose": "The report says so. " * 50 + "xoxb-111-222-abcdefgh",
}


def main() -> None:
    """Print microseconds per KB of three kinds of text, and what a very long one does to others."""
    print("### Redaction, microseconds of CPU per KB\n")
    kinds = {"formats alone": Redaction(), "and 5 configured values": Redaction(CONFIGURED)}
    rows = [
        (name, *(_per_kb_us(redaction, text) for redaction in kinds.values()))
        for name, text in TEXTS.items()
    ]
    table(("text", *kinds), rows)
    print("\n### A tool's result of 10 MiB, and what else the event loop has to do\n")
    redaction = Redaction(CONFIGURED)
    results = [(name, *asyncio.run(_of_result(redaction, text))) for name, text in TEXTS.items()]
    table(("text", "on the loop, ms", "aside, ms", "the loop is held for, ms"), results)


def _per_kb_us(redaction: Redaction, text: str) -> float:
    rounds = []
    for _ in range(ROUNDS):
        started_s = time.process_time()
        for _ in range(TIMES):
            redaction.redact(text)
        rounds.append((time.process_time() - started_s) / TIMES / len(text) * 1024 * 1e6)
    return median(rounds)


async def _of_result(redaction: Redaction, text: str) -> tuple[float, float, float]:
    """Return how long a result takes on the loop and aside, and how long others wait at most."""
    result = {"content": (text * (RESULT_CHARS // len(text) + 1))[:RESULT_CHARS]}
    alone, aside, held = [], [], []
    for _ in range(RESULT_ROUNDS):
        began_s = time.perf_counter()
        redaction.redact_value(result)
        alone.append(time.perf_counter() - began_s)
        began_s = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            ticking = group.create_task(_longest_wait())
            await plain_copy(result, text=redaction.redact)
            aside.append(time.perf_counter() - began_s)
            ticking.cancel()
            held.append(await ticking)
    return median(alone) * 1000, median(aside) * 1000, median(held) * 1000


async def _longest_wait() -> float:
    """Return, once it is cancelled, how much later than asked for it was woken at most."""
    longest_s = 0.0
    with suppress(asyncio.CancelledError):
        while True:
            began_s = time.perf_counter()
            await asyncio.sleep(TICK_S)
            longest_s = max(longest_s, time.perf_counter() - began_s - TICK_S)
    return longest_s
