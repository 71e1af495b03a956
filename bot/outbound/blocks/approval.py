"""The message that asks a person about a tool call, open and decided. Pure.

What is shown is what would run: every argument, with nothing in it hidden. What does not fit is cut
in sight of everybody, and *Show all* opens it whole.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from agent_engine.types import (
    APPROVE,
    ProposedCall,
    Resolution,
    RunSnapshot,
    Step,
    UserId,
    Wait,
    WaitKind,
)
from bot.outbound.blocks import ids, wording
from bot.outbound.blocks.parts import USER_ID, actions, button, context, person, quiet, section
from bot.outbound.blocks.visible import kind_of, made_visible, shown_value
from bot.outbound.content import MAX_TEXT, Block, Content
from bot.outbound.text import cut, escape, one_line

ALWAYS = "always"
"""The value of the button that approves and makes a standing rule."""
MAX_VALUE = 1_200
"""Characters of one argument in the message."""
MAX_VALUES = 6_000
MAX_DECIDED_VALUE = 400
"""The same once somebody has decided: nothing hangs on it any more, and threads stay readable."""
MAX_ARGUMENTS = 20
MAX_CONFIRM = 300

_MAX_WORDS = 1_500
_MAX_REMARK = 600
_EXACTLY = "exactly"
"""The key of ``ProposedCall.like`` where nothing but the same call is alike."""


class Argument(NamedTuple):
    """One argument as it is shown."""

    name: str
    kind: str
    text: str
    is_cut: bool
    is_changed: bool


def approval_content(run: RunSnapshot, wait: Wait, *, resent: bool = False) -> Content:
    """Render the question, or what was decided once somebody has."""
    if wait.call is None:
        return closed_approval(run, _step(run, wait))
    if wait.resolution is not None:
        return _decided(wait, wait.call, wait.resolution)
    if run.end is not None or run.cancel is not None:
        return closed_approval(run, _step(run, wait), words=wait.question)
    return _open(run, wait, wait.call, resent=resent)


def closed_approval(run: RunSnapshot, step: Step | None, *, words: str = "") -> Content:
    """Render a question that nobody has to decide any more."""
    title = words or (wording.step_title(step.action) if step else "a step")
    stopped = run.end is not None or run.cancel is not None
    line = "No longer needed: the task has ended." if stopped else "No longer needed."
    said = f"*Approval was asked for:* {escape(one_line(title, _MAX_WORDS))}"
    return Content(text=cut(said, MAX_TEXT), blocks=(section(said), quiet(line)))


def asked_people(run: RunSnapshot, wait: Wait) -> tuple[UserId, ...]:
    """Return who decides besides admins: about a call its approvers, else who asked for the task.

    Of questions these are the people who are asked; others may answer them as well.
    """
    if wait.call is not None:
        return wait.call.approvers
    asked = wait.asked_of or run.requester
    return () if asked is None else (asked,)


def named(people: Sequence[UserId]) -> str:
    """Name those who may decide, as safe mrkdwn: ``<@U1> or an admin``."""
    names = ", ".join(map(person, people))
    return f"{names} or an admin" if names else "an admin"


def covers(call: ProposedCall) -> str:
    """Say what "always allow this here" would allow; safe mrkdwn."""
    return alike(call.tool, call.like or {})


def alike(tool: str, like: Mapping[str, object]) -> str:
    """Say which calls a standing rule allows; safe mrkdwn."""
    name = f"`{_code(tool)}`"
    if not like or _EXACTLY in like:
        return f"{name} with exactly the same arguments"
    said = ", ".join(f"{escape(key)} `{_code(str(value))}`" for key, value in like.items())
    return f"every call of {name} with {said}"


def arguments_of(
    call: ProposedCall,
    changed: Mapping[str, object] | None = None,
    *,
    longest: int = MAX_VALUE,
) -> tuple[Argument, ...]:
    """Return the arguments as the message shows them, with what a person changed."""
    values = dict(call.arguments if changed is None else changed)
    left = MAX_VALUES
    found: list[Argument] = []
    for name, value in values.items():
        text = shown_value(value)
        room = max(0, min(longest, left))
        left -= min(len(text), room)
        is_changed = changed is not None and call.arguments.get(name) != value
        found.append(
            Argument(
                name=made_visible(one_line(name, 100)),
                kind=kind_of(value),
                text=text[:room],
                is_cut=len(text) > room,
                is_changed=is_changed,
            )
        )
    return tuple(found)


def is_shown_whole(call: ProposedCall) -> bool:
    """Say whether the message itself shows all of every argument."""
    shown = arguments_of(call)
    return len(shown) <= MAX_ARGUMENTS and not any(argument.is_cut for argument in shown)


def call_blocks(call: ProposedCall) -> tuple[Block, ...]:
    """Return the tool and its arguments, every one in a block of code of its own."""
    return _call_blocks(call, arguments_of(call), cut_here="Cut here: Show all has the rest.")


def when(at: datetime) -> str:
    """Return mrkdwn for a time, shown in each reader's own zone."""
    fallback = f"{at:%Y-%m-%d %H:%M} UTC"
    return f"<!date^{int(at.timestamp())}^{{date_short_pretty}} at {{time}}|{fallback}>"


def approved_by(step: Step) -> UserId | None:
    """Return who allowed what the step did; None where nobody was asked."""
    return step.approved.by if step.approved is not None else None


