"""Memories in a modal: searched, turned over, and changed in place. Pure.

The modal carries where it belongs and what it shows, so that every click can render it anew.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agent_engine.memories import MemoryKind, SearchMode, StoredMemory
from agent_engine.types import JsonObject, RunId, Thread
from bot.outbound.blocks import memory_ids
from bot.outbound.blocks.forms import (
    Choice,
    modal,
    read_choice,
    read_text,
    select_field,
    text_field,
)
from bot.outbound.blocks.memories import (
    PAGE,
    MemoryPage,
    counts,
    entry_blocks,
    how_to_tell,
    listed,
    mode_words,
    source,
)
from bot.outbound.blocks.parts import actions, button, quiet, section
from bot.outbound.blocks.tasks_list import thread_url
from bot.outbound.content import Block
from bot.outbound.text import count, escape, one_line

MAX_WORDS = 200
"""Characters of what is searched for."""
MOST_USED = 20
"""So many of those that a run was told fit the modal."""
_WORDS, _KIND = "find", "kind"
_ALL = "all"
_KINDS = (
    Choice(_ALL, "Everything"),
    Choice(MemoryKind.FACT, "Facts"),
    Choice(MemoryKind.LESSON, "Lessons"),
    Choice(MemoryKind.NOTE, "Notes"),
    Choice(MemoryKind.EPISODE, "Earlier tasks"),
    Choice(MemoryKind.EXAMPLE, "Example plans"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """What the modal shows now."""

    form: memory_ids.BrowseForm
    head: str
    """What these memories are; safe mrkdwn."""
    remark: str = ""
    """Any text."""
    memories: Sequence[StoredMemory]
    """At most ``PAGE``, or ``MOST_USED`` of what a run was told."""
    is_more: bool = False
    """Whether another page follows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where memories come from, as far as Slack shows it."""

    workspace_url: str
    threads: Mapping[RunId, Thread]


def listed_shelf(form: memory_ids.BrowseForm, page: MemoryPage) -> Shelf:
    """Return a page of what an agent remembers."""
    name = escape(one_line(page.agent_name, 80))
    if not page.tally:
        head = f"*{name}* remembers nothing here yet. {how_to_tell(page.command)}"
        return Shelf(form=form, head=head, memories=())
    head = f"*{name}* remembers here: {counts(page.tally)}."
    is_more = (page.page + 1) * PAGE < page.of_how_many
    return Shelf(form=form, head=head, remark=listed(page), memories=page.memories, is_more=is_more)


def found_shelf(
    form: memory_ids.BrowseForm, memories: Sequence[StoredMemory], *, mode: SearchMode
) -> Shelf:
    """Return a page of what a search found; ``memories`` go one beyond it where there are more."""
    asked = escape(one_line(form.words, 80))
    head = f"For “{asked}”, best first." if memories else f"Nothing here fits “{asked}”."
    is_more = len(memories) > PAGE
    return Shelf(
        form=form, head=head, remark=mode_words(mode), memories=memories[:PAGE], is_more=is_more
    )


def used_shelf(
    form: memory_ids.BrowseForm, memories: Sequence[StoredMemory], *, told: int
) -> Shelf:
    """Return what a run was told; some may have been forgotten or replaced since."""
    head = f"The answer used {count(told, 'memory', 'memories')}."
    gone, more = told - len(memories), len(memories) - MOST_USED
    remarks = [f"{count(gone, 'memory is', 'memories are')} gone since."] if gone else []
    remarks += [f"{count(more, 'more is', 'more are')} not shown."] if more > 0 else []
    return Shelf(form=form, head=head, remark=" ".join(remarks), memories=memories[:MOST_USED])


def memories_modal(shelf: Shelf, sources: Sources, *, notice: str = "") -> dict[str, Any]:
    """Render the modal; ``notice`` is safe mrkdwn that says what a click has done."""
    said = [section(f"*{notice}*"), {"type": "divider"}] if notice else []
    head = [section(shelf.head), *([quiet(shelf.remark)] if shelf.remark else [])]
    entries = [
        block
        for memory in shelf.memories
        for block in entry_blocks(memory, more=source(memory, _address(memory, sources)))
    ]
    if not shelf.memories and not shelf.form.run_id and shelf.remark and not shelf.form.words:
        entries = [quiet("None of this kind.")]
    blocks = [*said, *_fields(shelf.form), *head, *entries, *_turning(shelf)]
    view = modal(shelf.form, title="Memories", blocks=blocks, submit="Search")
    if shelf.form.run_id:
        # Nothing is entered, so nothing is submitted.
        del view["submit"]
    return {**view, "close": {**view["close"], "text": "Close"}}


def refused_modal(form: memory_ids.BrowseForm, sentence: str) -> dict[str, Any]:
    """Render the modal for somebody who may not look into it."""
    view = modal(form, title="Memories", blocks=[section(sentence)])
    del view["submit"]
    return view


def read_search(form: memory_ids.BrowseForm, values: JsonObject) -> memory_ids.BrowseForm:
    """Return what the submitted modal is to show."""
    kind = read_choice(values, _KIND) or _ALL
    return memory_ids.BrowseForm(
        agent_id=form.agent_id,
        channel_id=form.channel_id,
        thread_ts=form.thread_ts,
        kind="" if kind == _ALL else kind,
        words=read_text(values, _WORDS)[:MAX_WORDS],
    )


# ------------------------------------------------------------------------------------------------


def _fields(form: memory_ids.BrowseForm) -> list[Block]:
    if form.run_id:
        return []
    return [
        text_field(_WORDS, "Search", value=form.words, hint="Leave it empty to list."),
        select_field(_KIND, "Show", _KINDS, chosen=form.kind or _ALL),
    ]


def _turning(shelf: Shelf) -> list[Block]:
    form = shelf.form

    def turn(label: str, page: int) -> dict[str, Any]:
        to = memory_ids.ListMemories(agent_id=form.agent_id, kind=form.kind, page=page)
        return button(label, to)

    if form.run_id:
        return [actions([turn("All that is remembered here", 0)])]
    back = [turn("Back", form.page - 1)] if form.page else []
    more = [turn("More", form.page + 1)] if shelf.is_more else []
    return [actions([*back, *more])] if back or more else []


def _address(memory: StoredMemory, sources: Sources) -> str | None:
    run_id = memory.origin.run_id
    thread = None if run_id is None else sources.threads.get(run_id)
    if thread is None:
        return None
    return thread_url(thread, workspace_url=sources.workspace_url)
