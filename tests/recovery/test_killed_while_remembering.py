"""Killed while people tell, correct, pin, forget and export memories: all happens, and once."""

import re
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field

from sqlalchemy import select

from agent_engine.memories import MemoryKind, MemoryScope, NewMemory, Origin, Trust
from agent_engine.types import AgentId, ChannelId, UserId, WorkspaceId
from bot.inbound.sentences import NO_MEMORY, NOTHING_LEFT
from bot.local_slack.errors import RefusedError
from bot.local_slack.records import Message
from bot.outbound.blocks import ids, memory_ids
from storage.memory.indexes import indexes_of
from storage.memory.store import SqlMemoryStore
from storage.tables import audit_entries, memories
from tests.recovery.house import CHANNEL, PERSON, Builder, House
from tests.recovery.processes import BotProcess, DeathWish
from tests.recovery.sweep import Outcome, both_sides, each

AGENT = AgentId("default")
OTHER, SPEAKER = "grace", "linus"
"""The first is an admin, too."""
COMMAND, RECORD, BEGUN = "SqlCommandStore.carry_out", "drain", "SqlExportStore"
"""A command with what it does; its entry in the audit log; what is noted of a file."""
SHOWN = "shown long ago"
UNANSWERED = ("operation_timeout", "not_connected", "dispatch_failed")
"""What Slack tells a person whom the bot does not answer."""
CALLS = ("chat.postEphemeral", "views.open", "files.completeUploadExternal")
"""Those that answer somebody; the others only ask."""
ROWS = select(
    memories.c.text,
    memories.c.state,
    memories.c.trust,
    memories.c.pinned,
).order_by(memories.c.text)
ON_RECORD = select(audit_entries.c.decision).where(audit_entries.c.action == "memory")


@dataclass(frozen=True, slots=True, kw_only=True)
class Gesture:
    """What a person does, and what they are told then."""

    do: Callable[["Story"], Awaitable[None]]
    told: str
    """A pattern: the answer."""
    told_again: str = r"\A\Z"
    """A pattern: the answer to whoever does it again, for it was done and not answered."""
    person: str = PERSON
    is_redelivered: bool = False
    """Slack delivers it again by itself."""


