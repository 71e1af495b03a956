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

from bot.local_slack.config import LocalWorkspaceConfig, read_config, read_manifest
from bot.local_slack.server import LocalWorkspace


def main(arguments: list[str] | None = None) -> None:
    """Read the arguments and serve."""
    parser = argparse.ArgumentParser(prog="python -m bot.local_slack", description=__doc__)
    parser.add_argument("--host", help="127.0.0.1 unless given")
    parser.add_argument("--port", type=int, help="0, the default, takes any free port")
    parser.add_argument("--http-delivery", metavar="URL", help="deliver here, not by Socket Mode")
    parser.add_argument("--manifest", type=Path, help="JSON or YAML app manifest to enforce")
    parser.add_argument("--config", type=Path, help="JSON file with LocalWorkspaceConfig fields")
    given = parser.parse_args(arguments)
    try:
        asyncio.run(_serve(_config(given)))
    except OSError as error:
        sys.exit(f"The local workspace cannot start: {error}")


def _config(given: argparse.Namespace) -> LocalWorkspaceConfig:
    config = LocalWorkspaceConfig() if given.config is None else read_config(given.config)
    config = replace(
        config,
        host=given.host or config.host,
        port=config.port if given.port is None else given.port,
        http_delivery_url=given.http_delivery or config.http_delivery_url,
    )
    if given.manifest is not None:
        config = replace(config, manifest=read_manifest(given.manifest))
    return config


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
