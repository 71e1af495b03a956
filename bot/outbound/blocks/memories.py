"""Memories as people see them: lists, one by itself, questions before forgetting. Pure.

Their words are data and are shown literally.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agent_engine.memories import MemoryKind, MemoryState, SearchMode, StoredMemory, Trust
from agent_engine.types import AgentId, JsonObject, ProposedFact, RunSnapshot, UserId
from bot.outbound.blocks import ids, memory_ids
from bot.outbound.blocks.approval import when
from bot.outbound.blocks.forms import MAX_INPUT, modal, read_text, text_field
from bot.outbound.blocks.lesson import LESSON
from bot.outbound.blocks.parts import actions, button, context, person, quiet, rich, section
from bot.outbound.content import Block, Content
from bot.outbound.text import clean, count, escape, one_line

PAGE = 8
"""Memories in one list."""
LISTED = (MemoryKind.FACT, MemoryKind.LESSON, MemoryKind.NOTE)
"""Kinds that are listed by themselves; the others are counted, and searched."""
SHORT = 400
"""Characters of a memory in a list."""
LONG = 2_900
FORGOTTEN = "Forgotten."
_WORDS = "words"
_VERSIONS = 5
_BEHIND = {
    Trust.PERSON: "a person's word",
    Trust.AGENT: "the agent's own finding",
    Trust.UNTRUSTED: "the agent's own finding from pages, files or programs",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryPage:
    """One page of what an agent remembers in a channel."""

    agent_id: AgentId
    """Empty for the own memories of whoever reads them."""
    agent_name: str
    tally: Mapping[MemoryKind, int]
    memories: Sequence[StoredMemory]
    """At most ``PAGE``."""
    kind: MemoryKind | None
    """None for all kinds that are listed by themselves."""
    page: int
    """From 0."""
    by_meaning: bool
    command: str
    """What the command is called here."""

    @property
    def of_how_many(self) -> int:
        """Return how many memories all pages have."""
        kinds = LISTED if self.kind is None else (self.kind,)
        return sum(self.tally.get(kind, 0) for kind in kinds)


_TASKS_GO = (
    "takes all tasks that {whom} asked for and that are over, with their plans, results and files, "
    "and my messages about them in Slack."
)


def page_content(page: MemoryPage) -> Content:
    """List what is remembered: what waits for people's word, then what is held."""
    if not page.tally:
        text = _empty(page)
        return Content(text=text, blocks=(section(text), quiet(_searched(page))))
    text = f"{_whose(page)}: {counts(page.tally)}."
    blocks = [section(text), quiet(listed(page))]
    for memory in page.memories:
        blocks += entry_blocks(memory)
    if not page.memories:
        blocks.append(quiet("None of this kind on this page."))
    return Content(text=text, blocks=(*blocks, *_turning(page)))


def found_content(
    memories: Sequence[StoredMemory], *, words: str, mode: SearchMode, to_forget: bool = False
) -> Content:
    """List what a search found; with ``to_forget`` people are to choose what goes."""
    asked = escape(one_line(words, 80))
    if not memories:
        text = f"Nothing that is remembered here fits “{asked}”."
        return Content(text=text, blocks=(section(text), quiet(mode_words(mode))))
    found = count(len(memories), "memory", "memories")
    head = f"{found} for “{asked}”"
    text = f"{head}: which is to go?" if to_forget else f"{head}, best first."
    blocks: list[Block] = [section(text), quiet(mode_words(mode))]
    for memory in memories:
        blocks += entry_blocks(memory)
    return Content(text=text, blocks=tuple(blocks))


def used_content(memories: Sequence[StoredMemory], *, gone: int) -> Content:
    """List what a run was told from memory; ``gone`` have been forgotten or replaced since."""
    text = f"The answer used {count(len(memories) + gone, 'memory', 'memories')}."
    blocks: list[Block] = [section(text)]
    for memory in memories[:PAGE]:
        blocks += entry_blocks(memory)
    if gone:
        blocks.append(
            quiet(
                f"{count(gone, 'memory is', 'memories are')} gone since, or for their owner alone."
            )
        )
    return Content(text=text, blocks=tuple(blocks))


def one_content(history: Sequence[StoredMemory], *, thread_url: str | None) -> Content:
    """Show one memory whole, with what it said before, newest first."""
    memory = history[0]
    text = f"Memory {memory.id}, a {memory.kind}."
    facts = [f"used {count(memory.access_count, 'time')}", source(memory, thread_url)]
    if memory.expires_at is not None:
        facts.append(f"until {when(memory.expires_at)}")
    blocks: list[Block] = [rich(_shown(memory, LONG)), context(_facts(memory))]
    blocks.append(context(" · ".join(facts)))
    for version in history[1:][:_VERSIONS]:
        blocks += [context(f"Before, from {when(version.created_at)}:"), rich(_shown(version))]
    return Content(text=text, blocks=(*blocks, actions(_buttons(memory))))


