"""`python -m bot.local_slack`: the local workspace as a process of its own.

Prints one JSON line with its address and tokens, then serves until it is told to stop.
"""

import argparse
import asyncio
import json
import signal
import sys
from dataclasses import replace
from pathlib import Path

from bot.local_slack.config import LocalWorkspaceConfig, read_manifest
from bot.local_slack.server import LocalWorkspace


def main(arguments: list[str] | None = None) -> None:
    """Read the arguments and serve."""
    parser = argparse.ArgumentParser(prog="python -m bot.local_slack", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes any free port")
    parser.add_argument("--http-delivery", metavar="URL", help="deliver here, not by Socket Mode")
    parser.add_argument("--manifest", type=Path, help="JSON or YAML app manifest to enforce")
    parser.add_argument("--config", type=Path, help="JSON file with LocalWorkspaceConfig fields")
    given = parser.parse_args(arguments)
    asyncio.run(_serve(_config(given)))


def _config(given: argparse.Namespace) -> LocalWorkspaceConfig:
    config = LocalWorkspaceConfig(
        host=given.host, port=given.port, http_delivery_url=given.http_delivery
    )
    if given.config is not None:
        config = replace(config, **_fields(given.config))
    if given.manifest is not None:
        config = replace(config, manifest=read_manifest(given.manifest))
    return config


def _fields(path: Path) -> dict[str, object]:
    """Read simple fields; lists become tuples or frozen sets as the config wants them."""
    fields = json.loads(path.read_text(encoding="utf-8"))
    for name in ("unsupported_methods", "refuse_block_types"):
        if name in fields:
            fields[name] = frozenset(fields[name])
    if "retry_delays_s" in fields:
        fields["retry_delays_s"] = tuple(fields["retry_delays_s"])
    return dict(fields)


async def _serve(config: LocalWorkspaceConfig) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stopped.set)
    async with LocalWorkspace(config) as workspace:
        sys.stdout.write(json.dumps(address(workspace)) + "\n")
        sys.stdout.flush()
        await stopped.wait()


def address(workspace: LocalWorkspace) -> dict[str, str]:
    """Give what a bot or a person needs to reach the workspace."""
    return {
        "url": workspace.url,
        "api_url": workspace.api_url,
        "bot_token": workspace.bot_token,
        "app_token": workspace.app_token,
        "signing_secret": workspace.signing_secret,
        "team_id": workspace.team_id,
        "bot_user_id": workspace.bot_user_id,
    }


if __name__ == "__main__":
    main()
