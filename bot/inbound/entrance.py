"""Everything that takes something in, put together out of what it needs from elsewhere.

Used by ``app`` and by the tests. It opens nothing and starts nothing.
"""

from dataclasses import dataclass, field

from agent_engine.engine import Engine
from agent_engine.ports import Clock
from agent_engine.redaction import Redact, Redaction
from agent_engine.safeguards import ApprovalStore
from bot.agents_file import AgentsFile
from bot.inbound.call_desk import CallDesk, House
from bot.inbound.catch_up import CatchUp
from bot.inbound.channels import ChannelDirectory
from bot.inbound.forms import FormDesk
from bot.inbound.front_desk import FrontDesk
from bot.inbound.intake import Hooks, Intake, Surroundings
from bot.inbound.lanes import Underway
from bot.inbound.memory_desk import MemoryDesk
from bot.inbound.people import PeopleDirectory
from bot.inbound.screens import Screens
from bot.inbound.seen import SeenTracker
from bot.inbound.slash import SlashDesk, command_names
from bot.inbound.talk import SlackTalk
from bot.inbound.whoami import Whoami
from bot.ports import ChannelStore, FigureStore, MemoryReader, PersonStore, PostStore, ToolFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What the incoming side needs from elsewhere."""

    engine: Engine
    channels: ChannelStore
    people: PersonStore
    posts: PostStore
    talk: SlackTalk
    clock: Clock
    file: AgentsFile
    whoami: Whoami
    hooks: Hooks
    tools: tuple[str, ...] = ()
    """Names of all tools that agents can have, for the agent's form."""
    tool_facts: ToolFacts
    approvals: ApprovalStore
    memories: MemoryReader
    figures: FigureStore
    redact: Redact = Redaction().redact
    """Takes secrets out of what people say before it is stored."""
    is_offline: bool = False
    """No language model is configured; the introduction says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrance:
    """All ways in."""

    intake: Intake
    slash: SlashDesk
    forms: FormDesk
    seen: SeenTracker
    catch_up: CatchUp
    directory: ChannelDirectory
    underway: Underway = field(default_factory=Underway)
    """What has begun and not ended, so that a stop can wait for it."""


def build_entrance(needs: Needs) -> Entrance:
    """Put the ways in together."""
    directory = ChannelDirectory(
        store=needs.channels, engine=needs.engine, talk=needs.talk, file=needs.file
    )
    seen = SeenTracker(needs.channels)
    around = _surroundings(needs, directory, seen)
    intake = Intake(around, memories=MemoryDesk(around))
    return Entrance(
        intake=intake,
        slash=SlashDesk(around, intake=intake, names=around.desk.screens.command_names),
        forms=FormDesk(around, CallDesk(around, _house(needs))),
        seen=seen,
        catch_up=_catch_up(needs, directory, intake, seen),
        directory=directory,
    )


def _house(needs: Needs) -> House:
    return House(
        tools=needs.tool_facts,
        rules=needs.approvals,
        budgets=needs.file.day_budgets(),
        requester_extends=needs.file.slack.extend == "requester",
    )


def _surroundings(needs: Needs, directory: ChannelDirectory, seen: SeenTracker) -> Surroundings:
    slack = needs.file.slack
    screens = Screens(
        command_names=command_names(prefix=slack.command_prefix, has_short=slack.short_commands),
        tools=needs.tools,
        clock=needs.clock,
        is_offline=needs.is_offline,
    )
    desk = FrontDesk(
        engine=needs.engine,
        channels=directory,
        talk=needs.talk,
        screens=screens,
        standing=needs.approvals,
        figures=needs.figures,
        whoami=needs.whoami,
    )
    return Surroundings(
        engine=needs.engine,
        channels=directory,
        people=PeopleDirectory(store=needs.people, talk=needs.talk, clock=needs.clock),
        posts=needs.posts,
        talk=needs.talk,
        whoami=needs.whoami,
        desk=desk,
        seen=seen,
        hooks=needs.hooks,
        redact=needs.redact,
        memories=needs.memories,
    )


def _catch_up(
    needs: Needs, directory: ChannelDirectory, intake: Intake, seen: SeenTracker
) -> CatchUp:
    return CatchUp(
        engine=needs.engine,
        channels=needs.channels,
        directory=directory,
        talk=needs.talk,
        whoami=needs.whoami,
        intake=intake,
        seen=seen,
        now=needs.clock.now,
    )
