"""``treadle demo``: the local workspace and the bot in one process, and a first problem.

The bot is the real one and talks to the workspace as it would to Slack. Everything is forgotten at
the end.
"""

import asyncio
import errno
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import SecretStr
from rich.console import Console

from agent_engine.types import ChannelId, RunSnapshot, TaskStatus, Thread, WorkspaceId
from bot.app import Works, run_bot
from bot.errors import BotError
from bot.local_slack.config import LocalWorkspaceConfig
from bot.local_slack.server import LocalWorkspace
from bot.manifest import load_manifest
from bot.settings import Settings
from bot.thread_printer import ThreadPrinter, is_plan

FIRST_PROBLEM = "calculate 17*23 then save the result to answer.txt"
CHANNEL = "general"
PERSON = "ada"
LONGEST_S = 1_800.0
"""A problem that takes longer than this is given up by the demo."""
SETTLE_S = 30.0
"""Slack may show the end this much later than it is stored."""


class DemoError(BotError):
    """The demo cannot go on."""


async def run_demo(settings: Settings, *, problem: str | None, port: int) -> bool:
    """Show the bot at work.

    With a ``problem``: solve it, print the thread, and say whether that worked. Without: solve a
    first one, then go on until stopped.
    """
    console = Console(highlight=False)
    with TemporaryDirectory(prefix="treadle-demo-") as folder:
        async with await _open_workspace(port if problem is None else 0, console) as workspace:
            ready: asyncio.Future[Works] = asyncio.get_running_loop().create_future()
            async with asyncio.TaskGroup() as group:
                bot = group.create_task(
                    run_bot(_settings(settings, workspace, Path(folder)), ready=ready)
                )
                demo = _Demo(workspace, console, await _or_fail(ready, bot))
                solved = await demo.show(problem)
                bot.cancel()
    return solved


class _Demo:
    """One showing."""

    def __init__(self, workspace: LocalWorkspace, console: Console, works: Works) -> None:
        self._workspace = workspace
        self._console = console
        self._works = works

    async def show(self, problem: str | None) -> bool:
        self._console.print(f"[bold]Treadle[/bold] · {self._works.models.source.description}")
        if problem is not None:
            return await self._solve(problem)
        self._console.print(f"The workspace: [bold]{self._workspace.url}[/bold]\n")
        await self._solve(FIRST_PROBLEM)
        self._console.print(
            f"\nGo on in your browser: [bold]{self._workspace.url}[/bold]   (Ctrl-C ends it)"
        )
        await asyncio.Event().wait()
        return True

    async def _solve(self, problem: str) -> bool:
        """Post the problem, print the thread as it unfolds, and say whether it was solved."""
        workspace = self._workspace
        text = f"<@{workspace.bot_user_id}> {problem}"
        ts = await workspace.person(PERSON).post(CHANNEL, text)
        printer = ThreadPrinter(self._console, workspace, CHANNEL, ts)
        async with asyncio.TaskGroup() as group:
            printing = group.create_task(printer.run())
            run = await self._until_shown(ts)
            printer.print_news(to_the_end=True)
            printing.cancel()
        return run.status is TaskStatus.COMPLETED

    async def _until_shown(self, ts: str) -> RunSnapshot:
        thread = Thread(
            workspace_id=WorkspaceId(self._workspace.team_id),
            channel_id=ChannelId(self._workspace.channel(CHANNEL).id),
            thread_ts=ts,
        )
        try:
            async with asyncio.timeout(LONGEST_S):
                run = await self._until_ended(thread)
        except TimeoutError as error:
            raise DemoError(f"The problem was not solved within {LONGEST_S:g} s.") from error
        with suppress(TimeoutError):  # printed as far as it is shown
            await self._workspace.until(lambda: self._is_shown(thread), SETTLE_S)
        return run

    async def _until_ended(self, thread: Thread) -> RunSnapshot:
        """Wait until the run has ended, or waits for a person, whom the demo does not have."""
        engine = self._works.engine
        while True:
            run_id = await engine.latest_run(thread)
            if run_id is not None:
                run = await engine.run(run_id)
                if run.end is not None or any(wait.question for wait in run.waits):
                    return run
            await asyncio.sleep(0.1)

    def _is_shown(self, thread: Thread) -> bool:
        """Say whether the end is shown; work that ends at once may never have had a status."""
        session = self._workspace.session_status(thread.channel_id, thread.thread_ts)
        if session is not None:
            return session != "processing"
        said = self._workspace.thread(thread.channel_id, thread.thread_ts)[1:]
        return any(not is_plan(message) for message in said)


async def _or_fail(ready: "asyncio.Future[Works]", bot: "asyncio.Task[None]") -> Works:
    """Return the works once the bot is ready; raise what ended it if it ends before."""
    await asyncio.wait((ready, bot), return_when=asyncio.FIRST_COMPLETED)
    if not ready.done():
        bot.result()
        raise DemoError("The bot ended before it was ready.")
    return ready.result()


async def _open_workspace(port: int, console: Console) -> LocalWorkspace:
    """Make the workspace on the port wanted, or on a free one when that is taken."""
    manifest = load_manifest()
    if await _is_taken(port):
        console.print(f"[dim]Port {port} is taken, so another one is used.[/dim]")
        port = 0
    return LocalWorkspace(LocalWorkspaceConfig(port=port, manifest=manifest))


async def _is_taken(port: int) -> bool:
    if port == 0:
        return False
    try:
        server = await asyncio.start_server(lambda _r, _w: None, "127.0.0.1", port)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return True
        raise DemoError(f"Port {port} cannot be used: {error.strerror}.") from error
    server.close()
    await server.wait_closed()
    return False


def _settings(settings: Settings, workspace: LocalWorkspace, home: Path) -> Settings:
    """The person's own settings, pointed at the local workspace and a home that is forgotten."""
    return settings.model_copy(
        update={
            "slack_bot_token": SecretStr(workspace.bot_token),
            "slack_app_token": SecretStr(workspace.app_token),
            "slack_signing_secret": None,
            "slack_api_url": workspace.api_url,
            "home": home,
            "database_url_or_none": None,
        }
    )
