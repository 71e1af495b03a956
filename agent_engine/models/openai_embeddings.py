"""Embeddings by any server that speaks the OpenAI-compatible API, hosted or local.

The texts leave this process, so this is used only where an operator names a model. How many texts
a server takes at once, and how long ones, is learnt from its refusals. Importing this is as dear as
``openai_client``.
"""

import base64
import binascii
import logging
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from agent_engine.errors import ModelRefusedError, ModelReplyError, ModelUnavailableError
from agent_engine.memories import Embedding
from agent_engine.memory.embeddings import (
    Settle,
    batches,
    embedding_from,
    name_and_dimension,
    uncounted,
)
from agent_engine.models.openai_client import OpenAIClient, sendable
from agent_engine.models.replies import ModelBusyError, count_told
from agent_engine.models.retry import Retries, RetryPolicy
from agent_engine.ports import Price
from agent_engine.tokens import estimate_tokens, shorten
from agent_engine.types import ModelCall

logger = logging.getLogger(__name__)

MOST_TEXTS, MOST_TOKENS, MOST_TEXT_TOKENS = 2_048, 300_000, 8_000
"""Of one request, and of one text; what OpenAI's own server takes."""
LEAST_TEXT_TOKENS = 64
"""A text is not shortened further, however little a server takes."""
TIMEOUT_S, TIMEOUT_PER_TEXT_S = 10.0, 0.5
"""A server on a processor makes a few vectors a second."""
PATIENCE = RetryPolicy(attempts=3, longest_delay_s=5.0, longest_retry_after_s=20.0)
"""A search without vectors finds something too, and who makes them later is patient itself."""
PURPOSE = "embedding"

_ABOUT_SIZE = re.compile(
    r"context (?:length|size|window)|too (?:long|large|many)|\d tokens\b|batch", re.IGNORECASE
)
_TOO_LARGE = 413


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wording:
    """What a family of models wants to be told of a text: that it is a question or a passage."""

    names: re.Pattern[str]
    query: str = ""
    passage: str = ""
    input_types: bool = False
    """Whether it is told in a field of its own, ``input_type``."""


_WORDINGS = (
    _Wording(names=re.compile(r"\be5-", re.IGNORECASE), query="query: ", passage="passage: "),
    _Wording(
        names=re.compile(r"\bnomic-embed-text\b", re.IGNORECASE),
        query="search_query: ",
        passage="search_document: ",
    ),
    _Wording(names=re.compile(r"^voyage-", re.IGNORECASE), input_types=True),
)
_PLAIN = _Wording(names=re.compile(""))


