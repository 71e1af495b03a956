"""What people ask of an agent's memory: by a command, by words in a thread, by buttons and forms.

Whose memories are meant is the channel that Slack names, never what a button carries. Everyone who
may work with the agent sees what it remembers there; who may change it is looked up at every click.
"""

from collections.abc import Mapping, Sequence

from agent_engine.commands import Declined
from agent_engine.memories import MemoryKind, MemoryScope, MemoryState, StoredMemory
from agent_engine.memory_commands import (
    CorrectMemory,
    ExportMemories,
    ForgetPerson,
    ForgetScope,
    MemoriesChanged,
    RememberFact,
)
from agent_engine.types import AgentId, ChannelId, JsonObject, RunSnapshot, UserId
from bot.inbound import memory_words, sentences
from bot.inbound import words as slack_words
from bot.inbound.facts import (
    Facts,
    beside_field,
    click_keys,
    is_admin,
    may_change_memory,
    refusal,
    why_unwelcome,
)
from bot.inbound.front_desk import Place
from bot.inbound.intake import Surroundings
from bot.inbound.memory_changes import all_forgotten, change_command
from bot.inbound.personal_memory import (
    choose,
    is_conversation,
    own_scope,
    remembered,
    scope_at,
    scope_told,
)
from bot.inbound.slack_events import Author, ButtonPressed, ViewSubmitted
from bot.inbound.words import Verb
from bot.outbound.blocks import memories as blocks
from bot.outbound.blocks import memory_ids
from bot.outbound.blocks.parts import section
from bot.outbound.blocks.tasks_list import thread_url
from bot.outbound.content import Content
from bot.outbound.text import count

_IDS = range(1, 2**31)


