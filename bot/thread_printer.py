"""Prints a thread of the local workspace in the terminal as it unfolds.

Reads messages as people see them: plans as lists, Markdown as Markdown. What others wrote is never
markup for the terminal.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console

from bot.lines import Lines
from bot.local_slack.records import Message
from bot.local_slack.server import LocalWorkspace

_MARKS = {
    "pending": ("○", "dim"),
    "in_progress": ("◐", "yellow"),
    "complete": ("✓", "green"),
    "error": ("✗", "red"),
}
_STYLES = {"context": "dim", "header": "bold"}
_MENTION = re.compile(r"<@([UW][A-Z0-9]+)>")
INDENT = 2


class ThreadPrinter:
    """Prints each message once, and each step of a plan when its state changes."""

    def __init__(self, console: Console, workspace: LocalWorkspace, channel: str, ts: str) -> None:
        self._console = console
        self._lines = Lines(console, indent=INDENT)
        self._workspace = workspace
        self._channel = channel
        self._ts = ts
        self._printed: set[tuple[str, ...]] = set()

    async def run(self) -> None:
        """Print what is new until cancelled."""
        while True:
            seen = self._state()
            self.print_news()
            await self._workspace.until(lambda seen=seen: self._state() != seen, 3_600.0)  # type: ignore[misc]  # the default binds this round's state

    def print_news(self, *, to_the_end: bool = False) -> None:
        """Print what was not printed yet; what follows a plan only once its steps have ended."""
        for message in self._messages():
            if plan := _plan(message):
                self._print_plan(message, plan)
                if _is_under_way(plan) and not to_the_end:
                    return
            elif self._is_new(message.ts, "message"):
                self._print_message(message)

    def _messages(self) -> list[Message]:
        return self._workspace.thread(self._channel, self._ts)

    def _state(self) -> str:
        return repr([(m.ts, m.text, m.blocks, m.files) for m in self._messages()])

    def _is_new(self, *key: str) -> bool:
        if key in self._printed:
            return False
        self._printed.add(key)
        return True

    def _print_plan(self, message: Message, plan: Mapping[str, Any]) -> None:
        if self._is_new(message.ts, "author"):
            self._print_author(message)
        for task in plan.get("tasks", ()):
            status = str(task.get("status", "pending"))
            if status != "pending" and self._is_new(message.ts, str(task["task_id"]), status):
                self._print_step(task, status)

    def _print_step(self, task: Mapping[str, Any], status: str) -> None:
        mark, style = _MARKS.get(status, ("·", ""))
        outcome = " ".join(_texts(task.get("output")))
        self._lines.marked(mark, str(task.get("title", "")), style=style, note=outcome)

    def _print_message(self, message: Message) -> None:
        self._print_author(message)
        blocks = message.blocks or []
        shown = [b for b in blocks if b.get("type") in ("markdown", "section", "header", "context")]
        for block in shown:
            self._print_block(block)
        if not shown and message.text:
            self._lines.text(self._named(message.text))
        for name in self._workspace.file_names(message):
            self._lines.text(f"📎 {name}", style="cyan")

    def _print_block(self, block: Mapping[str, Any]) -> None:
        if block["type"] == "markdown":
            self._lines.markdown(str(block.get("text", "")))
            return
        text = " ".join(_texts(block))
        if text:
            self._lines.text(self._named(text), style=_STYLES.get(block["type"], ""))

    def _print_author(self, message: Message) -> None:
        name = message.username or self._workspace.name_of(message.user)
        self._console.print()
        Lines(self._console).text(name, style="bold")

    def _named(self, text: str) -> str:
        """Return Slack's text as people read it."""
        named = _MENTION.sub(self._name, text)
        return named.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")

    def _name(self, mention: re.Match[str]) -> str:
        try:
            return f"@{self._workspace.name_of(mention[1])}"
        except KeyError:  # somebody whom the workspace does not have
            return mention[0]


def is_plan(message: Message) -> bool:
    """Say whether a message shows a plan."""
    return _plan(message) is not None


def _plan(message: Message) -> Mapping[str, Any] | None:
    return next((b for b in message.blocks or [] if b.get("type") == "plan"), None)


def _is_under_way(plan: Mapping[str, Any]) -> bool:
    return any(task.get("status") == "in_progress" for task in plan.get("tasks", ()))


def _texts(value: object) -> Iterator[str]:
    """Give all texts inside a block, in reading order."""
    if isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, Mapping):
        inner = value.get("text")
        if isinstance(inner, str):
            yield inner
        else:
            for key in ("text", "fields", "elements"):
                yield from _texts(value.get(key))
