"""What a click on a memory's button asks for, as command and sentence; what forgetting came to."""

from agent_engine.memories import StoredMemory
from agent_engine.memory_commands import (
    ConfirmMemory,
    ForgetMemory,
    MemoriesChanged,
    MemoryCommand,
    PinMemory,
    TasksErased,
)
from agent_engine.types import UserId
from bot.inbound import sentences
from bot.outbound.blocks import memory_ids
from bot.outbound.text import count


def change_command(
    action: memory_ids.Change, memory: StoredMemory, by: UserId
) -> tuple[MemoryCommand, str]:
    """Return the command of a click, and what is said when it was carried out."""
    scope, at = memory.scope, memory.id
    match action:
        case memory_ids.ForgetMemory():
            return ForgetMemory(scope=scope, memory_id=at, by=by), sentences.MEMORY_FORGOTTEN
        case memory_ids.ConfirmMemory():
            return ConfirmMemory(scope=scope, memory_id=at, by=by), sentences.REMEMBERED
        case memory_ids.PinMemory(pinned=pinned):
            done = sentences.MEMORY_PINNED if pinned else sentences.MEMORY_UNPINNED
            return PinMemory(scope=scope, memory_id=at, pinned=pinned, by=by), done


def all_forgotten(outcome: MemoriesChanged) -> str:
    """Say how much went with all of a scope or a person, and what was left."""
    gone = [count(outcome.count, "memory", "memories")]
    if outcome.remarks:
        gone.append(f"what was said with {count(outcome.remarks, 'rating')}")
    erased = outcome.erased
    if erased is None or not erased.tasks:
        nothing = not outcome.count and not outcome.remarks
        said = sentences.ALL_FORGOTTEN.format(count=" and ".join(gone))
        said = sentences.NOTHING_LEFT if nothing else said
        return " ".join([said, *_left(erased)]) if erased else said
    gone.append(f"{count(erased.tasks, 'task')} with plans, results and files")
    messages = count(erased.messages, "message")
    said = sentences.TASKS_FORGOTTEN.format(count=", ".join(gone), messages=messages)
    return " ".join([said, *_left(erased)])


def _left(erased: TasksErased) -> list[str]:
    left = []
    if erased.under_way:
        left.append(sentences.TASKS_STAY.format(tasks=count(erased.under_way, "task")))
    if erased.later:
        left.append(sentences.MORE_TASKS.format(tasks=count(erased.later, "more task")))
    return left
