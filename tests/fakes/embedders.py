"""An embedder without a model: texts that share letters are near to each other."""

from collections.abc import Sequence

from agent_engine.errors import ModelError
from agent_engine.memories import Embedding
from agent_engine.memory.embeddings import embedding_from


class LetterEmbedder:
    """Counts letters; remembers what it was asked, and fails as long as ``error`` says so."""

    def __init__(self, name: str = "letters", dimension: int = 27) -> None:
        self.name = name
        self.dimension = dimension
        self.asked: list[tuple[str, ...] | str] = []
        self.error: ModelError | None = None

    @property
    def model(self) -> str:
        return f"{self.name}@{self.dimension}"

    async def passages(self, texts: Sequence[str]) -> Sequence[Embedding]:
        self.asked.append(tuple(texts))
        return [self._embedding(text) for text in texts]

    async def query(self, text: str) -> Embedding:
        self.asked.append(text)
        return self._embedding(text, own=2.0)

    def _embedding(self, text: str, *, own: float = 1.0) -> Embedding:
        if self.error is not None:
            raise self.error
        letters = "abcdefghijklmnopqrstuvwxyz"[: self.dimension - 1]
        return embedding_from(self.name, [own, *(text.lower().count(c) for c in letters)])
