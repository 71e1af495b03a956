"""A run as its live plan message. Pure; every call renders the whole message.

Shows the steps with Slack's ``plan`` and ``task_card`` blocks, and as plain lines where those are
refused. Long plans are folded, never cut off silently.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from agent_engine.types import (
    ActionType,
    EndReason,
    Plan,
    RunSnapshot,
    Step,
    StepStatus,
    Usage,
    UserId,
)
from bot.outbound.blocks import ids, wording
from bot.outbound.blocks.approval import approved_by, approved_output, steps_to_approve
from bot.outbound.blocks.ending import again_buttons, end_sentence, is_said_by_plan, needs_notice
from bot.outbound.blocks.extend import near_caps
from bot.outbound.blocks.lesson import lessons_told
from bot.outbound.blocks.parts import actions, button, context, person, quiet, rich, section
from bot.outbound.content import Block, Content, body_hash
from bot.outbound.text import count, escape, headline, one_line

MAX_ROWS = 45
MAX_FIELD = 250
"""Characters of a title or an outcome; Slack documents 256."""
MAX_WEIGHT = 7_500
"""UTF-8 bytes, outcomes counted twice, as Slack does: https://github.com/openclaw/openclaw/issues/143882."""
MAX_JSON = 11_500
"""Characters of all rows; Slack refuses about 13,200 over all blocks of a message."""
CONTINUED = "continued"
"""``Plan.because`` of a run that goes on with an earlier run's work."""

