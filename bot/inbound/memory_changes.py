"""What a click on one memory's button asks for, as a command and a sentence. Pure."""

from agent_engine.memories import StoredMemory
from agent_engine.memory_commands import ConfirmMemory, ForgetMemory, MemoryCommand, PinMemory
from agent_engine.types import UserId
from bot.inbound import sentences
from bot.outbound.blocks import memory_ids


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
