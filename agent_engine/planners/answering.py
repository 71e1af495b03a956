"""Writes the words that end a task, from what was observed and nothing else.

With a language model in one call; without one, or when it says nothing, as a plain record of the
steps. It must not claim more than the observations show.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from agent_engine.errors import ModelReplyError
from agent_engine.labels import NO_ANSWER_LABEL, OFFLINE_LABEL
from agent_engine.planners.prompts import (
    FENCE_RULE,
    Fence,
    history,
    introduction,
    render_context,
    step_line,
)
from agent_engine.planners.references import REFERENCE
from agent_engine.planners.reply_parsing import spoken_so_far, thinks_unmarked, without_thinking
from agent_engine.ports import AnswerContext, ModelClient, ModelRequest, OnText, Role, Turn
from agent_engine.tokens import estimate_tokens, shorten
from agent_engine.types import ActionType, Answer, Step, StepStatus

MAX_ANSWER_TOKENS = 2_000

_TASK = """\
Write the answer to the task for the person who asked, in Markdown. Say only what the steps' \
results show. Begin with the result itself, not with what was done. Where a step failed, or what \
came differs from what was expected, say so and what is missing. Name the files that were made. \
Be as short as the matter allows."""

_OVERHEAD_TOKENS = 150
_TRIED = frozenset({StepStatus.DONE, StepStatus.FAILED})
_NO_WORK = frozenset({ActionType.THINK, ActionType.ANSWER})


class LLMAnswerWriter:
    """Has a language model write the answer, in one call."""

    def __init__(self, model: ModelClient, *, temperature: float = 0.1) -> None:
        self._model = model
        self._temperature = temperature

    async def write(self, context: AnswerContext) -> Answer:
        """Write the answer; a labelled record of the steps when the model gives none.

        Raises:
            ModelReplyError: the model gives none, and nothing was done that could be recorded.
        """
        files = made_files(context.steps)
        text = await self._words(context)
        if text:
            return Answer(text=text, files=files)
        if not any(map(_is_work, context.steps)) and not context.incomplete_because:
            raise ModelReplyError("the language model gave no answer, and nothing was done")
        return Answer(text=record(context), files=files, label=NO_ANSWER_LABEL)

    async def _words(self, context: AnswerContext) -> str:
        """Return what the model says; empty when that is nothing, junk or a refusal."""
        try:
            reply = await self._model.complete(self._request(context))
        except ModelReplyError:
            return ""
        if thinks_unmarked(reply.text):
            self._model.dialect.thinks_unmarked = True
        return "" if reply.refusal else without_thinking(reply.text)

    def _without_thoughts(self, tell: OnText) -> OnText:
        """Have only what the model says told, not what it thinks."""
        unmarked = self._model.dialect.thinks_unmarked
        return lambda text: tell(spoken_so_far(text, thinks_unmarked=unmarked))

    def _request(self, context: AnswerContext) -> ModelRequest:
        fence = Fence()
        system = "\n".join(
            (introduction(context.agent_name, context.instructions), _TASK, FENCE_RULE)
        )
        spent = estimate_tokens(system) + MAX_ANSWER_TOKENS + _OVERHEAD_TOKENS
        user = _data(context, fence, context.token_budget - spent)
        return ModelRequest(
            turns=(Turn(role=Role.SYSTEM, text=system), Turn(role=Role.USER, text=user)),
            purpose="answer",
            temperature=self._temperature,
            max_tokens=MAX_ANSWER_TOKENS,
            on_text=self._without_thoughts(context.on_answer) if context.on_answer else None,
        )


class OfflineAnswerWriter:
    """Writes the record of the steps as the answer; always labelled."""

    def __init__(self, model: ModelClient) -> None:
        del model  # every writer is made around a model; this one needs none

    async def write(self, context: AnswerContext) -> Answer:
        """Write what the steps show."""
        return Answer(text=record(context), files=made_files(context.steps), label=OFFLINE_LABEL)


def made_files(steps: Iterable[Step]) -> tuple[str, ...]:
    """Return the files that the steps made, each once, in order; deleted ones are left out."""
    files: dict[str, None] = {}
    for step in steps:
        if step.observation is None:
            continue
        for path in step.observation.files:
            files[path] = None
        if step.observation.success and step.action.parameters.get("operation") == "delete":
            files.pop(str(step.action.parameters.get("path", "")), None)
    return tuple(files)


def _is_work(step: Step) -> bool:
    """Whether something was done or tried that can be told; a thought is nothing of the kind."""
    return step.action.action_type not in _NO_WORK and step.status in _TRIED


def _data(context: AnswerContext, fence: Fence, budget_tokens: int) -> str:
    first = max((step.number for step in context.steps), default=0) + 1
    older, newest = history(context.steps, first=first)
    undone = [s for s in context.steps if s.status in (StepStatus.PENDING, StepStatus.WAITING)]
    data = render_context(
        fence,
        budget_tokens=budget_tokens,
        goal=context.goal,
        conversation=context.conversation,
        memories=context.memories,
        earlier_answers=context.earlier_answers,
        files=context.files,
        older_steps=older,
        results=newest,
        pending=[step_line(step, first=first) for step in undone],
    )
    if not context.incomplete_because:
        return data
    why = fence.clean(shorten(context.incomplete_because, 200))
    return f"{data}\n\nThe work ends before it is done: {why}. Say so, and what is missing."


# -- the plain record ----------------------------------------------------------------------------

_SHOWN_TOKENS = 700
"""What is shown of one output; the whole is stored with the step."""


