"""One workspace and one database that outlive their bots, and what is found in them at the end."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Executable, Row

from bot.local_slack.config import LocalWorkspaceConfig
from bot.local_slack.records import Message
from bot.local_slack.server import LocalWorkspace
from bot.manifest import load_manifest
from storage.database import Database, open_database
from tests.recovery import rows
from tests.recovery.processes import PATIENCE_S, BotProcess, DeathWish, Life, running_bot
from tests.recovery.workspace import Doorman, attended_workspace

CHANNEL, PERSON = "general", "ada"
_LOOK_EVERY_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Remains:
    """What people see and what the tables say when all is done."""

    thread: Sequence[Mapping[str, Any]]
    rows: rows.Rows


@dataclass(slots=True, kw_only=True)
class House:
    """Where bots live and die."""

    zygote: Path
    home: Path
    workspace: LocalWorkspace
    doorman: Doorman
    database: Database
    database_url: str | None = None
    """None for a SQLite file in the home folder."""
    lives: int = 0
    approves: bool = False
    """Its bots ask before they write a file, and somebody approves."""
    asked: int = 0
    """How many tasks there have to be."""
    model_url: str | None = None
    """Where the bots' language model is; None for the offline model."""
    is_direct: bool = False
    """Whether people ask in a conversation with the bot, not in a channel."""
    admin: str | None = None
    """Who is an admin; None for nobody."""

    @asynccontextmanager
    async def bot(
        self,
        *,
        role: str = "all",
        at_write: DeathWish | None = None,
        at_call: DeathWish | None = None,
        harmful: Sequence[str] = (),
    ) -> AsyncIterator[BotProcess]:
        """Run a bot for the length of the block; it may have a wish to die earlier."""
        self.lives += 1
        life = Life(
            settings=self._settings(),
            log=self.home / f"bot-{self.lives}-{role}.log",
            role=role,
            wish=at_write,
            harmful=harmful,
            model_url=self.model_url,
            approves=self.approves,
        )
        async with running_bot(self.zygote, life) as bot:
            if role != "worker":
                self.doorman.begin(bot, at_call)
            yield bot

    async def ask(self, problem: str, *, channel: str | None = None) -> str:
        """Let a person mention the bot, or write to it; return the message's ts."""
        mention = problem if self.is_direct else f"<@{self.workspace.bot_user_id}> {problem}"
        self.asked += 1
        return await self.workspace.person(PERSON).post(channel or self._place, mention)

    async def press(self, ts: str, choice: str) -> None:
        """Let the person press the button of this name, wherever in the thread it is."""
        for message in self.workspace.thread(CHANNEL, ts):
            elements = [e for block in message.blocks or [] for e in block.get("elements", ())]
            for button in (e for e in elements if e["type"] == "button"):
                if choice in button["text"]["text"].lower():
                    act = self.workspace.person(PERSON).click
                    await act(CHANNEL, message.ts, button["action_id"])
                    return
        raise AssertionError(f"there is no button {choice!r}")

    async def until(self, is_so: Callable[[], Awaitable[bool]]) -> None:
        """Wait until something is so that can only be found out by asking the database."""
        async with asyncio.timeout(PATIENCE_S):
            while not await is_so():
                await self.workspace.core.hub.next_change(at_most_s=_LOOK_EVERY_S)

    async def until_over(self, bot: BotProcess) -> None:
        """Wait until there is nothing left to do, or the bot is dead."""

        async def is_over() -> bool:
            return bot.exit_code is not None or await self.is_settled()

        try:
            await self.until(is_over)
        except TimeoutError as error:
            raise AssertionError(f"not settled; the bot says: {bot.last_words()}") from error

    async def until_settled(self, bot: BotProcess) -> None:
        """Wait until there is nothing left to do."""
        await self.until_over(bot)
        assert bot.exit_code is None, f"the bot ended with {bot.exit_code}: {bot.last_words()}"

    async def until_connected(self, bot: BotProcess) -> None:
        """Wait until the bot takes deliveries, or is dead."""
        connected = lambda: self.workspace.connected or bot.exit_code is not None  # noqa: E731
        await self.workspace.until(connected, PATIENCE_S)

    async def is_settled(self) -> bool:
        """Say whether every event was taken, every run has ended and Slack shows all of it."""
        return self._all_taken() and await rows.is_settled(self.database, tasks_at_least=self.asked)

    async def remains(self, ts: str) -> Remains:
        """Return what is left of a task, without times and ids."""
        thread = [rows.without_times(m) for m in self.workspace.snapshot_thread(self._place, ts)]
        if self.approves:  # what is asked and the plan come in either order, as the work goes
            thread.sort(key=rows.json_of)
        return Remains(thread=thread, rows=await rows.final_rows(self.database))

    async def read(self, statement: Executable) -> Sequence[Row[Any]]:
        """Return the rows that a query finds."""
        return await self.database.read(lambda connection: connection.execute(statement).all())

    async def until_any(self, statement: Executable) -> None:
        """Wait until a query finds something."""

        async def is_there() -> bool:
            return bool(await self.read(statement))

        await self.until(is_there)

    def lose_durable_state(self) -> None:
        """Delete what dbos knows, as someone does who saves only the tables."""
        for path in self.home.glob("durable.sqlite*"):
            path.unlink()

    @property
    def _place(self) -> str:
        return self.workspace.dm(PERSON).id if self.is_direct else CHANNEL

    @property
    def channel_id(self) -> str:
        """The channel in which people ask."""
        return self.workspace.channel(CHANNEL).id

    def said(self) -> Sequence[Message]:
        """Return all messages of the bot."""
        channels = self.workspace.core.state.channels.values()
        found = [m for channel in channels for m in channel.messages.values()]
        return [m for m in found if m.user == self.workspace.bot_user_id]

    async def until_undelivered(self) -> None:
        """Wait until Slack has given up on what nobody took."""
        await self.workspace.until(self._all_taken, PATIENCE_S)

    def _all_taken(self) -> bool:
        """Whether Slack has nothing on its way to the bot and will not deliver anything again."""
        return not self.workspace.core.background._tasks

    def _settings(self) -> dict[str, object]:
        settings: dict[str, object] = {
            "SLACK_BOT_TOKEN": self.workspace.bot_token,
            "SLACK_APP_TOKEN": self.workspace.app_token,
            "SLACK_API_URL": self.workspace.api_url,
            "TREADLE_HOME": str(self.home),
            "TREADLE_EMBEDDING_MODEL": "none",
        }
        if self.database_url is not None:
            settings["TREADLE_DATABASE_URL"] = self.database_url
        if self.admin is not None:
            settings["file"] = {"slack": {"admins": [self.workspace.person(self.admin).id]}}
        return settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Builder:
    """Builds houses whose databases have their tables already."""

    zygote: Path
    template: Path
    """A home folder with SQLite files in it; empty when the database is elsewhere."""
    folder: Path
    lend_database: Callable[[], AbstractContextManager[str]] | None = None
    """Gives the address of an empty PostgreSQL database; None for SQLite."""

    @asynccontextmanager
    async def house(
        self,
        name: str,
        *,
        model_url: str | None = None,
        is_direct: bool = False,
        approves: bool = False,
        admin: str | None = None,
    ) -> AsyncIterator[House]:
        """Open a workspace and a database for the length of the block."""
        home = self.folder / name.replace("#", "-")
        shutil.copytree(self.template, home)
        doorman = Doorman()
        async with AsyncExitStack() as stack:
            url = stack.enter_context(self.lend_database()) if self.lend_database else None
            config = LocalWorkspaceConfig(manifest=load_manifest())
            workspace = await stack.enter_async_context(attended_workspace(doorman, config))
            database = await stack.enter_async_context(
                open_database(url or f"sqlite:///{home / 'treadle.db'}")
            )
            yield House(
                zygote=self.zygote,
                home=home,
                workspace=workspace,
                doorman=doorman,
                database=database,
                database_url=url,
                model_url=model_url,
                is_direct=is_direct,
                approves=approves,
                admin=admin,
            )
