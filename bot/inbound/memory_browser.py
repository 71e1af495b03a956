"""The modal of memories: opened by a button, searched, turned over, and true after every click.

Where no modal can be opened, people get the list that ``MemoryDesk`` shows. A click changes
something by a command first and renders afterwards, so nothing is lost with the modal.
"""

import asyncio
import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple

from agent_engine.errors import StorageError
from agent_engine.memories import MemoryKind, MemoryScope
from agent_engine.types import AgentId, ChannelId, JsonObject, RunId, UserId
from bot.errors import SlackError
from bot.inbound import sentences
from bot.inbound.facts import Facts, beside_field, refusal, why_unwelcome
from bot.inbound.front_desk import OPEN_S, Place
from bot.inbound.intake import Surroundings
from bot.inbound.membership import may_read
from bot.inbound.memory_desk import MemoryDesk
from bot.inbound.personal_memory import scope_at
from bot.inbound.slack_events import Author, ButtonPressed, ViewSubmitted
from bot.inbound.words import Verb
from bot.outbound.blocks import ids, memory_ids, memory_modal
from bot.outbound.blocks.memories import LISTED, PAGE, MemoryPage
from bot.outbound.content import Content

SEARCH_S = 2.2
"""A search has to leave time for the acknowledgement, due after 3 s."""
MOST_PAGES = 1_300
"""More than the places of one kind fill."""
MOST_FOUND_PAGES = 12
"""A search goes this deep; what comes later fits little."""

logger = logging.getLogger(__name__)

_BROWSE = ids.callback_id(memory_ids.BrowseForm(agent_id=AgentId(""), channel_id="", thread_ts=""))


class NewView(NamedTuple):
    """What the submitted modal shows next, instead of closing."""

    view: JsonObject


