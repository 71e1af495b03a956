"""What the buttons and forms about memories carry; part of ``ids``, which encodes it.

Whose memories are meant is the channel that the click comes from, by Slack's word; only which
agent's in it is carried. So no button leads to another channel.
"""

from dataclasses import dataclass

from agent_engine.types import AgentId, RunId, UserId


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgetMemory:
    """*Forget* under a memory."""

    agent_id: AgentId
    memory_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmMemory:
    """*Keep* under a proposed memory."""

    agent_id: AgentId
    memory_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectMemory:
    """*Correct* under a memory: opens the field with its words."""

    agent_id: AgentId
    memory_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PinMemory:
    """*Pin* or *Unpin* under a memory."""

    agent_id: AgentId
    memory_id: int
    pinned: bool
    """What it is to be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListMemories:
    """*Newer* or *Older* under a list."""

    agent_id: AgentId
    kind: str
    """One kind only; empty for those listed by themselves."""
    page: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgetScope:
    """*Forget everything here*."""

    agent_id: AgentId


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgetPerson:
    """*Forget it all*, about what comes from a person."""

    person: UserId
    with_tasks: bool = False
    """*Forget my tasks, too*."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UsedMemories:
    """*Memories* under an answer: shows what its run was told."""

    run_id: RunId


Change = ForgetMemory | ConfirmMemory | PinMemory
AboutOne = Change | CorrectMemory
MemoryAction = AboutOne | ListMemories | ForgetScope | ForgetPerson | UsedMemories


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectMemoryForm:
    """A memory in a person's own words."""

    agent_id: AgentId
    memory_id: int
    channel_id: str
    thread_ts: str
    view_id: str = ""
    """The modal of memories below this form; empty where there is none."""
    browsing: str = ""
    """What that modal carries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrowseForm:
    """The modal of memories: where, and which of them it shows."""

    agent_id: AgentId
    channel_id: str
    thread_ts: str
    run_id: str = ""
    """Shows what this run was told; empty for what the agent remembers."""
    kind: str = ""
    """One kind only; empty for those listed by themselves."""
    words: str = ""
    """What is searched for; empty to list."""
    page: int = 0


ACTIONS: dict[str, type[MemoryAction]] = {
    "memforget": ForgetMemory,
    "memkeep": ConfirmMemory,
    "memcorrect": CorrectMemory,
    "mempin": PinMemory,
    "memlist": ListMemories,
    "memforgetall": ForgetScope,
    "memforgetperson": ForgetPerson,
    "memused": UsedMemories,
}


def apart(action: MemoryAction) -> str:
    """Return what keeps the action_ids of one message apart."""
    match action:
        case ListMemories(page=page):
            return f"{page}"
        case ForgetScope(agent_id=agent_id):
            return agent_id
        case ForgetPerson(person=person, with_tasks=with_tasks):
            return f"{person}:{with_tasks}"
        case UsedMemories(run_id=run_id):
            return run_id
        case _:
            return f"{action.memory_id}"
