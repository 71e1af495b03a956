"""What is found by meaning: an agent's notes as vectors, exact within the scope."""

from typing import Any

from agent_engine.errors import RequestError
from agent_engine.memories import MemoryKind
from agent_engine.memory.stored import ScopedMemory, accounted


class VectorMemory(ScopedMemory):
    """A ``Memory`` of notes. Without an embedder they are found by their words alone."""

    kind = MemoryKind.NOTE

    async def embed_text(self, text: str) -> Any:  # noqa: ANN401 - an array of numpy, loaded late
        """Return the text as a vector: float32, of length 1.

        Raises:
            RequestError: this memory has no model for that.
            ModelError: the model does not answer.
        """
        import numpy as np  # noqa: PLC0415  # only where there are vectors

        shelves = self._shelves
        if shelves.embedder is None:
            raise RequestError("no model for embeddings is configured")
        async with accounted(shelves.store, shelves.scope.workspace_id) as settle:
            [embedding] = await shelves.embedder.passages([text], settle=settle)
        return np.frombuffer(embedding.vector, np.float32)