class MemoryBrowser:
    """Takes clicks and submissions about memories; those in messages too."""

    def __init__(self, around: Surroundings, desk: MemoryDesk) -> None:
        self._around = around
        self._desk = desk

    async def press(
        self, event: ButtonPressed, action: ids.MemoryAction, place: Place | None
    ) -> None:
        """Take a click. Raises StorageError when its command could not be stored."""
        form = ids.read_form(event.callback_id, event.private_metadata)
        if isinstance(form, memory_ids.BrowseForm):
            await self._press_within(event, action, form)
        elif place is None:
            logger.info("click_ignored", extra={"reason": "nowhere"})
        elif isinstance(action, memory_ids.ListMemories | memory_ids.UsedMemories):
            if not await self._open(event, action, place):
                await self._desk.press(event, action, place)
        else:
            await self._desk.press(event, action, place)

    async def submit(
        self, form: ids.MemoryForm, event: ViewSubmitted
    ) -> Mapping[str, str] | NewView:
        """Take a submitted form; return what is wrong, or what the modal shows next."""
        if isinstance(form, memory_ids.BrowseForm):
            return await self._search(form, event)
        place = self._place(form, event.user_id)
        if not await may_read(self._around, place):
            return beside_field(event, sentences.NOT_A_MEMBER)
        errors = await self._desk.submit(form, event)
        within = ids.read_form(_BROWSE, form.browsing)
        if not errors and isinstance(within, memory_ids.BrowseForm):
            facts = await self._facts(place, home=event.home_workspace_id)
            said = sentences.MEMORY_CORRECTED
            await self._update(form.view_id, within, place, facts, said=said)
        return errors

    # --------------------------------------------------------------------------------------------

    async def _search(
        self, form: memory_ids.BrowseForm, event: ViewSubmitted
    ) -> Mapping[str, str] | NewView:
        place = self._place(form, event.user_id)
        wanted = memory_modal.read_search(form, event.values)
        try:
            async with asyncio.timeout(SEARCH_S):
                facts = await self._facts(place, home=event.home_workspace_id)
                refused = await self._why_refused(place, facts)
                if refused:
                    return NewView(view=memory_modal.refused_modal(form, refused))
                return NewView(view=await self._view(wanted, place, facts))
        except (StorageError, TimeoutError) as error:
            logger.warning("memories_not_searched", extra={"error": repr(error)[:200]})
            return beside_field(event, sentences.MEMORIES_NOT_SEARCHED)

    async def _open(
        self,
        event: ButtonPressed,
        action: memory_ids.ListMemories | memory_ids.UsedMemories,
        place: Place,
    ) -> bool:
        """Open the modal; False where that cannot be done."""
        form = await self._wanted(action, place)
        if form is None or not event.trigger_id:
            return False
        facts = await self._facts(place, home=event.home_workspace_id)
        if why_unwelcome(facts):
            return False
        view = await self._view(form, place, facts)
        try:
            async with asyncio.timeout(OPEN_S):
                await self._around.talk.open_view(event.trigger_id, view)
        except (SlackError, TimeoutError) as error:
            logger.warning("form_not_opened", extra={"error": repr(error)[:200]})
            return False
        return True

    async def _wanted(
        self, action: memory_ids.ListMemories | memory_ids.UsedMemories, place: Place
    ) -> memory_ids.BrowseForm | None:
        """Return what is to be shown; None for what is not of this channel, or is no page."""
        thread_ts = place.thread_ts or ""
        match action:
            case memory_ids.ListMemories(agent_id=agent_id, kind=kind, page=page):
                form = memory_ids.BrowseForm(
                    agent_id=agent_id, channel_id=place.channel_id, thread_ts=thread_ts
                )
                return _turned(form, kind=kind, page=page)
            case memory_ids.UsedMemories(run_id=run_id):
                run = await self._around.run(run_id, place)
                if run is None or run.scope.channel_id != place.channel_id:
                    return None
                return memory_ids.BrowseForm(
                    agent_id=run.scope.agent_id,
                    channel_id=place.channel_id,
                    thread_ts=thread_ts,
                    run_id=run_id,
                )

    async def _press_within(
        self, event: ButtonPressed, action: ids.MemoryAction, form: memory_ids.BrowseForm
    ) -> None:
        place = self._place(form, event.user_id)
        facts = await self._facts(place, home=event.home_workspace_id)
        if refused := await self._why_refused(place, facts):
            await self._put(event.view_id, memory_modal.refused_modal(form, refused))
            return
        match action:
            case memory_ids.ListMemories(kind=kind, page=page):
                turned = _turned(form, kind=kind, page=page)
                await self._update(event.view_id, turned or form, place, facts)
            case memory_ids.CorrectMemory():
                await self._correct(event, action, form, place, facts)
            case memory_ids.ForgetMemory() | memory_ids.ConfirmMemory() | memory_ids.PinMemory():
                said = await self._desk.change(event, action, place, facts)
                await self._update(event.view_id, form, place, facts, said=said)
            case _:
                logger.info("click_ignored", extra={"reason": "not_in_this_modal"})

    async def _correct(
        self,
        event: ButtonPressed,
        action: memory_ids.CorrectMemory,
        form: memory_ids.BrowseForm,
        place: Place,
        facts: Facts,
    ) -> None:
        view = await self._desk.correction(
            action, place, facts, view_id=event.view_id, browsing=event.private_metadata
        )
        if isinstance(view, str):
            await self._update(event.view_id, form, place, facts, said=view)
            return
        try:
            async with asyncio.timeout(OPEN_S):
                await self._around.talk.push_view(event.trigger_id, view)
        except (SlackError, TimeoutError) as error:
            logger.warning("form_not_opened", extra={"error": repr(error)[:200]})
            said = sentences.FORM_NOT_OPENED
            await self._update(event.view_id, form, place, facts, said=said)

    async def _update(
        self,
        view_id: str,
        form: memory_ids.BrowseForm,
        place: Place,
        facts: Facts,
        *,
        said: str = "",
    ) -> None:
        """Show in the modal how things stand; where it is gone, say what was done."""
        view = await self._view(form, place, facts, notice=said)
        if not await self._put(view_id, view) and said:
            await self._around.desk.tell(place, Content(text=said))

    async def _put(self, view_id: str, view: JsonObject) -> bool:
        """Let the modal show this; False where it is gone."""
        try:
            async with asyncio.timeout(OPEN_S):
                await self._around.talk.update_view(view_id, view)
        except (SlackError, TimeoutError) as error:
            logger.warning("form_not_updated", extra={"error": repr(error)[:200]})
            return False
        return True

    async def _why_refused(self, place: Place, facts: Facts) -> str:
        """Say why the modal shows nothing any more; it may be open since long ago."""
        if why_unwelcome(facts):
            return refusal(facts)
        return "" if await may_read(self._around, place) else sentences.NOT_A_MEMBER

    # -- what is shown ---------------------------------------------------------------------------

    async def _view(
        self, form: memory_ids.BrowseForm, place: Place, facts: Facts, *, notice: str = ""
    ) -> JsonObject:
        shelf = await self._shelf(form, place, facts)
        runs = {m.origin.run_id for m in shelf.memories if m.origin.run_id is not None}
        posts = await self._around.posts.posts_of(sorted(runs)) if runs else ()
        sources = memory_modal.Sources(
            workspace_url=self._around.whoami.identity.workspace_url,
            threads={post.run_id: post.thread for post in posts if post.run_id is not None},
        )
        return memory_modal.memories_modal(shelf, sources, notice=notice)

    async def _shelf(
        self, form: memory_ids.BrowseForm, place: Place, facts: Facts
    ) -> memory_modal.Shelf:
        scope = scope_at(place, form.agent_id)
        if form.run_id:
            run = await self._around.run(RunId(form.run_id), place)
            if run is None or MemoryScope.of_channel(run.scope) != scope:
                return memory_modal.used_shelf(form, (), told=0)
            there = await self._desk.used(run, place)
            return memory_modal.used_shelf(form, there, told=len(run.memories_used))
        if form.words:
            return await self._found(form, scope)
        return await self._listed(form, scope, facts)

    async def _found(self, form: memory_ids.BrowseForm, scope: MemoryScope) -> memory_modal.Shelf:
        page = min(form.page, MOST_FOUND_PAGES - 1)
        findings = await self._around.memories.search(
            scope, form.words, limit=(page + 1) * PAGE + 1, kinds=_kinds(form.kind, MemoryKind)
        )
        memories = [found.memory for found in findings.found][page * PAGE :]
        shown = replace(form, page=page)
        return memory_modal.found_shelf(shown, memories, mode=findings.mode)

    async def _listed(
        self, form: memory_ids.BrowseForm, scope: MemoryScope, facts: Facts
    ) -> memory_modal.Shelf:
        book = self._around.memories
        kinds = _kinds(form.kind, LISTED)
        tally = await book.tally(scope)
        pages = -(-sum(tally.get(kind, 0) for kind in kinds) // PAGE)
        # What was on the last page may be forgotten by now.
        page = min(form.page, max(0, pages - 1))
        shown = MemoryPage(
            agent_id=form.agent_id,
            agent_name=facts.agent.name,
            tally=tally,
            memories=await book.page(scope, kinds=kinds, offset=page * PAGE, limit=PAGE),
            kind=MemoryKind(form.kind) if form.kind else None,
            page=page,
            by_meaning=book.by_meaning,
            command=self._around.desk.screens.command_names[Verb.MEMORY],
        )
        return memory_modal.listed_shelf(replace(form, page=page), shown)

    # -- where and who ---------------------------------------------------------------------------

    def _place(self, form: ids.MemoryForm, user_id: UserId) -> Place:
        return Place(
            workspace_id=self._around.whoami.us.workspace_id,
            channel_id=ChannelId(form.channel_id),
            user_id=user_id,
            thread_ts=form.thread_ts or None,
        )

    async def _facts(self, place: Place, *, home: str | None) -> Facts:
        author = Author(user_id=place.user_id, home_workspace_id=home)
        return await self._around.facts_at(place, author)


def _turned(form: memory_ids.BrowseForm, *, kind: str, page: int) -> memory_ids.BrowseForm | None:
    """Return the modal's form for another page; None for what is no page of ours."""
    is_known = kind in {"", *map(str, MemoryKind)} and page in range(MOST_PAGES)
    if not is_known or not form.agent_id:
        return None
    return replace(form, run_id="", kind=kind, page=page)


def _kinds(kind: str, otherwise: Iterable[MemoryKind]) -> tuple[MemoryKind, ...]:
    return (MemoryKind(kind),) if kind else tuple(otherwise)
