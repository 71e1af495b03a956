"""An embedder without a model: texts that share letters are near to each other."""

from collections.abc import Sequence

from agent_engine.errors import ModelError
from agent_engine.memories import Embedding
from agent_engine.memory.embeddings import Settle, embedding_from, uncounted
from agent_engine.types import ModelCall


class LetterEmbedder:
    """Counts letters; remembers what it was asked, and fails as long as ``error`` says so."""

    def __init__(self, name: str = "letters", dimension: int = 27) -> None:
        self.name = name
        self.dimension = dimension
        self.asked: list[tuple[str, ...] | str] = []
        self.error: ModelError | None = None
        self.tokens_per_text = 0
        """What its server charges; 0 for a model that charges nobody."""

    @property
    def model(self) -> str:
        return f"{self.name}@{self.dimension}"

    async def passages(
        self, texts: Sequence[str], *, settle: Settle = uncounted
    ) -> Sequence[Embedding]:
        self.asked.append(tuple(texts))
        self._charge(len(texts), settle)
        return [self._embedding(text) for text in texts]

    async def query(self, text: str, *, settle: Settle = uncounted) -> Embedding:
        self.asked.append(text)
        self._charge(1, settle)
        return self._embedding(text, own=2.0)

    def _charge(self, texts: int, settle: Settle) -> None:
        if not self.tokens_per_text:
            return
        tokens = self.tokens_per_text * texts
        call = ModelCall(
            model=self.name,
            purpose="embedding",
            prompt_tokens=tokens,
            completion_tokens=0,
            usd=tokens / 1_000,
            duration_s=0.1,
        )
        settle(call)

    def _embedding(self, text: str, *, own: float = 1.0) -> Embedding:
        if self.error is not None:
            raise self.error
        letters = "abcdefghijklmnopqrstuvwxyz"[: self.dimension - 1]
        return embedding_from(self.name, [own, *(text.lower().count(c) for c in letters)])