@dataclass(slots=True, kw_only=True)
class Story:
    """How far people have got in one house."""

    house: House
    seeds: list[int] = field(default_factory=list)
    at: int = 0
    is_said: bool = False
    """The gesture that Slack delivers again was made."""
    answers: list[list[str]] = field(default_factory=lambda: [[] for _ in GESTURES])

    def scope(self, *, direct: bool = False) -> MemoryScope:
        """Whose memories are meant in the channel, or in the person's own conversation."""
        channel = self.house.workspace.dm(PERSON).id if direct else self.house.channel_id
        return MemoryScope(
            workspace_id=WorkspaceId(self.house.workspace.team_id),
            channel_id=ChannelId(channel),
            agent_id=AGENT,
        )

    async def begin(self) -> None:
        """Let there be memories before anybody asks."""
        store = SqlMemoryStore(self.house.database, indexes_of(self.house.database))
        told = [(text, PERSON, False) for text in ("the lathe", "the vault", "the mill")]
        told += [("the dam", PERSON, True), ("the reef", OTHER, False), ("the moor", OTHER, True)]
        for text, person, direct in told:
            origin = Origin(person=UserId(self.house.workspace.person(person).id))
            memory = NewMemory(kind=MemoryKind.FACT, text=text, trust=Trust.PERSON, origin=origin)
            self.seeds.append((await store.keep(self.scope(direct=direct), memory)).id)

    async def go_on(self, bot: BotProcess) -> None:
        """Do what is still to be done, until it is done or the bot is dead."""
        while self.at < len(GESTURES) and bot.exit_code is None:
            gesture = GESTURES[self.at]
            before = 0 if gesture.is_redelivered else len(self.heard(gesture))
            try:
                await gesture.do(self)
                if gesture.is_redelivered:
                    await self.until_heard(gesture, bot)
            except RefusedError as error:
                if error.code not in UNANSWERED:
                    raise
                await bot.until_ended()
            if not gesture.is_redelivered:
                self.answers[self.at] += self.heard(gesture)[before:]
            if bot.exit_code is None:
                self.at += 1

    def heard(self, gesture: Gesture) -> list[str]:
        """Return all that the person was told so far, alone or in their own conversation."""
        found = self.house.workspace.person(gesture.person).ephemerals()
        return [message.text for message in found if message.text != SHOWN]

    async def until_heard(self, gesture: Gesture, bot: BotProcess) -> None:
        """Wait for an answer that no acknowledgement brings."""
        await self.house.workspace.until(
            lambda: bot.exit_code is not None or bool(self.heard(gesture))
        )

    async def press(
        self, action: memory_ids.MemoryAction, *, person: str = PERSON, direct: bool = False
    ) -> None:
        """Press a button that Slack has shown since long ago."""
        button = {"type": "button", "action_id": ids.action_id(action), "value": ids.value(action)}
        workspace = self.house.workspace
        who, core = workspace.person(person), workspace.core
        shown = Message(
            ts=core.mint.ts(),
            channel=workspace.dm(person).id if direct else self.house.channel_id,
            user=workspace.bot_user_id,
            text=SHOWN,
            blocks=[{"type": "actions", "block_id": "b", "elements": [button]}],
            ephemeral_to=who.id,
        )
        core.state.ephemerals[shown.ts] = shown
        await who.click(shown.channel, shown.ts, button["action_id"])

    async def slash(self, text: str) -> None:
        """Give the command."""
        await self.house.workspace.person(PERSON).slash(CHANNEL, "/memory", text)

    async def mention(self) -> None:
        """Tell a fact in words, once: Slack sees to it that they arrive."""
        if not self.is_said:
            self.is_said = True
            words = f"<@{self.house.workspace.bot_user_id}> memory remember the gate is blue"
            await self.house.workspace.person(SPEAKER).post(CHANNEL, words)

    async def correct(self) -> None:
        """Open the form and send it in."""
        action = memory_ids.CorrectMemory(agent_id=AGENT, memory_id=self.seeds[1])
        await self.press(action)
        person = self.house.workspace.person(PERSON)
        form = person.modal()
        if form is None:  # somebody else has the sentence
            return
        [block] = [block for block in form.payload["blocks"] if block["type"] == "input"]
        value = {"type": "plain_text_input", "value": "the vault is shut"}
        await person.submit(form.id, {block["block_id"]: {block["element"]["action_id"]: value}})

    async def forget_one(self) -> None:
        """Press *Forget*."""
        await self.press(memory_ids.ForgetMemory(agent_id=AGENT, memory_id=self.seeds[2]))


async def _pin(story: Story) -> None:
    action = memory_ids.PinMemory(agent_id=AGENT, memory_id=story.seeds[0], pinned=True)
    await story.press(action)


async def _forget_here(story: Story) -> None:
    await story.press(memory_ids.ForgetScope(agent_id=AGENT), direct=True)


async def _forget_me(story: Story) -> None:
    person = UserId(story.house.workspace.person(OTHER).id)
    await story.press(memory_ids.ForgetPerson(person=person), person=OTHER)


async def _forget_them(story: Story) -> None:
    person = UserId(story.house.workspace.person(SPEAKER).id)
    await story.press(memory_ids.ForgetPerson(person=person), person=OTHER)


async def _remember(story: Story) -> None:
    await story.slash("remember the kiln is green")


async def _export(story: Story) -> None:
    await story.slash("export")


GESTURES: Sequence[Gesture] = (
    Gesture(do=_remember, told=r"Remembered"),
    Gesture(do=Story.mention, told=r"Remembered", person=SPEAKER, is_redelivered=True),
    Gesture(do=_pin, told=r"Pinned"),
    Gesture(do=Story.correct, told=r"Corrected", told_again=NO_MEMORY),
    Gesture(do=Story.forget_one, told=r"Forgotten, with .* 1 memory in all", told_again=NO_MEMORY),
    Gesture(do=_export, told=r"I am sending you 5 memories"),
    Gesture(do=_forget_me, told=r"Forgotten: 2 memories", told_again=NOTHING_LEFT, person=OTHER),
    Gesture(do=_forget_them, told=r"Forgotten: 1 memory", told_again=NOTHING_LEFT, person=OTHER),
    Gesture(do=_forget_here, told=r"Forgotten: 1 memory", told_again=NOTHING_LEFT),
)
"""What is told in a channel comes as two events: there is one command more than gestures."""


