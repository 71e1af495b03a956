"""What routing knows and what it can say: facts in, routes out. Values and authority, pure.

Facts that were not gathered are None, and then nothing is granted that depends on them.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from agent_engine.commands import Command
from agent_engine.memories import StoredMemory
from agent_engine.places import Person, Post
from agent_engine.types import (
    AgentProfile,
    Lesson,
    ProposedCall,
    RunId,
    RunSnapshot,
    UserId,
    Wait,
    WorkspaceId,
)
from bot.inbound import sentences
from bot.inbound.slack_events import ButtonPressed, Origin, ViewSubmitted
from bot.inbound.words import Verb
from bot.outbound.blocks import ids
from bot.outbound.blocks.approval import asked_people


@dataclass(frozen=True, slots=True, kw_only=True)
class Us:
    """Who we are in this workspace, and who may do more here."""

    workspace_id: WorkspaceId
    user_id: UserId
    bot_id: str
    admins: frozenset[UserId] = frozenset()
    """Configured ones; the workspace's own are known from their ``Person``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known around an event."""

    us: Us
    agent: AgentProfile
    person: Person
    latest_run: RunId | None = None
    """The newest run of the thread's task."""
    run: RunSnapshot | None = None
    """The run that is to be stopped or decided about."""
    post: Post | None = None
    """Our post that was reacted to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Do:
    """Carry a command out, once for these keys."""

    command: Command
    keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """Tell the person one sentence that nobody else sees."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Show:
    """Show what a verb asks for, to the person alone."""

    verb: Verb
    argument: str = ""
    """What stands behind it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    """Open a form."""

    form: ids.PlainForm


@dataclass(frozen=True, slots=True, kw_only=True)
class Ignored:
    """Do nothing, and why: a constant word, optionally with a detail behind a colon."""

    reason: str


Route = Do | Reply | Show | Open | Ignored


def is_admin(facts: Facts) -> bool:
    """Say whether the person is an admin: of the workspace, or configured."""
    return facts.person.is_admin or facts.person.user_id in facts.us.admins


def may_decide(facts: Facts, call: ProposedCall) -> bool:
    """Say whether the person may approve and deny this call."""
    return is_admin(facts) or facts.person.user_id in call.approvers


def may_repeat(facts: Facts, run: RunSnapshot, wait: Wait) -> bool:
    """Say whether the person may have a call made that may have been made already."""
    return is_admin(facts) or facts.person.user_id in asked_people(run, wait)


def owns(facts: Facts, run: RunSnapshot) -> bool:
    """Say whether the run is the person's own, or they are an admin."""
    return is_admin(facts) or facts.person.user_id == run.requester


def may_extend(facts: Facts, run: RunSnapshot, *, requester_extends: bool) -> bool:
    """Say whether the person may raise the limits that a task of theirs, or another, ended at."""
    return owns(facts, run) if requester_extends else is_admin(facts)


def may_change_lesson(facts: Facts, lesson: Lesson, run: RunSnapshot) -> bool:
    """Say whether the person may forget or correct what was learned from the run."""
    return facts.person.user_id == lesson.person or owns(facts, run)


def may_change_memory(facts: Facts, memory: StoredMemory, run: RunSnapshot | None) -> bool:
    """Say whether the person may confirm, correct, pin and forget what is remembered.

    Whom it comes from, whoever asked for the task that it comes from, and admins.
    """
    is_theirs = facts.person.user_id == memory.origin.person
    return is_theirs or (is_admin(facts) if run is None else owns(facts, run))


def may_stop(facts: Facts) -> bool:
    """Say whether the person may stop the run: its requester, or an admin."""
    return is_admin(facts) if facts.run is None else owns(facts, facts.run)


def why_unwelcome(facts: Facts) -> str | None:
    """Say why the person may not start and steer tasks of this agent; None when they may."""
    person, agent = facts.person, facts.agent
    if person.is_bot and not agent.allow_bots:
        return "bot"
    if person.is_external and not agent.allow_guests:
        return "external"
    if person.is_guest and not agent.allow_guests:
        return "guest"
    return None


def refusal(facts: Facts) -> str:
    """Say to the person why they may not."""
    return sentences.refusal(why_unwelcome(facts) or "", agent_name=facts.agent.name)


def click_keys(event: ButtonPressed) -> tuple[str, ...]:
    """Return the keys under which this click is carried out once."""
    return (f"act:{event.trigger_id}",) if event.trigger_id else ()


def delivery_keys(origin: Origin) -> tuple[str, ...]:
    """Return the keys under which this delivery is carried out once."""
    return (f"ev:{origin.delivery_id}",) if origin.delivery_id else ()


def beside_field(event: ViewSubmitted, sentence: str) -> Mapping[str, str]:
    """Return a sentence to be shown in a modal: Slack wants it beside a field."""
    first = next(iter(event.values), None)
    return {} if first is None else {first: sentence}