def record(context: AnswerContext) -> str:
    """Return the steps' results as Markdown: sums, outputs, files, and what failed."""
    seen = {step.number: step.observation.content for step in context.steps if step.observation}
    parts = [part for step in context.steps if (part := _step_record(step, seen))]
    if context.incomplete_because:
        parts.append(f"**Not finished:** {context.incomplete_because}")
    return "\n\n".join(parts) or "Nothing was done, so there is no result."


_Seen = Mapping[int, Mapping[str, Any]]
"""What each step returned, by number."""


def _step_record(step: Step, seen: _Seen) -> str:
    match step.status:
        case StepStatus.DROPPED:
            return ""
        case StepStatus.PENDING | StepStatus.STARTED | StepStatus.WAITING:
            return f"**Not done:** {_line(step)}"
        case StepStatus.STOPPED:
            return f"**Stopped:** {_line(step)}"
        case StepStatus.FAILED:
            return _failure(step)
        case StepStatus.DONE:
            surprise = f"\n\n**Not as expected:** {step.surprise}" if step.surprise else ""
            return f"{_success(step, seen)}{surprise}"


def _line(step: Step) -> str:
    return _plain(step.action.description) or f"step {step.number}"


def _failure(step: Step) -> str:
    seen = step.observation
    why = (seen.error or seen.outcome) if seen else None
    said = f"**Failed:** {_line(step)}" + (f": {_plain(why)}" if why else "")
    output = _outputs(seen.content) if seen else ""
    return f"{said}\n\n{output}" if output else said


def _success(step: Step, seen: _Seen) -> str:
    content = step.observation.content if step.observation else {}
    asked = step.action.parameters
    if step.action.action_type == ActionType.ANSWER:
        return str(content.get("text") or asked.get("text") or "")
    if step.action.action_type == ActionType.REMEMBER and "value" in content:
        came = step.observation.outcome if step.observation else ""
        return f"{_plain(_words(content['value']))}: {came}."
    if "entries" in content:
        return _recalled(step, content["entries"])
    if "expression" in asked and "result" in content:
        worked = _code(_worked(str(asked["expression"]), seen))
        return f"{worked} = **{_plain(str(content['result']))}**"
    if said := _file_success(asked, content):
        return said
    if output := _outputs(content):
        return f"{_line(step)}:\n\n{output}"
    came = step.observation.outcome if step.observation else ""
    return f"{_line(step)}: {_plain(came)}" if came else f"{_line(step)}: done."


def _recalled(step: Step, entries: object) -> str:
    """List what was found in memory, each with the day that it is from."""
    found = entries if isinstance(entries, Sequence) and not isinstance(entries, str) else ()
    if not found:
        return f"{_line(step)}: nothing."
    told = [entry for entry in found if isinstance(entry, Mapping)]
    lines = [f"- {_plain(_words(one.get('content')))} ({one.get('made', '')})" for one in told]
    return f"{_line(step)}:\n\n" + "\n".join(lines)


def _words(content: object) -> str:
    return content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)


def _worked(expression: str, seen: _Seen) -> str:
    """Return the expression with earlier results in place of the references to them."""

    def result(match: re.Match[str]) -> str:
        content = seen.get(int(match.group(1)), {})
        return str(content.get(match.group(2).lstrip(".") or "result", match.group(0)))

    return REFERENCE.sub(result, expression)


def _file_success(asked: Mapping[str, Any], content: Mapping[str, Any]) -> str:
    path = _code(str(asked.get("path", "")))
    match asked.get("operation"):
        case "write":
            size = content.get("bytes_written")
            return f"Saved to {path}" + (f" ({size} bytes)." if size is not None else ".")
        case "read":
            return f"{path} holds:\n\n{_block(str(content.get('content', '')))}"
        case "list":
            return f"Files in {path}:\n\n{_items(content.get('items'))}"
        case "exists":
            return f"{path} exists." if content.get("exists") else f"{path} does not exist."
        case "delete":
            return f"Deleted {path}."
        case _:
            return ""


def _items(items: object) -> str:
    if not isinstance(items, Sequence) or isinstance(items, str) or not items:
        return "(none)"
    lines = []
    for item in items:
        if isinstance(item, Mapping):
            folder = "/" if item.get("is_directory") else ""
            size = f" ({item['size']} bytes)" if item.get("is_file") and "size" in item else ""
            lines.append(f"- {_code(str(item.get('name', '')) + folder)}{size}")
    return "\n".join(lines)


def _outputs(content: Mapping[str, Any]) -> str:
    """Return what a program printed, a page held or a memory said, in fences."""
    blocks = []
    for name in ("stdout", "stderr", "content", "data", "results", "thought", "text"):
        value = content.get(name)
        if value in (None, "", [], {}):
            continue
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)
        title = "Errors and warnings:\n" if name == "stderr" else ""
        blocks.append(f"{title}{_block(text)}")
    return "\n\n".join(blocks)


def _block(text: str) -> str:
    """Return the text in a fence that nothing in it can close."""
    shown = shorten(text.rstrip("\n"), _SHOWN_TOKENS)
    longest = max((len(run) for run in re.findall(r"`+", shown)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{shown}\n{fence}" if shown else "(empty)"


def _code(text: str) -> str:
    line = " ".join(text.split())
    longest = max((len(run) for run in re.findall(r"`+", line)), default=0)
    ticks = "`" * (longest + 1)
    pad = " " if longest else ""
    return f"{ticks}{pad}{line}{pad}{ticks}" if line else "``"


def _plain(text: str | None) -> str:
    """Return the text as one line in which Markdown means nothing."""
    return re.sub(r"([\\`*_\[\]<>~|#])", r"\\\1", " ".join((text or "").split()))
