"""Texts as vectors: what a memory needs of a model for that."""

from collections.abc import Sequence
from typing import Protocol

from agent_engine.memories import Embedding


class Embedder(Protocol):
    """A model for embeddings. All raise what ``ModelClient.complete`` raises."""

    @property
    def model(self) -> str:
        """The model and its dimension; vectors are compared only where this is the same."""
        ...

    async def passages(self, texts: Sequence[str]) -> Sequence[Embedding]:
        """Return a vector for each text that is to be found, in order."""
        ...

    async def query(self, text: str) -> Embedding:
        """Return the vector of a text that others are looked for with."""
        ...