def to_forget_content(history: Sequence[StoredMemory]) -> Content:
    """Show the one memory that would go, with the button that does it."""
    text = "This would go for good:"
    older = len(history) - 1
    after = f"with {count(older, 'earlier version')} and all that was derived from it"
    said = after if older else "with all that was derived from it"
    memory = history[0]
    forget = actions([{**_forget(memory), "style": "danger"}])
    blocks = (section(text), rich(_shown(memory)), context(_facts(memory)), quiet(said), forget)
    return Content(text=text, blocks=blocks)


def forget_scope_content(agent_id: AgentId, *, tally: Mapping[MemoryKind, int]) -> Content:
    """Ask once more before everything goes that an agent remembers in a channel."""
    text = f"All that is remembered here would go for good: {counts(tally)}."
    asked = _confirm("Forget everything here?", text, yes="Forget everything")
    forget = _red_button("Forget everything here", memory_ids.ForgetScope(agent_id=agent_id))
    return Content(text=text, blocks=(section(text), actions([{**forget, "confirm": asked}])))


def forget_person_content(whom: UserId, *, is_self: bool) -> Content:
    """Ask once more before everything goes that comes from a person."""
    whose = "you" if is_self else person(whom)
    text = (
        f"All that is remembered from {whose} would go for good, in every channel: facts that were "
        "told, what is known of tasks that were asked for, lessons, what was derived from all of "
        "it, and the words that were given with ratings."
    )
    asked = _confirm("Forget all of it?", "This cannot be undone.", yes="Forget it all")
    forget = _red_button("Forget it all", memory_ids.ForgetPerson(person=whom))
    label = "Forget my tasks, too" if is_self else "Forget the tasks, too"
    takes = _TASKS_GO.format(whom="you" if is_self else "they")
    with_tasks = _red_button(label, memory_ids.ForgetPerson(person=whom, with_tasks=True))
    sure = _confirm("Forget the tasks, too?", "This cannot be undone.", yes="Forget it all")
    buttons = actions([{**forget, "confirm": asked}, {**with_tasks, "confirm": sure}])
    return Content(text=text, blocks=(section(text), quiet(f"“{label}” {takes}"), buttons))


def proposed_content(fact: ProposedFact | None) -> Content:
    """Ask in the thread whether a fact is to be remembered, or say what became of that.

    None for one that was forgotten.
    """
    if fact is None:
        return Content(text=FORGOTTEN, blocks=(quiet(FORGOTTEN),))
    said = one_line(fact.text, SHORT)
    if not said:
        text = "Not remembered: something newer has taken its place."
        return Content(text=text, blocks=(quiet(text),))
    if fact.confirmed_by is not None:
        text = f"Remembered: {escape(said)}"
        by = context(f"kept by {person(fact.confirmed_by)}")
        return Content(text=text, blocks=(quiet(f"Remembered: {said}"), by))
    text = f"Shall I remember this? {escape(said)}"
    about = memory_ids.ForgetMemory(agent_id=fact.agent_id, memory_id=fact.id)
    forget = button("Forget", about)
    buttons = [_keep(fact.agent_id, fact.id), forget]
    return Content(text=text, blocks=(section(text), actions(buttons)))


def used_line(run: RunSnapshot) -> str:
    """Say how many memories the run was told of, lessons apart; empty for none."""
    told = sum(use.kind != LESSON for use in run.memories_used)
    return f"{count(told, 'memory', 'memories')} used" if told else ""


def used_buttons(run: RunSnapshot) -> list[dict[str, Any]]:
    """Return the button that shows what the run was told from memory; nothing where it was not."""
    if not run.memories_used:
        return []
    return [button("Memories", memory_ids.UsedMemories(run_id=run.run_id))]


def correct_modal(form: memory_ids.CorrectMemoryForm, memory: StoredMemory) -> dict[str, Any]:
    """Render the one-field form with the memory's words."""
    words = clean(memory.text)[:MAX_INPUT]
    field = text_field(_WORDS, "What is right?", value=words, lines=True)
    return modal(form, title="Correct this memory", blocks=[field])


def read_correction(values: JsonObject) -> str:
    """Return what was written; empty for nothing."""
    return read_text(values, _WORDS)


def source(memory: StoredMemory, thread_url: str | None) -> str:
    """Say who stands behind a memory, with the address of its task's thread; safe mrkdwn."""
    stands = _BEHIND[memory.trust]
    return stands if thread_url is None else f"{stands} · <{escape(thread_url)}|its thread>"


def entry_blocks(memory: StoredMemory, *, more: str = "") -> list[Block]:
    """Return a memory with what is known of it, some ``more``, and what can be done about it."""
    return [
        {"type": "divider"},
        rich(_shown(memory)),
        context(" · ".join(part for part in (_facts(memory), more) if part)),
        actions(_buttons(memory)),
    ]


# ------------------------------------------------------------------------------------------------


def _red_button(label: str, action: ids.MemoryAction) -> dict[str, Any]:
    return button(label, action, style="danger")


