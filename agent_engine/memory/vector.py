"""What is found by meaning: an agent's notes as vectors, exact within the scope."""

from typing import Any

from agent_engine.errors import RequestError
from agent_engine.memories import MemoryKind
from agent_engine.memory.stored import ScopedMemory


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

        embedder = self._shelves.embedder
        if embedder is None:
            raise RequestError("no model for embeddings is configured")
        [embedding] = await embedder.passages([text])
        return np.frombuffer(embedding.vector, np.float32)
