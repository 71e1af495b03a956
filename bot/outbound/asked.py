"""What a thread shows of what a run asks people to allow or keep, and of reminding them. Pure.

Part of ``desired``, which makes posts of it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from agent_engine.places import Post, PostKind, PostState
from agent_engine.types import RunSnapshot, Wait, WaitKind
from bot.outbound.blocks.approval import approval_content, closed_approval
from bot.outbound.blocks.approval_forms import fits_modal, whole_text
from bot.outbound.blocks.memories import proposed_content
from bot.outbound.blocks.reminder import reminder_content, settled_reminder
from bot.outbound.blocks.wording import FOR_PEOPLE
from bot.outbound.content import Content
from bot.outbound.pacing import Urgency

_SETTLED = frozenset({PostState.POSTED, PostState.ABANDONED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A message about something that is, or was, up to people."""

    name: str
    """Of the post, within its run."""
    step: int | None
    content: Content
    again: Content | None = None
    """What to post when the first one may have been lost; None: then it is left out."""
    kind: PostKind = PostKind.QUESTION
    urgency: Urgency = Urgency.PLAN
    only_if_left: bool = False
    """Settled before it is known whether Slack shows it: then it is mended, never posted."""


def approvals(run: RunSnapshot, posts: Mapping[str, Post]) -> Iterator[Asked]:
    """Ask about tool calls, and say what was decided; never asked once it is decided."""
    prefix = f"run:{run.run_id}:approval:"
    waits = [wait for wait in run.waits if wait.kind is WaitKind.APPROVAL]
    for wait in waits:
        post = posts.get(prefix + wait.id)
        content, name = approval_content(run, wait), f"approval:{wait.id}"
        if _is_open(run, wait):
            again = approval_content(run, wait, resent=True)
            urgency = Urgency.QUESTION
            yield Asked(name=name, step=wait.step, content=content, again=again, urgency=urgency)
        elif post is not None and post.state is not PostState.ABANDONED:
            left = post.state is PostState.INTENDED
            yield Asked(name=name, step=wait.step, content=content, only_if_left=left)
    known = {prefix + wait.id for wait in waits}
    for key, post in posts.items():
        if key.startswith(prefix) and key not in known and post.state is not PostState.ABANDONED:
            step = next((s for s in run.steps if s.number == post.step), None)
            name, content = f"approval:{key.removeprefix(prefix)}", closed_approval(run, step)
            left = post.state is PostState.INTENDED
            yield Asked(name=name, step=post.step, content=content, only_if_left=left)


def reminders(
    run: RunSnapshot, posts: Mapping[str, Post], *, before: datetime | None
) -> Iterator[Asked]:
    """Remind people once of what they were asked before this, None: never; no longer than open."""
    for wait in run.waits:
        name = f"reminder:{wait.id}"
        post = posts.get(f"run:{run.run_id}:{name}")
        is_due = before is not None and wait.opened_at <= before and wait.kind in FOR_PEOPLE
        is_settled = post is not None and post.state in _SETTLED
        if is_due and _is_open(run, wait) and not is_settled:
            content = reminder_content(run, wait)
            notice, urgency = PostKind.NOTICE, Urgency.NOTICE
            yield Asked(name=name, step=wait.step, content=content, kind=notice, urgency=urgency)
    prefix = f"run:{run.run_id}:reminder:"
    is_open = {prefix + wait.id for wait in run.waits if _is_open(run, wait)}
    for key, post in posts.items():
        if key.startswith(prefix) and key not in is_open and post.state is not PostState.ABANDONED:
            step = next((s for s in run.steps if s.number == post.step), None)
            yield Asked(
                name=f"reminder:{key.removeprefix(prefix)}",
                step=post.step,
                content=settled_reminder(step),
                kind=PostKind.NOTICE,
                only_if_left=post.state is PostState.INTENDED,
            )


def proposed(run: RunSnapshot, posts: Mapping[str, Post]) -> Iterator[Asked]:
    """Ask, after the end, whether to remember what the run proposed; say what became of that."""
    if run.end is None:
        return
    prefix, kind = f"run:{run.run_id}:memory:", PostKind.MEMORY
    shown = {f"{prefix}{fact.id}": fact for fact in run.proposed}
    known = [key for key in posts if key.startswith(prefix)]
    for key in dict.fromkeys((*shown, *known)):
        fact, post = shown.get(key), posts.get(key)
        is_open = fact is not None and bool(fact.text) and fact.confirmed_by is None
        if not is_open and (post is None or post.state is PostState.ABANDONED):
            continue
        yield Asked(
            name=key.removeprefix(f"run:{run.run_id}:"),
            step=None,
            content=proposed_content(fact),
            kind=kind,
            urgency=Urgency.NOTICE,
            only_if_left=not is_open and post is not None and post.state is PostState.INTENDED,
        )


def whole_calls(run: RunSnapshot) -> Iterator[tuple[Wait, str]]:
    """Return the open calls that no window of Slack's can show whole, each with its text."""
    for wait in run.waits:
        if wait.call is not None and _is_open(run, wait) and not fits_modal(wait.call):
            yield wait, whole_text(wait.call)


def _is_open(run: RunSnapshot, wait: Wait) -> bool:
    return wait.resolution is None and run.end is None and run.cancel is None
