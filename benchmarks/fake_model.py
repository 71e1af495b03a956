"""The scripted OpenAI-compatible server of the tests, in a process of its own."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def fake_model(script: str, *, latency_ms: int) -> Iterator[str]:
    """Serve the script; give the base URL."""
    command = [
        sys.executable,
        "-m",
        "tests.fakes.openai_server",
        "--script",
        script,
        "--latency-ms",
        str(latency_ms),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own module
        try:
            line = process.stdout.readline() if process.stdout else ""
            yield line.strip()
        finally:
            process.terminate()
