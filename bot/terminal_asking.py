"""Asking the person at the terminal: questions, and whether a tool may be called.

Shows a call as Slack's message does: every argument, with nothing in it hidden.
"""

import json
from collections.abc import Awaitable, Callable
from typing import Any

from rich.console import Console

from agent_engine.types import (
    APPROVE,
    DENY,
    JsonObject,
    ProposedCall,
    Resolution,
    UserId,
    Wait,
    WaitKind,
)
from bot.keyboard import Keyboard
from bot.lines import Lines
from bot.outbound.blocks.visible import kind_of, made_visible, shown_value
from bot.outbound.text import one_line

AT_TERMINAL = UserId("you")
_HOW = "approve, edit or deny? [a/e/d] "

ReadLine = Callable[[str], Awaitable[str]]
"""Prints a prompt and returns what was typed; raises EOFError when nothing more comes."""


class TerminalAsker:
    """Asks the person at the terminal."""

    def __init__(self, console: Console, read: ReadLine | None = None) -> None:
        self._lines = Lines(console)
        self._read = read or Keyboard(console).read

    async def __call__(self, wait: Wait) -> str | Resolution | None:
        """Return what the person says; None when nobody says anything."""
        try:
            if wait.kind is WaitKind.APPROVAL and wait.call is not None:
                return await self.decide(wait.call, words=wait.question)
            return await self._answer(wait)
        except EOFError:
            return None

    async def decide(self, call: ProposedCall, *, words: str = "") -> Resolution:
        """Show the call and return what is decided. Raises EOFError."""
        self._show(call, words)
        while True:
            match (await self._read(_HOW)).strip().lower()[:1]:
                case "a":
                    return Resolution(value=APPROVE, by=AT_TERMINAL)
                case "e":
                    edited = await self._edited(call.arguments)
                    return Resolution(value=APPROVE, by=AT_TERMINAL, arguments=edited)
                case "d":
                    remark = (await self._read("why? (may be empty) ")).strip()
                    return Resolution(value=DENY, by=AT_TERMINAL, remark=remark)
                case _:
                    self._lines.text("Please say a, e or d.")

    async def _answer(self, wait: Wait) -> str:
        self._lines.text(one_line(wait.question, 2_000))
        for number, choice in enumerate(wait.choices, start=1):
            self._lines.text(f"  {number}. {one_line(choice, 300)}")
        hint = "a number, or your own words" if wait.choices else ""
        said = (await self._read(f"{hint}> ")).strip()
        chosen = int(said) - 1 if said.isdecimal() else -1
        return wait.choices[chosen] if 0 <= chosen < len(wait.choices) else said

    def _show(self, call: ProposedCall, words: str) -> None:
        self._lines.marked("?", f"May I do this? {one_line(words, 500)}", style="yellow")
        self._lines.text(f"tool: {made_visible(call.tool)}")
        for name, value in call.arguments.items():
            kind = kind_of(value)
            shown = shown_value(value).replace("\n", "\n    ")
            self._lines.text(f"{made_visible(name)}{f' ({kind})' if kind else ''}:\n    {shown}")
        if call.because:
            self._lines.text(f"Asked because {one_line(call.because, 300)}.", style="dim")

    async def _edited(self, arguments: JsonObject) -> JsonObject:
        self._lines.text("An empty line keeps a value; everything but texts is JSON.", style="dim")
        return {name: await self._edit(name, value) for name, value in arguments.items()}

    async def _edit(self, name: str, value: Any) -> Any:  # noqa: ANN401  # any JSON
        while True:
            typed = await self._read(f"{made_visible(name)}: ")
            if not typed:
                return value
            if isinstance(value, str):
                return typed
            try:
                return json.loads(typed)
            except ValueError:
                self._lines.text("That is not JSON.")