def _buttons(memory: StoredMemory) -> list[dict[str, Any]]:
    agent_id, at = memory.scope.agent_id, memory.id
    if memory.state is MemoryState.PROPOSED:
        return [_keep(agent_id, at), _forget(memory)]
    pinning = memory_ids.PinMemory(agent_id=agent_id, memory_id=at, pinned=not memory.pinned)
    pin = button("Unpin" if memory.pinned else "Pin", pinning)
    correct = button("Correct", memory_ids.CorrectMemory(agent_id=agent_id, memory_id=at))
    return [correct, pin, _forget(memory)]


def _keep(agent_id: AgentId, memory_id: int) -> dict[str, Any]:
    keep = memory_ids.ConfirmMemory(agent_id=agent_id, memory_id=memory_id)
    return button("Keep", keep, style="primary")


def _forget(memory: StoredMemory) -> dict[str, Any]:
    action = memory_ids.ForgetMemory(agent_id=memory.scope.agent_id, memory_id=memory.id)
    asked = _confirm("Forget this?", one_line(memory.text, 200), yes="Forget")
    return {**button("Forget", action), "confirm": asked}


def _confirm(title: str, text: str, *, yes: str) -> dict[str, Any]:
    def literal(words: str) -> dict[str, str]:
        return {"type": "plain_text", "text": one_line(words, 290) or "-"}

    parts = {"title": title, "text": text, "confirm": yes, "deny": "Cancel"}
    return {**{name: literal(words) for name, words in parts.items()}, "style": "danger"}


def _shown(memory: StoredMemory, limit: int = SHORT) -> str:
    text = clean(memory.text).strip()
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def _facts(memory: StoredMemory) -> str:
    """Say what it is, from whom and when; safe mrkdwn."""
    by = person(memory.origin.person) if memory.origin.person else "someone"
    whose = {
        MemoryKind.FACT: f"said by {by}" if memory.trust is Trust.PERSON else f"asked by {by}",
        MemoryKind.LESSON: f"from a rating by {by}",
        MemoryKind.NOTE: "the agent's own",
    }.get(memory.kind, f"a task of {by}")
    kind = "*proposed*" if memory.state is MemoryState.PROPOSED else f"{memory.kind}"
    parts = [kind, whose, when(memory.created_at), f"no. {memory.id}"]
    if memory.trust is Trust.UNTRUSTED:
        parts.insert(2, "may repeat a page or a file")
    return " · ".join([*(["📌"] if memory.pinned else []), *parts])


def _whose(page: MemoryPage) -> str:
    if not page.agent_id:
        return "Kept for you alone"
    return f"*{escape(one_line(page.agent_name, 80))}* remembers here"


def _empty(page: MemoryPage) -> str:
    if page.agent_id:
        name = escape(one_line(page.agent_name, 80))
        return f"*{name}* remembers nothing here yet. {how_to_tell(page.command)}"
    return f"Nothing is kept for you alone. `{escape(page.command)} remember for me …` adds to it."


def counts(tally: Mapping[MemoryKind, int]) -> str:
    """Say how many of each kind there are."""
    words = {MemoryKind.EXAMPLE: "example plan"}
    return ", ".join(
        count(tally[kind], words.get(kind, str(kind))) for kind in MemoryKind if tally.get(kind)
    )


def _turning(page: MemoryPage) -> tuple[Block, ...]:
    def turn(label: str, to: int) -> dict[str, Any]:
        kind = str(page.kind or "")
        return button(label, memory_ids.ListMemories(agent_id=page.agent_id, kind=kind, page=to))

    newer = [turn("Newer", page.page - 1)] if page.page else []
    is_more = (page.page + 1) * PAGE < page.of_how_many
    older = [turn("Older", page.page + 1)] if is_more else []
    browse = actions([*newer, *older, turn("Browse and search", page.page)])
    if not newer and not older:
        return (browse,)
    pages = -(-page.of_how_many // PAGE)
    return (quiet(f"Page {page.page + 1} of {pages}"), browse)


def how_to_tell(command: str) -> str:
    """Say how an agent is told something to remember."""
    return f"`{escape(command)} remember <fact>` tells it something.".replace(
        "<fact>", "&lt;fact&gt;"
    )


def listed(page: MemoryPage) -> str:
    """Say which kinds a list has, and how others are found."""
    listed = f"{page.kind}s only" if page.kind else "facts, lessons and notes"
    return f"Listed: {listed}. {_searched(page)}"


def _searched(page: MemoryPage) -> str:
    how = "words and meaning" if page.by_meaning else "words"
    return f"Search finds every kind, by {how}."


def _search_words(*, by_meaning: bool) -> str:
    return f"Searched {'by words and meaning' if by_meaning else 'by words'}."


def mode_words(mode: SearchMode) -> str:
    """Say how memories were searched."""
    return _search_words(by_meaning=mode is not SearchMode.KEYWORD)