_NEST = "↳ "
_MAX_NAMED = 4
"""How many dropped or added steps are named when a plan has changed."""
_ICONS = {"pending": "◻️", "in_progress": "⏳", "complete": "✅", "error": "❌"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    key: str
    title: str
    status: str
    output: str = ""
    approved_by: UserId | None = None

    @property
    def is_over(self) -> bool:
        return self.status in {"complete", "error"}


def plan_content(run: RunSnapshot, *, scale: float = 1.0) -> Content:
    """Render the run. ``scale`` below 1 makes a smaller message, for a server that wants one."""
    rows = _fitting(_rows(run), scale)
    title = _title(run)
    around = _around(run)
    cards = {"type": "plan", "title": title, "tasks": [_card(row) for row in rows]}
    text = escape(title + _progress(run))
    if not rows:
        return Content(text=text, blocks=(section(f"*{escape(title)}*"), *around))
    lines = (section(f"*{escape(title)}*"), *_lines(rows))
    return Content(text=text, blocks=(cards, *around), plain_blocks=(*lines, *around))


def plan_hash(run: RunSnapshot, *, scale: float = 1.0) -> str:
    """Return a digest of what is worth an edit: everything but the usage of a run under way."""
    worth = run if run.end is not None else replace(run, usage=Usage())
    content = plan_content(worth, scale=scale)
    return body_hash(content.text, content.blocks)


def has_real_steps(plan: Plan | None) -> bool:
    """Say whether the plan is more than a direct answer."""
    return plan is not None and any(not _is_answer(step) for step in plan.steps)


# -- rows ----------------------------------------------------------------------------------------


def _rows(run: RunSnapshot) -> list[_Row]:
    steps = _work(run)
    if run.end is not None and run.end.reason is EndReason.ANSWERED:
        steps = [step for step in steps if step.status.is_final]
    asking = steps_to_approve(run)
    return [_row(step, asks=step.number in asking) for step in steps]


def _work(run: RunSnapshot) -> list[Step]:
    """Return the steps that are shown and counted: writing the answer is none of them."""
    live = run.plan.live_steps if run.plan else ()
    return [step for step in live if not _is_answer(step)]


def _row(step: Step, *, asks: bool) -> _Row:
    title = one_line(_NEST * min(step.depth, 5) + wording.step_title(step.action), MAX_FIELD)
    said = "waiting for approval" if asks else wording.step_outcome(step)
    return _Row(
        key=str(step.number),
        title=title,
        status=_status(step),
        output=one_line(said, MAX_FIELD),
        approved_by=approved_by(step),
    )


def _is_answer(step: Step) -> bool:
    return step.action.action_type == ActionType.ANSWER


def _status(step: Step) -> str:
    match step.status:
        case StepStatus.PENDING | StepStatus.DROPPED:
            return "pending"
        case StepStatus.STARTED | StepStatus.WAITING:
            return "in_progress"
        case StepStatus.DONE:
            return "complete"
        case StepStatus.FAILED | StepStatus.STOPPED:
            return "error"


def _fitting(rows: list[_Row], scale: float) -> list[_Row]:
    """Fold what is over, then what is far ahead, until the rows fit."""
    measured = [_measure(row) for row in rows]
    total = _Size(len(rows), sum(m.weight for m in measured), sum(m.chars for m in measured))
    over = next((i for i, row in enumerate(rows) if not row.is_over), len(rows))
    folded, left = 0, total
    while folded < over and not left.fits(scale):
        left = left.less(measured[folded])
        left = left if folded else left.plus(_FOLD)
        folded += 1
    kept = len(rows)
    while kept - 1 > folded and not left.fits(scale):
        kept -= 1
        left = left.less(measured[kept])
        left = left.plus(_FOLD) if kept == len(rows) - 1 else left
    head = [_folded(rows[:folded])] if folded else []
    tail = [_ahead(rows[kept:])] if kept < len(rows) else []
    return [*head, *rows[folded:kept], *tail]


class _Size(NamedTuple):
    """How much room rows take."""

    rows: int
    weight: int
    chars: int

    def less(self, other: "_Size") -> "_Size":
        return _Size(self.rows - other.rows, self.weight - other.weight, self.chars - other.chars)

    def plus(self, other: "_Size") -> "_Size":
        return _Size(self.rows + other.rows, self.weight + other.weight, self.chars + other.chars)

    def fits(self, scale: float) -> bool:
        return (
            self.rows <= MAX_ROWS
            and self.weight <= MAX_WEIGHT * scale
            and self.chars <= MAX_JSON * scale
        )


_FOLD = _Size(rows=1, weight=60, chars=160)
"""What the line takes that stands for folded rows."""


def _measure(row: _Row) -> _Size:
    weight = len(row.title.encode()) + 2 * len(row.output.encode())
    return _Size(1, weight, len(json.dumps(_card(row), ensure_ascii=False)))


def _folded(rows: Sequence[_Row]) -> _Row:
    failed = sum(row.status == "error" for row in rows)
    title = count(len(rows), "earlier step") + " done"
    return _Row(
        key="earlier",
        title=title + (f", {failed} of them without success" if failed else ""),
        status="complete",
    )


def _ahead(rows: Sequence[_Row]) -> _Row:
    running = any(row.status == "in_progress" for row in rows)
    return _Row(
        key="ahead",
        title="… and " + count(len(rows), "more step"),
        status="in_progress" if running else "pending",
    )


def _card(row: _Row) -> Block:
    card = {"type": "task_card", "task_id": row.key, "title": row.title, "status": row.status}
    if row.approved_by is not None:
        return {**card, "output": approved_output(row.output, row.approved_by)}
    return {**card, "output": rich(row.output)} if row.output else card


def _lines(rows: Sequence[_Row]) -> tuple[Block, ...]:
    """Return the rows as few sections of plain lines."""
    pages: list[str] = [""]
    for row in rows:
        outcome = f": {escape(row.output)}" if row.output else ""
        outcome += f" (approved by {person(row.approved_by)})" if row.approved_by else ""
        line = f"{_ICONS[row.status]} {escape(row.title)}{outcome}\n"
        if len(pages[-1]) + len(line) > 2_900:  # noqa: PLR2004  # a section holds 3,000
            pages.append("")
        pages[-1] += line
    return tuple(section(page.strip()) for page in pages if page)


# -- around the rows -----------------------------------------------------------------------------


def _title(run: RunSnapshot) -> str:
    return f"{_state(run)} · {headline(run.subject, 120) or 'a task'}"


def _state(run: RunSnapshot) -> str:
    if run.end is not None:
        return wording.END_WORDS[run.end.reason] + _failures(run)
    if run.cancel is not None:
        return "Stopping"
    if run.queue_place is not None:
        return wording.in_line(run.queue_place)
    if waits_for_people(run):
        return "Waiting for you"
    return "Working" if run.plan else "Thinking"


def _failures(run: RunSnapshot) -> str:
    """Say how many steps failed on the way to an answer; nothing when none did."""
    failed = sum(step.status is StepStatus.FAILED for step in run.steps)
    is_done = run.end is not None and run.end.reason is EndReason.ANSWERED
    return f", {count(failed, 'step')} failed" if failed and is_done else ""


def _progress(run: RunSnapshot) -> str:
    steps = _work(run)
    done = sum(step.status is StepStatus.DONE for step in steps)
    return f" ({done} of {count(len(steps), 'step')})" if steps else ""


def _around(run: RunSnapshot) -> tuple[Block, ...]:
    """Return what stands under the steps: changes, waits, the end, usage, buttons."""
    blocks: list[Block] = [quiet(line) for line in _remarks(run) if line]
    if is_said_by_plan(run):
        blocks.append(section(end_sentence(run)))
    blocks += _usage(run)
    buttons = _buttons(run)
    return (*blocks, actions(buttons)) if buttons else tuple(blocks)


def _remarks(run: RunSnapshot) -> list[str]:
    remarks = [_change(run.plan), _lessons(run)]
    if run.end is not None:
        return remarks
    if run.attempts > 1:
        remarks.append("Resumed after a restart; finished steps were kept.")
    if run.queue_place is not None:
        remarks.append(f"All slots are busy: it starts as number {run.queue_place} in line.")
    remarks += [wording.waiting_for(wait) + "." for wait in run.waits if wait.resolution is None]
    remarks.append(near_caps(run))
    return list(dict.fromkeys(remarks))


def _lessons(run: RunSnapshot) -> str:
    told = lessons_told(run)
    return f"{'Applying' if run.end is None else 'Applied'} {told}." if told else ""


def _change(plan: Plan | None) -> str:
    """Say why and how the plan was changed; empty for a first plan and for one that only grew."""
    if plan is None or plan.version <= 1:
        return "Goes on with the earlier work." if plan and plan.because == CONTINUED else ""
    dropped = [step for step in plan.steps if step.status is StepStatus.DROPPED]
    if not dropped:
        return f"Reviewed the plan: {one_line(plan.because, 300)}" if plan.because.strip() else ""
    last = max(step.number for step in dropped)
    added = [step for step in plan.live_steps if step.number > last]
    parts = [one_line(plan.because, 300)]
    parts += [_named("dropped", dropped), _named("added", added)]
    return "Changed the plan: " + "; ".join(part for part in parts if part)


def _named(word: str, steps: Sequence[Step]) -> str:
    if not steps:
        return ""
    names = [f"“{one_line(wording.step_title(s.action), 60)}”" for s in steps[:_MAX_NAMED]]
    more = len(steps) - len(names)
    return f"{word} " + ", ".join(names) + (f" and {more} more" if more else "")


def _usage(run: RunSnapshot) -> list[Block]:
    """Say what was used, unless the message that tells the end says it."""
    if run.end is None:
        return [context(escape(wording.used_of(run.usage, run.limits)))]
    is_said_there = run.answer is not None or needs_notice(run)
    return [] if is_said_there else [context(escape(wording.used(run.usage)))]


def _buttons(run: RunSnapshot) -> list[dict[str, object]]:
    """Return what can be done about the run: stop it, or once it has ended rate its steps."""
    if run.end is None:
        stop = ids.StopRun(run_id=run.run_id)
        return [] if run.cancel else [button("Stop", stop, style="danger")]
    buttons = again_buttons(run) if is_said_by_plan(run) else []
    if any(step.status in {StepStatus.DONE, StepStatus.FAILED} for step in run.steps):
        buttons.append(button("Rate a step", ids.RateSteps(run_id=run.run_id)))
    return buttons


def waits_for_people(run: RunSnapshot) -> bool:
    """Say whether the run can only go on once a person has said something."""
    return any(wait.kind in wording.FOR_PEOPLE and wait.resolution is None for wait in run.waits)
