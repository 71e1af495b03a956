"""Tasks as a list with links and Stop buttons, for /tasks and the Home tab. Pure."""

from collections.abc import Sequence
from datetime import datetime

from agent_engine.commands import TaskLine
from agent_engine.types import TaskStatus, Thread
from bot.outbound.blocks import ids, wording
from bot.outbound.blocks.parts import button, person, section
from bot.outbound.content import Block, Content
from bot.outbound.text import count, cut, duration, escape, headline

MAX_LINES = 20

_NONE = "No tasks here yet. Mention me with a problem to start one."
_ICONS = {
    TaskStatus.PENDING: "◻️",
    TaskStatus.RUNNING: "⏳",
    TaskStatus.WAITING: "💬",
    TaskStatus.COMPLETED: "✅",
    TaskStatus.ERROR: "❌",
    TaskStatus.CANCELLED: "🛑",
}


def tasks_content(lines: Sequence[TaskLine], *, workspace_url: str, now: datetime) -> Content:
    """Render the list. ``workspace_url`` is what ``auth.test`` calls ``url``."""
    blocks = task_blocks(lines, workspace_url=workspace_url, now=now)
    active = sum(not _is_over(line) for line in lines)
    text = f"{count(active, 'task')} under way, {len(lines) - active} ended." if lines else _NONE
    return Content(text=text, blocks=tuple(blocks))


def task_blocks(lines: Sequence[TaskLine], *, workspace_url: str, now: datetime) -> Sequence[Block]:
    """Return one block per task, running ones with a Stop button."""
    if not lines:
        return [section(_NONE)]
    return [_block(line, workspace_url=workspace_url, now=now) for line in lines[:MAX_LINES]]


def thread_url(thread: Thread, *, workspace_url: str) -> str:
    """Return the address of a thread's root, without asking Slack for it."""
    root = thread.thread_ts.replace(".", "")
    return f"{workspace_url.rstrip('/')}/archives/{thread.channel_id}/p{root}"


def _block(line: TaskLine, *, workspace_url: str, now: datetime) -> Block:
    title = escape(headline(line.description, 120)) or "a task"
    if line.thread is not None:
        address = escape(thread_url(line.thread, workspace_url=workspace_url))
        title = f"<{address}|{title.replace('|', '¦')}>"
    text = f"{_icon(line)} {title}\n{_facts(line, now)}"
    block = dict(section(cut(text, 2_000)))
    if not _is_over(line):
        stop = ids.StopRun(run_id=line.run_id)
        block["accessory"] = button("Stop", stop, style="danger")
    return block


def _facts(line: TaskLine, now: datetime) -> str:
    end = line.ended_at or now
    took = duration(max(0.0, (end - line.created_at).total_seconds()))
    place = f" {_place(line.thread)}" if line.thread is not None else ""
    return f"{escape(wording.task_state(line))} · {took} · for {person(line.requester)}{place}"


def _place(thread: Thread) -> str:
    is_direct = thread.channel_id.startswith("D")
    return "in direct messages" if is_direct else f"in <#{thread.channel_id}>"


def _icon(line: TaskLine) -> str:
    try:
        return _ICONS[TaskStatus(line.status)]
    except ValueError:
        return "▫️"


def _is_over(line: TaskLine) -> bool:
    return line.ended_at is not None
