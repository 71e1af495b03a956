"""The language models of this installation: one client per model, made when first asked for.

Part of the composition root: it may know the engine's inside. It knows nothing of tools. A vendor's
client costs a second and 25 MB, so it is imported when the first one is made.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from importlib import import_module

from agent_engine.models.detect import list_chat_models
from agent_engine.models.fallback import FallbackModel
from agent_engine.models.offline import OfflineModel
from agent_engine.models.probe import learn_native_tools
from agent_engine.models.unnamed import UnnamedModel
from agent_engine.ports import ModelClient
from agent_engine.types import AgentProfile, PlannerKind
from bot.agents_file import model_names
from bot.model_source import ModelPlace, ModelSource, find_model
from bot.settings import Settings

logger = logging.getLogger(__name__)

LOCAL_TIMEOUT_S = 600.0
"""A model on this machine's own processor may write a dozen tokens a second."""
FIND_AGAIN_S = (1.0, 2.0, 5.0, 10.0, 30.0)
"""How long to wait before a server that is down is asked again; the last one repeats."""


@asynccontextmanager
async def open_models(settings: Settings) -> AsyncIterator["Models"]:
    """Find out which models there are; what is made of them is closed in the end."""
    async with AsyncExitStack() as closing:
        yield Models(settings, await find_model(settings), closing)


class Models:
    """Gives agents their models."""

    def __init__(self, settings: Settings, source: ModelSource, closing: AsyncExitStack) -> None:
        self.source = source
        self.prices = settings.file.engine_defaults().prices
        self._settings = settings
        self._closing = closing
        self._offline = OfflineModel()
        self._clients: dict[ModelPlace, ModelClient] = {}

    def of(self, profile: AgentProfile) -> ModelClient:
        """Return the agent's model; one of its own when several stand in for each other."""
        if self.source.is_offline:
            return self._offline
        models = [self.client(place) for place in self._places(profile)]
        return models[0] if len(models) == 1 else FallbackModel(models)

    def planner_of(self, profile: AgentProfile) -> PlannerKind:
        """Return the agent's planner, or the one that its model can still be planned with."""
        if self.source.is_offline:
            return PlannerKind.OFFLINE
        if profile.planner is PlannerKind.LLM and self._places(profile)[0].small:
            return PlannerKind.SMALL
        return profile.planner

    def client(self, place: ModelPlace) -> ModelClient:
        """Return the client of this model; the same one every time."""
        if place not in self._clients:
            from agent_engine.models.retry import RetryingModel  # noqa: PLC0415 - as the client

            once = self._once(place) if place.model else self._unnamed(place)
            self._clients[place] = RetryingModel(once)
        return self._clients[place]

    async def learn(self) -> None:
        """Load the model's client and find out whether a model on this machine calls tools.

        Beside the start and off the loop, before somebody waits for it. Where the server does not
        tell yet which model it has, it is asked until it does.
        """
        if self.source.is_offline:
            return
        await asyncio.to_thread(import_module, "agent_engine.models.openai_compatible")
        await self._find_until_known()
        await learn_native_tools(self.client(self.source.places()[0]))

    async def _find_until_known(self) -> None:
        delays = iter(FIND_AGAIN_S)
        if self.source.is_unknown:
            logger.warning("model_not_found_yet", extra={"model": self.source.description})
        while self.source.is_unknown:
            await asyncio.sleep(next(delays, FIND_AGAIN_S[-1]))
            self.source = await find_model(self._settings)
            if not self.source.is_unknown:
                logger.info("model_found", extra={"model": self.source.description})

    def _places(self, profile: AgentProfile) -> tuple[ModelPlace, ...]:
        return self.source.places(model_names(profile.model))

    def _unnamed(self, place: ModelPlace) -> ModelClient:
        async def first_listed() -> str:
            listed = await list_chat_models(place.base_url, api_key=place.api_key)
            return listed[0].name

        return UnnamedModel(
            first_listed, lambda name: self._once(replace(place, name=name, model=name))
        )

    def _once(self, place: ModelPlace) -> ModelClient:
        from agent_engine.models.openai_compatible import (  # noqa: PLC0415 - see the module
            OpenAICompatibleModel,
        )

        client = OpenAICompatibleModel(
            place.model,
            base_url=place.base_url,
            api_key=place.api_key,
            shortest_timeout_s=LOCAL_TIMEOUT_S if place.is_local else 0.0,
            timeout_s=place.timeout_s,
            sees=place.vision,
            called=place.name,
        )
        self._closing.push_async_callback(client.aclose)
        return client
