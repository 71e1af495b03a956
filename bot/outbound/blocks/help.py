"""What the bot can do, in a few lines, and how it introduces itself. Pure."""

from collections.abc import Mapping

from bot.outbound.blocks.parts import quiet, section
from bot.outbound.content import Content
from bot.outbound.text import escape, one_line

_LINES = (
    "*Give me a problem:* mention me with it, send me a direct message, or use {solve}.",
    "*In the thread:* reply to steer me while I work or to go on afterwards.",
    "*Stop:* the Stop button, 🛑 on the plan, or mention me with `stop`.",
    "*Rate:* 👍 or 👎 on any message of mine; ratings are kept with the task.",
)


def help_content(commands: Mapping[str, str], *, solve: str = "/solve") -> Content:
    """Explain the bot. ``commands`` are those that exist here, with what each does."""
    ways = "\n".join(line.format(solve=f"`{escape(solve)}`") for line in _LINES)
    listed = "\n".join(f"`{escape(name)}` {escape(does)}" for name, does in commands.items())
    blocks = (section(ways), *((section(listed),) if listed else ()))
    return Content(text="What I can do: mention me with a problem to start.", blocks=blocks)


def introduction_content(agent_name: str, *, offline: bool) -> Content:
    """Introduce the agent of a channel that the bot was just invited to; said once."""
    name = escape(one_line(agent_name, 80)) or "your agent"
    text = (
        f"Hello, I am *{name}*, an AI agent. Mention me with a problem and I work on it in a "
        "thread: I show my plan, you can steer or stop me there. Rate me with 👍 and 👎."
    )
    remark = quiet("No language model is configured: I work offline, with limited skills.")
    return Content(text=text, blocks=(section(text), *((remark,) if offline else ())))
