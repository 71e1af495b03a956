"""Texts as vectors: what a memory needs of a model for that, and what all of them keep to.

Whatever a vector comes from, it is stored as float32 of length 1, with the model and dimension in
one name. What cannot be such a vector is an error here and never reaches a row.
"""

import hashlib
import math
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from agent_engine.errors import ModelReplyError
from agent_engine.memories import Embedding
from agent_engine.types import ModelCall

CACHED_TEXTS = 1_000
"""Of texts that others are looked for with, and again of texts that are to be found."""
MOST_DIMENSIONS = 16_000
"""What pgvector can store."""

Settle = Callable[[ModelCall], None]
"""Counts what a server took for vectors; what is known already, or made here, takes nothing."""


def uncounted(_call: ModelCall) -> None:
    """Count nothing: for what is asked only to learn what the model is."""


class Embedder(Protocol):
    """A model for embeddings. All raise what ``ModelClient.complete`` raises.

    ``settle`` is told of each request that a server answered, whatever becomes of the others.
    """

    @property
    def model(self) -> str:
        """The model and its dimension; vectors are compared only where this is the same.

        Without the dimension while nobody knows it, which is before the first vector.
        """
        ...

    async def passages(
        self, texts: Sequence[str], *, settle: Settle = uncounted
    ) -> Sequence[Embedding]:
        """Return a vector for each text that is to be found, in order."""
        ...

    async def query(self, text: str, *, settle: Settle = uncounted) -> Embedding:
        """Return the vector of a text that others are looked for with."""
        ...


class CachedEmbedder:
    """An embedder that asks once for equal texts, as long as they are among the last ones."""

    def __init__(self, embedder: Embedder, *, most: int = CACHED_TEXTS) -> None:
        self._embedder = embedder
        self._passages = _Lru(most)
        self._queries = _Lru(most)

    @property
    def model(self) -> str:
        """The embedder's."""
        return self._embedder.model

    async def passages(
        self, texts: Sequence[str], *, settle: Settle = uncounted
    ) -> Sequence[Embedding]:
        """Return a vector for each text; only those that are not known are asked for, each once."""
        digests = [_digest(text) for text in texts]
        vectors = {d: held for d in digests if (held := self._passages.get(d)) is not None}
        missing = {d: text for d, text in zip(digests, texts, strict=True) if d not in vectors}
        asked = tuple(missing.values())
        found = await self._embedder.passages(asked, settle=settle) if asked else ()
        for digest, embedding in zip(missing, found, strict=True):
            self._passages.put(digest, embedding)
            vectors[digest] = embedding
        return [vectors[digest] for digest in digests]

    async def query(self, text: str, *, settle: Settle = uncounted) -> Embedding:
        """Return the vector of the text; asked for when it is not known."""
        digest = _digest(text)
        embedding = self._queries.get(digest)
        if embedding is None:
            embedding = await self._embedder.query(text, settle=settle)
            self._queries.put(digest, embedding)
        return embedding


def batches(sizes: Sequence[int], *, most_texts: int, most_size: int) -> Sequence[Sequence[int]]:
    """Return the places of texts of these sizes in groups, none larger than it may be.

    Neighbours stay neighbours; a text that alone is too large is a group of its own.

    >>> batches([5, 5, 1, 99, 1], most_texts=2, most_size=10)
    [[0, 1], [2], [3], [4]]
    """
    found: list[list[int]] = []
    size = 0
    for at, its_size in enumerate(sizes):
        if not found or len(found[-1]) == most_texts or size + its_size > most_size:
            found.append([])
            size = 0
        found[-1].append(at)
        size += its_size
    return found


def name_and_dimension(model: str) -> tuple[str, int | None]:
    """Return the model's name on its server, and the dimension behind it; None when there is none.

    >>> name_and_dimension("text-embedding-3-small@512"), name_and_dimension("@cf/bge")
    (('text-embedding-3-small', 512), ('@cf/bge', None))
    """
    name, _, dimension = model.rpartition("@")
    if name and dimension.isascii() and dimension.isdigit() and int(dimension):
        return name, int(dimension)
    return model, None


def embedding_from(name: str, numbers: Any, *, dimension: int | None = None) -> Embedding:  # noqa: ANN401 - whatever a model gave
    """Return the numbers as a vector of length 1 of the model ``name``.

    Args:
        name: the model's, without its dimension.
        numbers: an array of numpy, or a list of numbers.
        dimension: how many there must be; None for any.

    Raises:
        ModelReplyError: they are no direction: too few or too many, no numbers, or all zero.

    >>> embedding_from("m", [3, 4]).model
    'm@2'
    """
    import numpy as np  # noqa: PLC0415  # only where there are vectors

    try:
        vector = np.asarray(numbers, np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise ModelReplyError("the embedding model sent something that is no vector") from error
    if vector.ndim != 1 or not 1 <= vector.size <= MOST_DIMENSIONS:
        raise ModelReplyError("the embedding model sent something that is no vector")
    if dimension not in (None, vector.size):
        raise ModelReplyError(
            f"the embedding model sent a vector of {vector.size} numbers, not {dimension}"
        )
    with np.errstate(over="ignore"):
        length = float(np.linalg.norm(vector))
    if not (math.isfinite(length) and length > 0.0):
        raise ModelReplyError("the embedding model sent a vector that points nowhere")
    return Embedding(f"{name}@{vector.size}", (vector / length).astype("<f4").tobytes())


class _Lru:
    """Embeddings by the hash of their text; the least recently used go first."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._held: OrderedDict[bytes, Embedding] = OrderedDict()

    def get(self, digest: bytes) -> Embedding | None:
        embedding = self._held.get(digest)
        if embedding is not None:
            self._held.move_to_end(digest)
        return embedding

    def put(self, digest: bytes, embedding: Embedding) -> None:
        self._held[digest] = embedding
        self._held.move_to_end(digest)
        while len(self._held) > self._most:
            self._held.popitem(last=False)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
