"""The whole bot as people run it, alone in a process, between a workspace and a model in others."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.fake_model import fake_model

PEOPLE = 10
"""Enough that no person's cap of ten runs at once is met."""
STOP_S = 20.0
PATIENCE_S = 150.0
"""Fifty answers in one channel take Slack a minute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What is to be measured: how the bot is set up and what is around it."""

    script: str = "direct"
    latency_ms: int = 200
    channels: int = 50
    agents_file: str = ""
    """The text of ``treadle.toml``."""
    command: tuple[str, ...] = (sys.executable, "-m", "bot", "run")


class Workspace:
    """Talks to ``workspace_worker``."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self.address: dict[str, str] = self._heard()

    def connected(self) -> float:
        """Wait until a bot is connected; return when, on the machine's monotonic clock."""
        return float(self._asked({"do": "connect"})["at_s"])

    def mention(
        self, *, threads: int, channels: int, problem: str = "say hello", until_rest: bool = False
    ) -> dict[str, Any]:
        """Have the bot mentioned so often at once; wait for the answers, or for sessions at rest.

        Slack takes fifty changes of a session a minute, so rest may come much later.
        """
        wish = {"do": "mention", "threads": threads, "channels": channels, "problem": problem}
        return self._asked({**wish, "until_rest": until_rest, "patience_s": PATIENCE_S})

    def _asked(self, wish: Mapping[str, Any]) -> dict[str, Any]:
        if self._process.stdin is None:
            raise RuntimeError("the workspace cannot be told anything")
        print(json.dumps(wish), file=self._process.stdin, flush=True)
        return self._heard()

    def _heard(self) -> dict[str, Any]:
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line:
            raise RuntimeError("the workspace has ended")
        heard: dict[str, Any] = json.loads(line)
        return heard


@dataclass(frozen=True, slots=True, kw_only=True)
class Bot:
    """The measured process."""

    pid: int
    started_s: float
    """On the machine's monotonic clock."""
    connected_s: float
    workspace: Workspace
    log: Path

    @property
    def rss_mb(self) -> float:
        """Resident memory now."""
        return self._status_kib("VmRSS") * 1024 / 1e6

    @property
    def peak_mb(self) -> float:
        """The most resident memory there has been since ``forget_peak``."""
        return self._status_kib("VmHWM") * 1024 / 1e6

    def forget_peak(self) -> None:
        """Have the kernel measure the peak from here on."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    @property
    def cpu_s(self) -> float:
        """CPU seconds of all its threads so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _status_kib(self, name: str) -> int:
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith(name)).split()[1])


@contextmanager
def whole_bot(bench: Bench) -> Iterator[Bot]:
    """Run the model, the workspace and the bot; all end with the block."""
    with ExitStack() as stack:
        home = Path(stack.enter_context(TemporaryDirectory(prefix="treadle-bench-")))
        model_url = stack.enter_context(fake_model(bench.script, latency_ms=bench.latency_ms))
        workspace = stack.enter_context(_workspace(bench.channels))
        log = home / "bot.log"
        environment = _environment(workspace.address, model_url, home)
        (home / "treadle.toml").write_text(bench.agents_file)
        started_s = time.monotonic()
        process = stack.enter_context(_running(bench.command, environment, log))
        try:
            connected_s = workspace.connected()
        except RuntimeError as error:
            raise RuntimeError(log.read_text()[-3000:]) from error
        yield Bot(
            pid=process.pid,
            started_s=started_s,
            connected_s=connected_s,
            workspace=workspace,
            log=log,
        )


def _environment(address: Mapping[str, str], model_url: str, home: Path) -> dict[str, str]:
    """Return all that the bot is told, so that this machine's own settings change nothing."""
    return {
        "SLACK_BOT_TOKEN": address["bot_token"],
        "SLACK_APP_TOKEN": address["app_token"],
        "SLACK_API_URL": address["api_url"],
        "OPENAI_BASE_URL": model_url,
        "TREADLE_MODEL": "fake-model",
        "TREADLE_HOME": str(home),
        "TREADLE_EMBEDDING_MODEL": "none",
        "TREADLE_CONFIG": str(home / "treadle.toml"),
    }


@contextmanager
def _workspace(channels: int) -> Iterator[Workspace]:
    command = [sys.executable, "-m", "benchmarks.workspace_worker", str(channels), str(PEOPLE)]
    with subprocess.Popen(  # noqa: S603 - our own module
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield Workspace(process)
        finally:
            process.terminate()


@contextmanager
def _running(
    command: tuple[str, ...], environment: Mapping[str, str], log: Path
) -> Iterator["subprocess.Popen[bytes]"]:
    with (
        log.open("wb") as written,
        subprocess.Popen(  # noqa: S603 - our own module
            command, env=environment, stdout=written, stderr=written
        ) as process,
    ):
        try:
            yield process
        finally:
            _stop(process)


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