def approved_output(outcome: str, by: UserId) -> dict[str, Any]:
    """Return the output of a step's card: what came of it, and who had allowed it."""
    said = f"{outcome} · approved by " if outcome else "approved by "
    known = USER_ID.fullmatch(by) is not None
    who = {"type": "user", "user_id": by} if known else {"type": "text", "text": one_line(by, 30)}
    elements = [{"type": "text", "text": said}, who]
    return {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": elements}]}


def steps_to_approve(run: RunSnapshot) -> frozenset[int]:
    """Return the numbers of the steps that a person is being asked about."""
    return frozenset(
        wait.step
        for wait in run.waits
        if wait.kind is WaitKind.APPROVAL and wait.resolution is None and run.end is None
    )


# -- open ----------------------------------------------------------------------------------------


def _open(run: RunSnapshot, wait: Wait, call: ProposedCall, *, resent: bool) -> Content:
    asked = ", ".join(person(user) for user in call.approvers) or person(run.requester)
    words = escape(one_line(wait.question, _MAX_WORDS)) or f"use {escape(call.tool)}"
    head = f"{asked} *May I do this?* {words}"
    because = f"Asked because {escape(one_line(call.because, 300))}. " if call.because else ""
    rule = f"“Always allow” would cover {covers(call)}, by this agent in this channel."
    blocks = [
        section(head),
        *call_blocks(call),
        context(f"{because}Only {named(call.approvers)} can decide; it waits until then."),
        *([context(rule)] if call.like is not None else []),
        *([quiet("Asked again after a restart.")] if resent else []),
        actions(list(_buttons(run, wait, call))),
    ]
    return Content(text=cut(f"{head} ({escape(call.tool)})", MAX_TEXT), blocks=tuple(blocks))


def _buttons(run: RunSnapshot, wait: Wait, call: ProposedCall) -> Iterator[dict[str, Any]]:
    its: dict[str, Any] = {"run_id": run.run_id, "wait_id": wait.id}
    yield button("Approve", ids.DecideCall(**its, value=APPROVE), style="primary")
    if call.arguments:
        yield button("Approve with changes…", ids.ChangeCall(**its))
    if call.like is not None:
        always = button("Always allow this here", ids.DecideCall(**its, value=ALWAYS))
        yield {**always, "confirm": _confirm(call)}
    yield button("Deny", ids.DenyCall(**its), style="danger")
    if not is_shown_whole(call):
        yield button("Show all", ids.ShowCall(**its))


def _confirm(call: ProposedCall) -> dict[str, Any]:
    exactly = not call.like or _EXACTLY in call.like
    which = "with exactly these arguments" if exactly else "like this one"
    text = (
        f"This call is made, and from now on calls of {one_line(call.tool, 80)} {which} are made "
        "in this channel without asking. Take it back with /treadle rules."
    )
    return {
        "title": {"type": "plain_text", "text": "Always allow this here?"},
        "text": {"type": "plain_text", "text": text[:MAX_CONFIRM]},
        "confirm": {"type": "plain_text", "text": "Always allow"},
        "deny": {"type": "plain_text", "text": "Cancel"},
    }


# -- decided -------------------------------------------------------------------------------------


def _decided(wait: Wait, call: ProposedCall, resolution: Resolution) -> Content:
    words = escape(one_line(wait.question, _MAX_WORDS)) or f"use {escape(call.tool)}"
    who, at = person(resolution.by), when(resolution.at)
    if resolution.value == APPROVE:
        changes = " with changes" if _is_changed(call, resolution) else ""
        line = f"✅ Approved{changes} by {who}, {at}"
    else:
        line = f"🚫 Denied by {who}, {at}"
    remark = escape(one_line(resolution.remark, _MAX_REMARK))
    line = f"{line}: {remark}" if remark else line
    blocks = (section(words), *_decided_blocks(call, resolution), context(line))
    return Content(text=cut(f"{words}\n{line}", MAX_TEXT), blocks=blocks)


def _decided_blocks(call: ProposedCall, resolution: Resolution) -> tuple[Block, ...]:
    shown = arguments_of(call, resolution.arguments, longest=MAX_DECIDED_VALUE)
    return _call_blocks(call, shown, cut_here="Cut here.")


def _is_changed(call: ProposedCall, resolution: Resolution) -> bool:
    return resolution.arguments is not None and resolution.arguments != call.arguments


# -- arguments -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Text:
    text: str
    bold: bool = False

    def leaf(self) -> dict[str, Any]:
        leaf: dict[str, Any] = {"type": "text", "text": self.text}
        return {**leaf, "style": {"bold": True}} if self.bold else leaf


def _call_blocks(
    call: ProposedCall, found: Sequence[Argument], *, cut_here: str
) -> tuple[Block, ...]:
    elements = [_line(_Text("Tool: "), _Text(made_visible(call.tool), bold=True))]
    for argument in found[:MAX_ARGUMENTS]:
        notes = [argument.kind, "changed" if argument.is_changed else ""]
        said = ", ".join(note for note in notes if note)
        elements.append(_line(_Text(argument.name, bold=True), _Text(f" ({said})" if said else "")))
        if argument.text:
            leaf = _Text(argument.text).leaf()
            elements.append({"type": "rich_text_preformatted", "elements": [leaf]})
        if argument.is_cut:
            elements.append(_line(_Text(cut_here)))
    if not found:
        elements.append(_line(_Text("Without any arguments.")))
    if (more := len(found) - MAX_ARGUMENTS) > 0:
        elements.append(_line(_Text(f"… and {more} more arguments. {cut_here}")))
    return ({"type": "rich_text", "elements": elements},)


def _line(*texts: _Text) -> dict[str, Any]:
    leaves = [text.leaf() for text in texts if text.text]
    return {"type": "rich_text_section", "elements": leaves}


def _code(text: str) -> str:
    return escape(made_visible(one_line(text, 200))).replace("`", "'")


def _step(run: RunSnapshot, wait: Wait) -> Step | None:
    return next((step for step in run.steps if step.number == wait.step), None)
