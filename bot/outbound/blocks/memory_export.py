"""Memories as a JSON file that people can keep. Pure."""

import json
from collections.abc import Sequence

from agent_engine.memories import StoredMemory
from agent_engine.types import JsonObject


def exported(memories: Sequence[StoredMemory]) -> bytes:
    """Return all that people may know of these memories, as JSON."""
    told = {"memories": [_told(memory) for memory in memories]}
    return json.dumps(told, indent=1, default=str).encode()


def _told(memory: StoredMemory) -> JsonObject:
    return {
        "id": memory.id,
        "kind": str(memory.kind),
        "state": str(memory.state),
        "text": memory.text,
        "key": memory.key,
        "trust": str(memory.trust),
        "person": memory.origin.person,
        "task_id": memory.origin.task_id,
        "created_at": memory.created_at.isoformat(),
        "expires_at": memory.expires_at.isoformat() if memory.expires_at else None,
        "access_count": memory.access_count,
        "pinned": memory.pinned,
        "weight": memory.weight,
        "details": dict(memory.details),
    }
