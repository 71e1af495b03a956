"""A question to people in the thread, open and answered. Pure."""

from agent_engine.types import REPEAT, SKIP, RunSnapshot, Step, Wait, WaitKind
from bot.outbound.blocks import ids, wording
from bot.outbound.blocks.approval import asked_people, call_blocks, is_shown_whole, named
from bot.outbound.blocks.parts import actions, button, context, person, quiet, section
from bot.outbound.content import MAX_TEXT, Block, Content
from bot.outbound.mrkdwn import to_mrkdwn
from bot.outbound.text import cut, escape, one_line

_MAX_CHOICES = 20
_MAX_LABEL = 70
_MAX_QUESTION = 2_500
_REPEATING = {REPEAT: "repeat it", SKIP: "skip it"}


def question_content(run: RunSnapshot, wait: Wait, *, resent: bool = False) -> Content:
    """Render an open question with its choices, or as answered once it is."""
    if wait.resolution is not None:
        value = wait.resolution.value
        reply = _REPEATING.get(value, value) if wait.kind is WaitKind.REPEAT else value
        return answered_content(_asked(run, wait), reply=reply, by=_by(wait))
    said = _asked(run, wait)
    blocks: list[Block] = [section(said)]
    if wait.call is not None:
        blocks += call_blocks(wait.call)
    if resent:
        blocks.append(quiet("Asked again after a restart."))
    buttons = _buttons(run, wait)
    if buttons:
        blocks.append(actions(buttons))
    if wait.kind is WaitKind.QUESTION:
        hint = "Choose, or reply in this thread." if buttons else "Reply in this thread."
        blocks.append(quiet(hint))
    else:
        who = named(asked_people(run, wait))
        blocks.append(context(f"Only {who} can decide; it waits until then."))
    return Content(text=cut(said, MAX_TEXT), blocks=tuple(blocks))


def answered_content(asked: str, *, reply: str, by: str) -> Content:
    """Render a question that was answered; ``asked`` and ``by`` are safe mrkdwn."""
    line = f"Answered by {by}: {escape(one_line(reply, 300))}"
    return Content(text=cut(asked, MAX_TEXT), blocks=(section(asked), context(line)))


def closed_content(run: RunSnapshot, step: Step | None) -> Content:
    """Render a question whose wait is gone: answered through its step, or no longer needed."""
    asked = _asked_by(step)
    observation = step.observation if step else None
    if observation is not None and observation.success:
        reply = observation.outcome or str(observation.content.get("reply") or "answered")
        line = one_line(reply, 300)
    else:
        line = "No longer needed." if run.end is not None else "Closed."
    return Content(text=cut(asked, MAX_TEXT), blocks=(section(asked), quiet(line)))


# ------------------------------------------------------------------------------------------------


def _asked(run: RunSnapshot, wait: Wait) -> str:
    """Return the question as safe mrkdwn, addressed to whom it is for."""
    step = next((s for s in run.steps if s.number == wait.step), None)
    if wait.kind is WaitKind.REPEAT:
        title = escape(wording.step_title(step.action)) if step else "a step"
        asked = f"{', '.join(map(person, asked_people(run, wait)))} ".lstrip()
        return (
            f"{asked}*This may already have happened:* {title}\n"
            "The bot was interrupted while doing it. Do it again, or go on without?"
        )
    question = cut(to_mrkdwn(wait.question), _MAX_QUESTION) or "What should I do?"
    long = [c for c in wait.choices if len(one_line(c, 1_000)) > _MAX_LABEL]
    if long:
        listed = [f"{n}. {escape(one_line(c, 300))}" for n, c in enumerate(wait.choices, start=1)]
        question = cut("\n".join([question, *listed]), _MAX_QUESTION)
    return f"{person(wait.asked_of)} {question}" if wait.asked_of else question


def _asked_by(step: Step | None) -> str:
    if step is None:
        return "A question"
    question = step.action.parameters.get("question")
    text = str(question) if question else wording.step_title(step.action)
    return cut(to_mrkdwn(text), _MAX_QUESTION) or "A question"


def _buttons(run: RunSnapshot, wait: Wait) -> list[dict[str, object]]:
    if wait.kind is WaitKind.REPEAT:
        choices: tuple[tuple[str, str], ...] = (("Repeat it", REPEAT), ("Skip it", SKIP))
    else:
        choices = tuple(_labelled(wait.choices))
    decisions = [
        (label, ids.DecideWait(run_id=run.run_id, wait_id=wait.id, value=value, index=index))
        for index, (label, value) in enumerate(choices[:_MAX_CHOICES])
    ]
    buttons = [button(label, decision) for label, decision in decisions if ids.fits(decision)]
    if wait.kind is WaitKind.QUESTION and choices:
        buttons.append(button("Other…", ids.ReplyOther(run_id=run.run_id, wait_id=wait.id)))
    if wait.call is not None and not is_shown_whole(wait.call):
        buttons.append(button("Show all", ids.ShowCall(run_id=run.run_id, wait_id=wait.id)))
    return buttons


def _labelled(choices: tuple[str, ...]) -> list[tuple[str, str]]:
    if any(len(one_line(choice, 1_000)) > _MAX_LABEL for choice in choices):
        return [(str(number), choice) for number, choice in enumerate(choices, start=1)]
    return [(one_line(choice, _MAX_LABEL), choice) for choice in choices]


def _by(wait: Wait) -> str:
    return person(wait.resolution.by) if wait.resolution else "someone"
