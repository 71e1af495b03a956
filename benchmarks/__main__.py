"""``python -m benchmarks [NAME …]``: measure and print tables; without names, all of them."""

import importlib
import sys

from benchmarks.machine import machine_line

ALL = (
    "engine_cost",
    "cold_start",
    "slack_calls",
    "mentions",
    "one_channel",
    "call_path",
    "sandbox_start",
    "audit",
    "api_calls",
    "redaction",
    "memory_search",
    "memory_quality",
)


def main() -> None:
    """Run the named benchmarks, in order."""
    names = sys.argv[1:] or ALL
    print(f"Machine: {machine_line()}\n")
    for name in names:
        importlib.import_module(f"benchmarks.{name}").main()
        print()


if __name__ == "__main__":
    main()
