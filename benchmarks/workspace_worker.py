"""The local workspace in a process of its own, told by its standard input what people do.

``python -m benchmarks.workspace_worker CHANNELS PEOPLE``: prints its address as one JSON line, then
answers each JSON line on standard input with one on standard output. Times are those at which the
workspace had carried a call out, on the machine's monotonic clock.
"""

import asyncio
import json
import sys
import time
from collections import Counter
from typing import Any

from benchmarks.machine import percentile
from bot.local_slack.__main__ import address
from bot.local_slack.config import ChannelSeed, LocalWorkspaceConfig, PersonSeed
from bot.local_slack.server import LocalWorkspace
from bot.local_slack.traffic import Exchange
from bot.manifest import load_manifest

SIGNS = frozenset({"agents.sessions.setStatus", "assistant.threads.setStatus", "chat.postMessage"})
CONNECT_S = 60.0


def main() -> None:
    """Serve until standard input ends."""
    channels, people = int(sys.argv[1]), int(sys.argv[2])
    config = LocalWorkspaceConfig(
        manifest=load_manifest(),
        people=tuple(PersonSeed(name=f"p{n}") for n in range(people)),
        channels=tuple(ChannelSeed(name=f"c{n}") for n in range(channels)),
    )
    asyncio.run(_serve(config, people))


async def _serve(config: LocalWorkspaceConfig, people: int) -> None:
    async with LocalWorkspace(config) as workspace:
        _tell(address(workspace))
        while line := await asyncio.to_thread(sys.stdin.readline):
            wish = json.loads(line)
            if wish["do"] == "connect":
                await workspace.until_connected(CONNECT_S)
                _tell({"at_s": time.monotonic()})
            else:
                _tell(await _mention(workspace, wish, people))


def _tell(answer: object) -> None:
    print(json.dumps(answer), flush=True)


async def _mention(workspace: LocalWorkspace, wish: dict[str, Any], people: int) -> dict[str, Any]:
    """Mention the bot in so many threads at once; return when all are answered, or at rest."""
    before = len(workspace.traffic.calls())
    threads: dict[tuple[str, str], float] = {}
    for number in range(wish["threads"]):
        channel = workspace.channel(f"c{number % wish['channels']}").id
        at_s = time.monotonic()
        person = workspace.person(f"p{number % people}")
        ts = await person.post(channel, f"<@{workspace.bot_user_id}> {wish['problem']}")
        threads[channel, ts] = at_s
    is_over = _all_rest if wish["until_rest"] else _all_answered
    await workspace.until(lambda: is_over(workspace, threads), wish["patience_s"])
    calls = workspace.traffic.calls()[before:]
    return {"threads": _times(threads, calls), "calls": _counts(calls)}


def _all_answered(workspace: LocalWorkspace, threads: dict[tuple[str, str], float]) -> bool:
    """Whether every thread has an answer; posts of the same thread are few."""
    return all(
        any(_is_answer(message.metadata) for message in workspace.thread(*place)[1:])
        for place in threads
    )


def _is_answer(metadata: object) -> bool:
    return ":answer:" in json.dumps(metadata)


def _all_rest(workspace: LocalWorkspace, threads: dict[tuple[str, str], float]) -> bool:
    """Whether every thread's session is at rest, which the bot shows after the answer."""
    return all(workspace.session_status(*place) == "active" for place in threads)


def _times(
    threads: dict[tuple[str, str], float], calls: list[Exchange]
) -> list[dict[str, float | None]]:
    """Return per thread, in the order of the mentions, the wait for the sign and the answer."""
    signs: dict[tuple[str, str], float] = {}
    answers: dict[tuple[str, str], float] = {}
    for call in calls:
        channel = call.args.get("channel") or call.args.get("channel_id")
        place = (str(channel), str(call.args.get("thread_ts")))
        began_s = threads.get(place)
        if call.status != "ok" or began_s is None or call.method not in SIGNS:
            continue
        wait_ms = (call.at_s - began_s) * 1000
        signs.setdefault(place, wait_ms)
        if _is_answer(call.args.get("metadata")):
            answers.setdefault(place, wait_ms)
    return [{"sign_ms": signs.get(p), "answer_ms": answers.get(p)} for p in threads]


def _counts(calls: list[Exchange]) -> dict[str, Any]:
    durations = [call.duration_ms for call in calls]
    return {
        "by_method": dict(Counter(call.method for call in calls if call.status == "ok")),
        "refused": dict(Counter(f"{c.method} {c.status}" for c in calls if c.status != "ok")),
        "p50_ms": percentile(durations, 0.5),
    }


if __name__ == "__main__":
    main()
