"""The words that end a task, as messages: parts, sources, a small line, thumbs. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from agent_engine.types import HIGHEST_RATING, LOWEST_RATING, Answer, RunSnapshot, StepStatus
from bot.outbound.blocks import ids, wording
from bot.outbound.blocks.ending import again_buttons, end_sentence, is_unhappy
from bot.outbound.blocks.lesson import lessons_told
from bot.outbound.blocks.memories import used_buttons, used_line
from bot.outbound.blocks.parts import actions, button, context, quiet, section
from bot.outbound.content import MAX_TEXT, Block, Content
from bot.outbound.markdown import (
    MAX_PART_BYTES,
    MAX_PART_CHARS,
    MAX_PARTS,
    Part,
    is_safe_url,
    safe_markdown,
    split_markdown,
)
from bot.outbound.mrkdwn import mrkdwn_sections, to_mrkdwn
from bot.outbound.text import cut, escape, one_line

ANSWER_FILE = "answer.md"
RESENT = "Sent again after a restart: the first one may have been lost."

NO_UPLOADS = (
    "I may not upload files here, so whoever runs me has to hand over {names} "
    "(the app lacks the scope files:write)."
)

_MAX_SOURCES = 5
_MAX_NAMED = 5
_MIN_PART = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerMessages:
    """An answer as it is posted."""

    contents: tuple[Content, ...]
    whole: str | None = None
    """The whole Markdown, to be handed over as a file, where it is too long for messages."""


def answer_messages(
    run: RunSnapshot, answer: Answer, *, scale: float = 1.0, takes_files: bool = True
) -> AnswerMessages:
    """Render an answer.

    ``scale`` below 1 makes smaller messages, for a server that wants them. Where Slack does not
    take files, the answer says so, and a long one stays in messages.
    """
    text = safe_markdown(answer.text).strip() or "(The answer is empty.)"
    parts = split_markdown(
        text,
        max_chars=max(_MIN_PART, int(MAX_PART_CHARS * scale)),
        max_bytes=max(_MIN_PART, int(MAX_PART_BYTES * scale)),
    )
    whole = text if len(parts) > MAX_PARTS and takes_files else None
    shown = parts if whole is None else parts[:1]
    note = f"This is the beginning; the whole answer is in {ANSWER_FILE}." if whole else ""
    if answer.files and not takes_files:
        note = NO_UPLOADS.format(names=_named(answer.files))
    last = len(shown) - 1
    contents = tuple(
        _content(
            part,
            below=_closing(run, answer, note=note) if number == last else (),
            thumbs=_thumbs(run) if number == last else None,
        )
        for number, part in enumerate(shown)
    )
    if is_unhappy(run):
        contents = (_with_ending(contents[0], end_sentence(run)), *contents[1:])
    return AnswerMessages(contents=contents, whole=whole)


def resent(content: Content) -> Content:
    """Return a part of an answer that says it may be there twice."""
    remark = quiet(RESENT)
    return replace(
        content,
        blocks=(remark, *content.blocks),
        plain_blocks=(remark, *(content.plain_blocks or ())),
    )


def _with_ending(content: Content, sentence: str) -> Content:
    """Say first that this is not the answer that was asked for; notifications show it too."""
    said = section(f"*{sentence}*")
    return replace(
        content,
        text=cut(f"{sentence}\n{content.text}", MAX_TEXT),
        text_is_whole=content.text_is_whole and len(sentence) + len(content.text) < MAX_TEXT,
        blocks=(said, *content.blocks),
        plain_blocks=(said, *(content.plain_blocks or ())),
    )


def sources_of(run: RunSnapshot) -> tuple[tuple[str, str], ...]:
    """Return (address, title) of what the run's successful steps looked at, each once."""
    found: dict[str, str] = {}
    for step in run.steps:
        if step.status is StepStatus.DONE and step.observation is not None:
            for url, title in _links(dict(step.observation.content)):
                found.setdefault(url, title)
    return tuple(found.items())[:_MAX_SOURCES]


# ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Thumbs:
    rich: Block
    plain: Block


def _content(part: Part, *, below: tuple[Block, ...], thumbs: _Thumbs | None) -> Content:
    mrkdwn = to_mrkdwn(part.text)
    rich = ({"type": "markdown", "text": part.text},)
    plain = tuple(section(piece) for piece in mrkdwn_sections(mrkdwn))
    return Content(
        text=cut(mrkdwn, MAX_TEXT) or "The answer",
        text_is_whole=len(mrkdwn) <= MAX_TEXT,
        blocks=(*rich, *below, *((thumbs.rich,) if thumbs else ())),
        plain_blocks=(*plain, *below, *((thumbs.plain,) if thumbs else ())),
    )


def _closing(run: RunSnapshot, answer: Answer, *, note: str) -> tuple[Block, ...]:
    blocks: list[Block] = [quiet(note)] if note else []
    if sources := sources_of(run):
        links = " · ".join(f"<{escape(url)}|{_label(title)}>" for url, title in sources)
        blocks.append(context(f"Looked at: {links}"))
    label = f" · {one_line(answer.label, 100)}" if answer.label else ""
    applied = f" · {told} applied" if (told := lessons_told(run)) else ""
    recalled = f" · {told}" if (told := used_line(run)) else ""
    blocks.append(quiet(f"{wording.used(run.usage)}{recalled}{applied}{label}"))
    again = [*again_buttons(run), *used_buttons(run)]
    return (*blocks, actions(again)) if again else tuple(blocks)


def _named(files: Sequence[str]) -> str:
    names = [one_line(path, 60) for path in files[:_MAX_NAMED]]
    more = len(files) - len(names)
    return ", ".join(names) + (f" and {more} more" if more else "")


def _label(title: str) -> str:
    return escape(one_line(title, 60)).replace("|", "¦")


def _thumbs(run: RunSnapshot) -> _Thumbs:
    up = ids.RateAnswer(run_id=run.run_id, rating=HIGHEST_RATING)
    down = ids.RateAnswer(run_id=run.run_id, rating=LOWEST_RATING)
    element = {
        "type": "feedback_buttons",
        "action_id": ids.action_id(up),
        "positive_button": _thumb("Good answer", up),
        "negative_button": _thumb("Bad answer", down),
    }
    return _Thumbs(
        rich={"type": "context_actions", "elements": [element]},
        plain=actions([button("👍", up), button("👎", down)]),
    )


def _thumb(label: str, rating: ids.RateAnswer) -> dict[str, Any]:
    return {
        "text": {"type": "plain_text", "text": label},
        "value": ids.value(rating),
        "accessibility_label": label,
    }


def _links(content: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the addresses in a tool's result: those of a search, or the one that was called."""
    results = content.get("results")
    rows = [row for row in results if isinstance(row, dict)] if isinstance(results, list) else []
    if not rows:
        rows = [content]
    pairs = [(str(r.get("link") or r.get("url") or ""), str(r.get("title") or "")) for r in rows]
    return [(url, title or url) for url, title in pairs if is_safe_url(url)]