class ServerEmbedder:
    """An ``Embedder`` on a server.

    Args:
        model: the model's name on that server; with ``@512`` behind it, so many numbers per vector
            are asked for.
        base_url: ends in ``/v1`` as a rule; None for OpenAI itself.
        api_key: None for servers that want none.
        timeout_s: given to every request, however many texts it has.
        price: of its prompt tokens; it writes none.
        retries: how patient to be.
    """

    def __init__(  # noqa: PLR0913 - what is known of the model and its server
        self,
        model: str,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        timeout_s: float | None = None,
        price: Price | None = None,
        retries: Retries | None = None,
    ) -> None:
        self._name, self._wanted_dimension = name_and_dimension(model)
        self._dimension = self._wanted_dimension
        self._timeout_s = timeout_s
        self._price = price
        self._client = OpenAIClient(base_url, api_key=api_key)
        self._retries = retries or Retries(PATIENCE)
        self._wording = next((w for w in _WORDINGS if w.names.search(self._name)), _PLAIN)
        self._most_texts, self._most_text_tokens = MOST_TEXTS, MOST_TEXT_TOKENS
        self._takes_base64 = True

    @property
    def model(self) -> str:
        """The model and, once it is known, its dimension."""
        return self._name if self._dimension is None else f"{self._name}@{self._dimension}"

    async def passages(
        self, texts: Sequence[str], *, settle: Settle = uncounted
    ) -> Sequence[Embedding]:
        """Return a vector for each text, in order."""
        worded = [self._wording.passage + text for text in texts]
        return await self._embedded(worded, "document", settle)

    async def query(self, text: str, *, settle: Settle = uncounted) -> Embedding:
        """Return the vector of the text."""
        [embedding] = await self._embedded([self._wording.query + text], "query", settle)
        return embedding

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _embedded(
        self, texts: Sequence[str], kind: str, settle: Settle
    ) -> Sequence[Embedding]:
        """Ask as often as needed; what a refusal says of sizes is kept to from then on."""
        found: list[Embedding] = []
        while len(found) < len(texts):
            batch = self._next_batch(texts[len(found) : len(found) + self._most_texts])
            once = partial(self._once, batch, kind, settle)
            try:
                found += await self._retries.ask(once, model=self._name, purpose=PURPOSE)
            except ModelRefusedError as error:
                if not self._learn(error, batch):
                    # It was not the size after all, so nothing was learnt about that.
                    self._most_texts, self._most_text_tokens = MOST_TEXTS, MOST_TEXT_TOKENS
                    raise
        return found

    def _next_batch(self, texts: Sequence[str]) -> Sequence[str]:
        short = [sendable(shorten(text, self._most_text_tokens)) for text in texts]
        sizes = [estimate_tokens(text) for text in short]
        first = batches(sizes, most_texts=self._most_texts, most_size=MOST_TOKENS)[0]
        return [short[at] for at in first]

    async def _once(self, texts: Sequence[str], kind: str, settle: Settle) -> list[Embedding]:
        """Send one request and read what came."""
        started = time.monotonic()
        timeout_s = self._timeout_s or TIMEOUT_S + TIMEOUT_PER_TEXT_S * len(texts)
        body = self._body(texts, kind)
        try:
            data = await self._client.post("/embeddings", body, timeout_s=timeout_s)
        except ModelBusyError:
            raise
        except ModelUnavailableError as error:
            if not _ABOUT_SIZE.search(error.message):
                raise
            # Some say 500 for what is too long; asking the same again would be no use.
            raise ModelRefusedError(error.message, status=_TOO_LARGE) from error
        # Before it is read: junk has been charged for, too.
        settle(self._called(data, texts, time.monotonic() - started))
        found = [
            embedding_from(self._name, numbers, dimension=self._dimension)
            for numbers in read_vectors(data, count=len(texts))
        ]
        if self._dimension is None:
            self._dimension = found[0].dimension
        return found

    def _body(self, texts: Sequence[str], kind: str) -> dict[str, Any]:
        body: dict[str, Any] = {"model": self._name, "input": list(texts)}
        if self._takes_base64:
            body["encoding_format"] = "base64"  # a quarter of the size, and no loop over numbers
        if self._wanted_dimension is not None:
            body["dimensions"] = self._wanted_dimension
        if self._wording.input_types:
            body["input_type"] = kind
        return body

    def _learn(self, error: ModelRefusedError, batch: Sequence[str]) -> bool:
        """Take a refusal's hint; False when it holds none that is new.

        Several texts are halved in number first: which is too long shows when it is alone.
        """
        if self._takes_base64 and "encoding_format" in error.message:
            self._takes_base64 = False
            return True
        if error.status != _TOO_LARGE and not _ABOUT_SIZE.search(error.message):
            return False
        if len(batch) > 1:
            self._most_texts = len(batch) // 2
            return True
        size = estimate_tokens(batch[0])
        if size <= LEAST_TEXT_TOKENS:
            return False
        self._most_text_tokens = max(LEAST_TEXT_TOKENS, size // 2)
        self._most_texts = MOST_TEXTS
        return True

    def _called(self, data: object, texts: Sequence[str], took_s: float) -> ModelCall:
        """Return the request as it is accounted, and log it."""
        told = _tokens_told(data)
        tokens = told or sum(map(estimate_tokens, texts))
        facts = {"model": self.model, "texts": len(texts), "tokens": tokens}
        more = {"estimated": not told, "duration_s": round(took_s, 3)}
        logger.info("texts_embedded", extra={**facts, **more})
        return ModelCall(
            model=self._name,
            purpose=PURPOSE,
            prompt_tokens=tokens,
            completion_tokens=0,
            usd=None if self._price is None else self._price.usd(prompt_tokens=tokens),
            duration_s=took_s,
            estimated=not told,
        )


def read_vectors(data: object, *, count: int) -> list[Any]:
    """Return the vectors in a reply, in the order of the texts; what each is, is not looked at.

    Raises ModelReplyError when there is not one for each text.
    """
    rows = data.get("data") if isinstance(data, Mapping) else None
    vectors: dict[int, Any] = {}
    for place, row in enumerate(rows if isinstance(rows, list) else ()):
        if isinstance(row, Mapping) and isinstance(at := row.get("index", place), int):
            vectors[at] = _numbers(row.get("embedding"))
    if vectors.keys() != set(range(count)):
        raise ModelReplyError(
            f"the embedding model's server did not send one vector for each of {count} texts"
        )
    return [vectors[at] for at in range(count)]


def _numbers(told: object) -> object:
    """Return the vector as an array where it came as base64, else as it came."""
    if not isinstance(told, str):
        return told
    import numpy as np  # noqa: PLC0415  # only where there are vectors

    try:
        return np.frombuffer(base64.b64decode(told, validate=True), "<f4")
    except (binascii.Error, ValueError) as error:
        raise ModelReplyError("the embedding model sent something that is no vector") from error


def _tokens_told(data: object) -> int:
    """Return how many tokens the server says it took; 0 where it says nothing of them."""
    usage = data.get("usage") if isinstance(data, Mapping) else None
    if not isinstance(usage, Mapping):
        return 0
    names = ("prompt_tokens", "total_tokens")
    return next((told for name in names if (told := count_told(usage.get(name)))), 0)