async def test_what_people_ask_of_memories_happens_once_wherever_the_bot_dies(
    sqlite_builder: Builder,
):
    plain = await _undisturbed(sqlite_builder)
    assert len(plain.points) > 15, plain.points
    await _sweep(sqlite_builder, plain, plain.points)


async def test_the_same_holds_where_the_database_is_a_server(postgres_builder: Builder):
    plain = await _undisturbed(postgres_builder)
    commands = [point for point in plain.points if point.startswith(COMMAND)]
    # What Slack delivers once more, for it was kept waiting, is one more command in some lives.
    await _sweep(postgres_builder, plain, [commands[0], commands[len(GESTURES)]])


# ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Undisturbed:
    """What is left with nobody dying, and at which points somebody may."""

    held: Sequence[object]
    recorded: Counter[str]
    points: Sequence[str]


async def _undisturbed(builder: Builder) -> _Undisturbed:
    async with builder.house("undisturbed", admin=OTHER) as house:
        story = Story(house=house)
        await story.begin()
        async with house.bot() as bot:
            await house.until_connected(bot)
            await story.go_on(bot)
            await house.until_settled(bot)
            points = [write for write in bot.writes if write.startswith((COMMAND, BEGUN))]
            points += [write for write in bot.writes if write.startswith(RECORD)][-1:]
            points += [call for call in house.doorman.calls if call.startswith(CALLS)]
        assert list(_wrongly_told(story)) == []
        held, recorded = await house.read(ROWS), await _recorded(house)
    assert recorded.total() == len(GESTURES)
    return _Undisturbed(held=held, recorded=recorded, points=points)


async def _sweep(builder: Builder, plain: _Undisturbed, points: Sequence[str]) -> None:
    async def live(wish: DeathWish) -> Outcome:
        async with builder.house(f"{wish.side}-{wish.at}", admin=OTHER) as house:
            story = Story(house=house)
            await story.begin()
            died = await _die_and_go_on(story, wish)
            wrong = list(_wrongly_told(story))
            if (held := await house.read(ROWS)) != plain.held:
                wrong.append(f"held is {held}")
            recorded = await _recorded(house)
            most = plain.recorded.total() + 1  # what was done and not answered is done again
            if set(recorded) != set(plain.recorded) or recorded.total() > most:
                wrong.append(f"on record is {recorded}")
            if (files := _files(house)) != recorded["exported"]:
                wrong.append(f"{files} files came")
        return Outcome(died=died, wrong=wrong)

    await each(both_sides(points), live)


def _files(house: House) -> int:
    messages = house.workspace.dm(PERSON).messages.values()
    return sum(len(message.files) for message in messages)


async def _recorded(house: House) -> Counter[str]:
    return Counter(row.decision for row in await house.read(ON_RECORD))


async def _die_and_go_on(story: Story, wish: DeathWish) -> bool:
    """Let a bot die on the way and another one go on; say whether one died."""
    house = story.house
    at_write, at_call = (None, wish) if wish.at.startswith(CALLS) else (wish, None)
    async with house.bot(at_write=at_write, at_call=at_call) as bot:
        await house.until_connected(bot)
        await story.go_on(bot)
        if bot.exit_code is None:
            await house.until_over(bot)
        died = bot.exit_code is not None
    async with house.bot() as bot:
        await house.until_connected(bot)
        await story.go_on(bot)
        await house.until_settled(bot)
    return died


def _wrongly_told(story: Story) -> Iterator[str]:
    """Name the gestures that were not answered, answered wrongly, or more than twice."""
    lives = story.house.lives
    for number, (gesture, answers) in enumerate(zip(GESTURES, story.answers, strict=True), start=1):
        told = story.heard(gesture) if gesture.is_redelivered else answers
        fits = re.compile(f"{gesture.told}|{gesture.told_again}" if lives > 1 else gesture.told)
        if len(told) not in range(1, lives + 1) or not all(map(fits.match, told)):
            yield f"after gesture {number} people were told {told}"