class MemoryDesk:
    """Takes what people want to see of memories, and done about them."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around

    async def answer(
        self, argument: str, place: Place, facts: Facts, *, keys: tuple[str, ...]
    ) -> Content:
        """Do what the words behind the verb say and return what the person is shown."""
        if why_unwelcome(facts):
            return Content(text=refusal(facts))
        scope = scope_at(place, facts.agent.id)
        if argument.lower() == "help":
            return self._around.desk.screens.help(Verb.MEMORY)
        order = memory_words.read_order(argument)
        match order:
            case memory_words.Unclear(said=said):
                return self._unclear(said)
            case memory_words.Personal():
                return await choose(order, scope, place, self._around, keys)
            case memory_words.Export(is_own=is_own):
                return await self._export(own_scope(place) if is_own else scope, place, keys)
            case memory_words.ListThem(kind=kind, is_own=is_own):
                whose = own_scope(place) if is_own else scope
                return await self._page(whose, facts.agent.name, kind=kind, page=0)
            case memory_words.Remember():
                return await self._remember(order, scope, place, keys)
            case memory_words.Search() | memory_words.ShowOne():
                return await self._look(order, scope, place)
            case _:
                return await self._ask_to_forget(order, scope, place, facts)

    async def press(
        self, event: ButtonPressed, action: memory_ids.MemoryAction, place: Place
    ) -> None:
        """Take a click. Raises StorageError when its command could not be stored."""
        facts = await self._facts(place, home=event.home_workspace_id)
        if why_unwelcome(facts):
            await self._say(place, refusal(facts))
            return
        match action:
            case memory_ids.ListMemories(agent_id=agent_id, kind=kind, page=page):
                await self._turn(scope_at(place, agent_id), facts, place, kind=kind, page=page)
            case memory_ids.UsedMemories():
                await self._used(action, place)
            case memory_ids.ForgetScope(agent_id=agent_id):
                scope = scope_at(place, agent_id)
                command = ForgetScope(scope=scope, by=event.user_id)
                is_allowed = _may_clear(place, facts)
                await self._forget_all(command, event, place, may=is_allowed)
            case memory_ids.ForgetPerson(person=person, with_tasks=with_tasks):
                whose = ForgetPerson(
                    workspace_id=place.workspace_id,
                    person=person,
                    by=event.user_id,
                    with_tasks=with_tasks,
                )
                is_allowed = person == event.user_id or is_admin(facts)
                await self._forget_all(whose, event, place, may=is_allowed)
            case _:
                await self._press_one(event, action, place, facts)

    async def submit(
        self, form: memory_ids.CorrectMemoryForm, event: ViewSubmitted
    ) -> Mapping[str, str]:
        """Take a submitted form; return what is wrong, by block id, empty when all is well."""
        place = Place(
            workspace_id=self._around.whoami.us.workspace_id,
            channel_id=ChannelId(form.channel_id),
            user_id=event.user_id,
            thread_ts=form.thread_ts or None,
        )
        facts = await self._facts(place, home=event.home_workspace_id)
        if why_unwelcome(facts):
            return beside_field(event, refusal(facts))
        found = await self._theirs(form.agent_id, form.memory_id, place, facts)
        if isinstance(found, str):
            return beside_field(event, found)
        text = blocks.read_correction(event.values)
        if not text:
            return beside_field(event, sentences.EMPTY_MEMORY)
        command = CorrectMemory(
            scope=found.scope,
            memory_id=found.id,
            text=self._around.redact(text),
            by=event.user_id,
        )
        outcome = await self._around.engine.carry_out(command, keys=[f"view:{event.view_id}"])
        if isinstance(outcome, Declined):
            return beside_field(event, sentences.NO_MEMORY)
        if not form.view_id:
            await self._say(place, sentences.MEMORY_CORRECTED)
        return {}

    async def change(
        self, event: ButtonPressed, action: memory_ids.Change, place: Place, facts: Facts
    ) -> str:
        """Do what a click wants of one memory; return what is to be said, empty for nothing."""
        memory = await self._theirs(action.agent_id, action.memory_id, place, facts)
        if isinstance(memory, str):
            return memory
        command, done = change_command(action, memory, event.user_id)
        match await self._around.engine.carry_out(command, keys=click_keys(event)):
            case MemoriesChanged(count=changed):
                return done.format(count=count(changed, "memory", "memories"))
            case Declined():
                return sentences.NO_MEMORY
            case _:
                return ""

    async def correction(
        self,
        action: memory_ids.CorrectMemory,
        place: Place,
        facts: Facts,
        *,
        view_id: str = "",
        browsing: str = "",
    ) -> JsonObject | str:
        """Return the form with a memory's words, or why this person does not get it."""
        memory = await self._theirs(action.agent_id, action.memory_id, place, facts)
        if isinstance(memory, str):
            return memory
        form = memory_ids.CorrectMemoryForm(
            agent_id=action.agent_id,
            memory_id=memory.id,
            channel_id=place.channel_id,
            thread_ts=place.thread_ts or "",
            view_id=view_id,
            browsing=browsing,
        )
        return blocks.correct_modal(form, memory)

    # -- what is shown ---------------------------------------------------------------------------

    async def _look(
        self, order: memory_words.Search | memory_words.ShowOne, scope: MemoryScope, place: Place
    ) -> Content:
        match order:
            case memory_words.Search(words=said):
                return await self._found(scope, slack_words.plain(said), to_forget=False)
            case memory_words.ShowOne(memory_id=memory_id):
                return await self._one(scope, memory_id, place, to_forget=False)

    async def _ask_to_forget(
        self, order: memory_words.Forgetting, scope: MemoryScope, place: Place, facts: Facts
    ) -> Content:
        match order:
            case memory_words.ForgetWords(words=said):
                return await self._found(scope, slack_words.plain(said), to_forget=True)
            case memory_words.ForgetOne(memory_id=memory_id):
                return await self._one(scope, memory_id, place, to_forget=True)
            case memory_words.ForgetEverything():
                return await self._ask_everything(scope, place, facts)
            case memory_words.ForgetFrom(person=person):
                return _ask_person(person or place.user_id, facts)

    async def _page(
        self, scope: MemoryScope, agent_name: str, *, kind: MemoryKind | None, page: int
    ) -> Content:
        memories = self._around.memories
        kinds = blocks.LISTED if kind is None else (kind,)
        offset = page * blocks.PAGE
        shown = blocks.MemoryPage(
            agent_id=scope.agent_id,
            agent_name=agent_name,
            tally=await memories.tally(scope),
            memories=await memories.page(scope, kinds=kinds, offset=offset, limit=blocks.PAGE),
            kind=kind,
            page=page,
            by_meaning=memories.by_meaning,
            command=self._command,
        )
        return blocks.page_content(shown)

    async def _turn(
        self, scope: MemoryScope, facts: Facts, place: Place, *, kind: str, page: int
    ) -> None:
        if page not in range(10_000) or kind not in {"", *map(str, MemoryKind)}:
            await self._say(place, sentences.UNKNOWN_BUTTON)
            return
        wanted = MemoryKind(kind) if kind else None
        content = await self._page(scope, facts.agent.name, kind=wanted, page=page)
        await self._around.desk.tell(place, content)

    async def _found(self, scope: MemoryScope, said: str, *, to_forget: bool) -> Content:
        findings = await self._around.memories.search(scope, said, limit=blocks.PAGE)
        memories = [found.memory for found in findings.found]
        if to_forget and len(memories) == 1:
            return blocks.to_forget_content(await self._versions(scope, memories[0].id))
        return blocks.found_content(memories, words=said, mode=findings.mode, to_forget=to_forget)

    async def _one(
        self, scope: MemoryScope, memory_id: int, place: Place, *, to_forget: bool
    ) -> Content:
        history = await self._versions(scope, memory_id)
        history = history or await self._versions(own_scope(place), memory_id)
        if not history:
            return Content(text=sentences.NO_SUCH_MEMORY.format(number=memory_id))
        if to_forget:
            return blocks.to_forget_content(history)
        run = await self._around.run(history[0].origin.run_id, place)
        thread = run.thread if run is not None else None
        base = self._around.whoami.identity.workspace_url
        url = None if thread is None else thread_url(thread, workspace_url=base)
        return blocks.one_content(history, thread_url=url)

    async def _used(self, action: memory_ids.UsedMemories, place: Place) -> None:
        run = await self._around.run(action.run_id, place)
        if run is None or run.scope.channel_id != place.channel_id:
            await self._say(place, sentences.UNKNOWN_BUTTON if run else sentences.TASK_IS_GONE)
            return
        there = await self.used(run, place)
        content = blocks.used_content(there, gone=len(run.memories_used) - len(there))
        await self._around.desk.tell(place, content)

    async def used(self, run: RunSnapshot, place: Place) -> Sequence[StoredMemory]:
        """Return what the run was told that is still there, and may be seen by who asks."""
        found = [
            await self._versions(scope_told(run, use, place), use.id) for use in run.memories_used
        ]
        return [history[0] for history in found if history]

    async def _export(self, scope: MemoryScope, place: Place, keys: tuple[str, ...]) -> Content:
        command = ExportMemories(scope=scope, by=place.user_id)
        outcome = await self._around.engine.carry_out(command, keys=keys)
        if not isinstance(outcome, MemoriesChanged):
            return Content(text=sentences.EXPORT_UNDERWAY)
        told = count(outcome.count, "memory", "memories")
        return Content(text=sentences.MEMORIES_EXPORTED.format(count=told))

    # -- what is done ----------------------------------------------------------------------------

    async def _remember(
        self,
        order: memory_words.Remember,
        here: MemoryScope,
        place: Place,
        keys: tuple[str, ...],
    ) -> Content:
        scope, said = await remembered(order, here, place, self._around)
        said = said.format(command=self._command)
        text = self._around.redact(slack_words.plain(order.text))
        fact = RememberFact(scope=scope, text=text, by=place.user_id)
        outcome = await self._around.engine.carry_out(fact, keys=keys)
        if not isinstance(outcome, MemoriesChanged) or outcome.memory_id is None:
            return Content(text=said)
        history = await self._versions(scope, outcome.memory_id)
        shown = blocks.entry_blocks(history[0]) if history else ()
        return Content(text=said, blocks=(section(said), *shown))

    async def _ask_everything(self, scope: MemoryScope, place: Place, facts: Facts) -> Content:
        if not _may_clear(place, facts):
            return Content(text=sentences.ADMINS_FORGET_EVERYTHING)
        tally = await self._around.memories.tally(scope)
        if not tally:
            return Content(text=sentences.NOTHING_REMEMBERED)
        return blocks.forget_scope_content(scope.agent_id, tally=tally)

    async def _forget_all(
        self, command: ForgetScope | ForgetPerson, event: ButtonPressed, place: Place, *, may: bool
    ) -> None:
        if not may:
            is_scope = isinstance(command, ForgetScope)
            by_admins = sentences.ADMINS_FORGET_EVERYTHING
            await self._say(place, by_admins if is_scope else sentences.ADMINS_FORGET_OTHERS)
            return
        outcome = await self._around.engine.carry_out(command, keys=click_keys(event))
        if isinstance(outcome, MemoriesChanged):
            await self._say(place, all_forgotten(outcome))

    async def _press_one(
        self, event: ButtonPressed, action: memory_ids.AboutOne, place: Place, facts: Facts
    ) -> None:
        if isinstance(action, memory_ids.CorrectMemory):
            view = await self.correction(action, place, facts)
            if isinstance(view, str):
                await self._say(place, view)
            else:
                await self._around.desk.open(event.trigger_id, view, place)
        elif said := await self.change(event, action, place, facts):
            await self._say(place, said)

    # -- small things ----------------------------------------------------------------------------

    async def _theirs(
        self, agent_id: AgentId, memory_id: int, place: Place, facts: Facts
    ) -> StoredMemory | str:
        """Return the memory when this person may change it, else a sentence that says why not."""
        history = await self._versions(scope_at(place, agent_id), memory_id)
        if not history:
            return sentences.NO_MEMORY
        memory = history[0]
        run = await self._around.run(memory.origin.run_id, place)
        if _may_clear(place, facts) or may_change_memory(facts, memory, run):
            return memory
        return sentences.may_not_change_memory(memory.origin.person)

    async def _versions(self, scope: MemoryScope, memory_id: int) -> Sequence[StoredMemory]:
        """Return the memory and what it said before; nothing when something took its place."""
        if memory_id not in _IDS:
            return ()
        history = await self._around.memories.history(scope, memory_id)
        is_there = bool(history) and history[0].state is not MemoryState.SUPERSEDED
        return history if is_there else ()

    def _unclear(self, said: str) -> Content:
        short = slack_words.escaped(slack_words.plain(said)[:40]).replace("`", "'")
        known = slack_words.escaped(memory_words.UNDERSTOOD)
        return Content(text=sentences.wrong_argument(self._command, short, known=known))

    @property
    def _command(self) -> str:
        return self._around.desk.screens.command_names[Verb.MEMORY]

    async def _say(self, place: Place, sentence: str) -> None:
        await self._around.desk.tell(place, Content(text=sentence))

    async def _facts(self, place: Place, *, home: str | None) -> Facts:
        author = Author(user_id=place.user_id, home_workspace_id=home)
        return await self._around.facts_at(place, author)


def _ask_person(person: UserId, facts: Facts) -> Content:
    is_self = person == facts.person.user_id
    if not is_self and not is_admin(facts):
        return Content(text=sentences.ADMINS_FORGET_OTHERS)
    return blocks.forget_person_content(person, is_self=is_self)


def _may_clear(place: Place, facts: Facts) -> bool:
    """Say whether all that is remembered here is up to this person: their own conversation."""
    return is_admin(facts) or is_conversation(place)
