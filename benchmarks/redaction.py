"""How long taking secrets out of a text takes, which happens to all that is sent or logged."""

import time

from agent_engine.redaction import Redaction
from benchmarks.machine import median, table

ROUNDS = 9
TIMES = 200
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
    """Print microseconds per KB of three kinds of text."""
    print("### Redaction, microseconds of CPU per KB\n")
    kinds = {"formats alone": Redaction(), "and 5 configured values": Redaction(CONFIGURED)}
    rows = [
        (name, *(_per_kb_us(redaction, text) for redaction in kinds.values()))
        for name, text in TEXTS.items()
    ]
    table(("text", *kinds), rows)


def _per_kb_us(redaction: Redaction, text: str) -> float:
    rounds = []
    for _ in range(ROUNDS):
        started_s = time.process_time()
        for _ in range(TIMES):
            redaction.redact(text)
        rounds.append((time.process_time() - started_s) / TIMES / len(text) * 1024 * 1e6)
    return median(rounds)
